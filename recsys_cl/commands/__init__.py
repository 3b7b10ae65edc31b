"""What each command says and takes; the work is imported when its command runs."""
