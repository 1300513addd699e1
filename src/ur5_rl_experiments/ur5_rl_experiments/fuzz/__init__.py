"""Mutated messages into running nodes, mutated files into their readers."""
