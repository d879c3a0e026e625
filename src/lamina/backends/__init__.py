"""Backends: one system a file, one class for each domain that it serves."""
