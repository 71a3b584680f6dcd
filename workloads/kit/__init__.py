"""What every workload shares: stores, the metadata table, one measured step, and the three entry points."""
