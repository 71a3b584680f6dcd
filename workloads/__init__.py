"""Workloads: one function `item -> result` each, the same in every placement."""
