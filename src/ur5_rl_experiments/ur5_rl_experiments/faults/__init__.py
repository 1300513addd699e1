"""Faults on demand, on the whole graph, and what the virtual arm then really does."""
