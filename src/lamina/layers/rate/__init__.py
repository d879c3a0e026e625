"""Let at most so many operations pass in a time."""

from lamina.layers.rate.line import RateStatus
from lamina.layers.rate.quota import Quota
from lamina.layers.rate.throttle import Throttle

__all__ = ["Quota", "RateStatus", "Throttle"]
