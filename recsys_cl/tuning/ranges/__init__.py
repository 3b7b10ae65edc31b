"""What a setting may be while tuning; one kind of range is one file, named by ``use`` in ``tune.space``."""
