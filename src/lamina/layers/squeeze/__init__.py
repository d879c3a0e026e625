"""Squeeze: compress content before it is stored."""

from lamina.layers.squeeze.core import SqueezeStatus
from lamina.layers.squeeze.layer import Squeeze

__all__ = ["Squeeze", "SqueezeStatus"]
