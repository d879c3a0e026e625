"""What every media backend must do."""

from lamina.testing.contracts.media.basics import BasicMedia
from lamina.testing.contracts.media.cancelled import CancelledMedia
from lamina.testing.contracts.media.conditions import ConditionalMedia
from lamina.testing.contracts.media.model import ModelledMedia
from lamina.testing.contracts.media.transfers import TransferredMedia


class MediaContract(BasicMedia, ConditionalMedia, TransferredMedia, CancelledMedia, ModelledMedia):
    """Define ``backend()``, which gives a new, empty media backend."""


__all__ = ["MediaContract"]
