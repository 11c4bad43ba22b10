"""Executors of a plan: two forms, one truth."""
