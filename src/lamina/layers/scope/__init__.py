"""Confine each operation to a tenant, and give each tenant its quota."""

from lamina.layers.scope.layer import Scope, ScopeStatus

__all__ = ["Scope", "ScopeStatus"]
