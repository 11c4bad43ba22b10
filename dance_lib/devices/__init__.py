"""Devices elsewhere: what their power and latency logs say, and what a model of them expects."""
