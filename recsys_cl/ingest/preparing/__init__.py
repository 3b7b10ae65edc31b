"""One log to train, valid, test and a vocabulary, on coded ids."""
