"""MLflow behind a two-method protocol, and the JSON-lines twin."""
