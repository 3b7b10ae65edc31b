"""Interactions to parts; one kind of split is one file, named by ``use`` in ``prepare.split``."""
