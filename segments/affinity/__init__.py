"""Affinity: who bought this also bought that, in one purchase or by one customer; products and categories."""
