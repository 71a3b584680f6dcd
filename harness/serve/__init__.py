"""Placements behind the APIs of AWS, for unmodified clients."""
