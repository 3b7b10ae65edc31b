"""Interaction logs to a registered, honestly evaluated contrastive recommender."""
