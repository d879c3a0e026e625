"""Batch sends what is asked at the same time as one, and tells each its own answer."""

from __future__ import annotations

from lamina.layer import Layer
from lamina.layers.batch import Batch
from lamina.testing import LayerContract


class TestBatchKeepsTheContract(LayerContract):
    def layer(self) -> Layer:
        return Batch()


class TestBatchThatWaitsKeepsTheContract(LayerContract):
    def layer(self) -> Layer:
        return Batch(wait=0.001, max_items=7)
