"""The bot in the terminal: reads your files, answers from them, remembers what was said."""
