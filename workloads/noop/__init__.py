"""A workload that does nothing, carried by every image: what is left of an attempt is the placement's own cost."""
