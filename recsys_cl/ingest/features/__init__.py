"""Columns of the item table become vectors: one kind of content, one file. What is learned, is learned of met items alone."""
