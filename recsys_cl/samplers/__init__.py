"""Users to items they have not met."""
