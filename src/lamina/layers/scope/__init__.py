"""Confine each operation to a tenant, and give each tenant its quota."""

from lamina.layers.scope.layer import Scope

__all__ = ["Scope"]
