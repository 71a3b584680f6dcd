"""The archive workload: a gzip file in, a smaller xz file out."""
