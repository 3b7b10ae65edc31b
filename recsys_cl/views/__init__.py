"""Source to altered source of the same type: augmentations."""
