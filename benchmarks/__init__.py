"""Benchmarks: what the layers cost, beside the peers, in one run."""
