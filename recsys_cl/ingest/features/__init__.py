"""Columns of the item table become vectors: one kind of content, one file. Statistics are those of the vocabulary's items."""
