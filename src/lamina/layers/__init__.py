"""Layers: one a file or a package."""
