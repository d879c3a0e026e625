"""Domains: the operations of one kind of store, and the facade that callers see."""
