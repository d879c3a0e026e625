"""The orders of layers that are refused, and what a plan warns of."""

from lamina.rules.refused import RULES, Rule, check, check_served
from lamina.rules.warned import WARNINGS, warn

__all__ = ["RULES", "WARNINGS", "Rule", "check", "check_served", "warn"]
