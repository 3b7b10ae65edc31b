"""Public data sets: fetched from where their owners keep them, checked, and brought into the one schema."""
