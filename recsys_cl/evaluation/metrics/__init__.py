"""One metric a file; each gives one value per user."""
