"""Logs in, one Parquet schema out."""
