"""One file per kind of log; each turns its format into raw rows that know where they stand."""
