"""The size of a placement: which sizes there are, a scenario with one arm for each, and what came of it."""
