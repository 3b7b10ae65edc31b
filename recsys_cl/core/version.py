"""The version, in one place: part of every fingerprint, and what the package is built as."""

VERSION = "0.1.0"
