"""`dance bench`: pruning that skips work against what a user would run instead, on one machine."""
