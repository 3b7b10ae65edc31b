"""Nouns (values), verbs (protocols) and the few things everything needs; imports nothing of ours."""
