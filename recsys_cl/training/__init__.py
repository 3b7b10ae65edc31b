"""The one loop, the one mutable Run."""
