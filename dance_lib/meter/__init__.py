"""Counting: MACs and bytes per clip and unit."""

from dance_lib.meter.cost import branch_ratios, mac_ratios, unit_macs
from dance_lib.meter.count import count

__all__ = ["branch_ratios", "count", "mac_ratios", "unit_macs"]
