"""Pipelines under a scheduler; the stages know nothing of it."""
