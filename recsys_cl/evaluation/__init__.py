"""Exact full ranking and what is computed from it."""
