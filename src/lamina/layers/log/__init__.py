"""Log: tell what failed or was slow."""

from lamina.layers.log.layer import Log
from lamina.layers.log.logger import Logger

__all__ = ["Log", "Logger"]
