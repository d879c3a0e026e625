"""Stop sending to a backend that fails, and probe until it answers again."""

from lamina.layers.breaker.layer import Breaker
from lamina.layers.breaker.states import CircuitStatus, State, Verdict

__all__ = ["Breaker", "CircuitStatus", "State", "Verdict"]
