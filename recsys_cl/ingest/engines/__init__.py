"""What runs the relational expressions: one engine, one file, with what its dialect cannot say."""
