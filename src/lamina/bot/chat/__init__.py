"""The conversation in a terminal or over a pipe."""
