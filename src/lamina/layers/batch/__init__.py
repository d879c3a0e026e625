"""Send what is asked at the same time as one batch."""

from lamina.layers.batch.core import BatchStatus
from lamina.layers.batch.layer import Batch

__all__ = ["Batch", "BatchStatus"]
