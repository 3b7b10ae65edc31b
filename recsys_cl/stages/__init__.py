"""The only layer that opens artifacts."""
