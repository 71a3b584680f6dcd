"""The thumbnail workload: a photograph in, one or several small pictures out."""
