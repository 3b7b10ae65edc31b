"""What an encoder reads: a frozen value and the feed that batches it. One family is one file."""
