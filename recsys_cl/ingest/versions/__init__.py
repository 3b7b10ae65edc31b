"""A data set on disk: a folder that grows by versions, and never changes what it has committed.

    DIR/versions/00000003.json      what version 3 holds; its appearance is the commit
    DIR/parts/00000003-9f…/         what one ingestion added: interactions, quarantine and counts, in Parquet, and part.json
    DIR/.scratch, DIR/.lock         of the writer at work

A version names its parts with the digest of each `part.json`, and `part.json` names its files with theirs, so every byte of
a version hangs on one sealed file. Parts are shared between versions and written once.
"""
