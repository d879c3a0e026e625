"""From files to chunks that a search can find."""
