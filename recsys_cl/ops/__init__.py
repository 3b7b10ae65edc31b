"""Fast tensor functions; each has a slow twin in tests."""
