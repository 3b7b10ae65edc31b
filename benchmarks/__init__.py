"""Speed and quality as programs: each prints a table and writes JSON."""
