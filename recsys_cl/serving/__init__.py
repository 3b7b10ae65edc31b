"""The registered model and batch recommendation."""
