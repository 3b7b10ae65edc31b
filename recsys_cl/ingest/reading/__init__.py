"""Bytes to raw rows: each format read by its own strict rules, each row knowing its file and line."""
