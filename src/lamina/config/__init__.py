"""Settings of a unified storage, from presets, a file and the environment."""

from lamina.config.load import load
from lamina.config.settings import Section, Settings

__all__ = ["Section", "Settings", "load"]
