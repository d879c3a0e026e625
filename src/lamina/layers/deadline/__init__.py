"""Deadline: one budget of time for all that a call does."""

from lamina.layers.deadline.layer import Deadline, DeadlineStatus

__all__ = ["Deadline", "DeadlineStatus"]
