"""Sources to vectors."""
