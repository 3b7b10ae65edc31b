"""One published method each, as TOML: components, hyper-parameters, provenance."""
