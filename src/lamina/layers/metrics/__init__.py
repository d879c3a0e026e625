"""Metrics: count and time each operation."""

from lamina.layers.metrics.layer import AttemptMetrics, Metrics
from lamina.layers.metrics.series import Series

__all__ = ["AttemptMetrics", "Metrics", "Series"]
