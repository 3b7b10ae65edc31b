"""Encodings to a scalar."""
