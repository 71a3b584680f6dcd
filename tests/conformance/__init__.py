"""Functions of Lambda images that other people's clients run, against the real placement."""
