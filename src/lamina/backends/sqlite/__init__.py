"""In one SQLite file: what is acknowledged survives crashes; needs nothing but Python."""
