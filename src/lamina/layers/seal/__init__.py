"""Seal: encrypt content before the backend sees it."""

from lamina.layers.seal.core import SealStatus
from lamina.layers.seal.layer import Seal

__all__ = ["Seal", "SealStatus"]
