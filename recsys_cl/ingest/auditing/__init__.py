"""Looks for what a model could know and should not: one check a leak, on the prepared data set alone."""
