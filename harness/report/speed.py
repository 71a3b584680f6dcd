"""What each table of costs says of how fast AWS is taken to be: seconds here are not seconds there."""

from __future__ import annotations

from harness.cost.terms import Terms


def speed(terms: Terms) -> str:
    """A sentence for below a table."""
    calibrated = ", which was not calibrated: AWS is taken to be as fast as this machine"
    return f"Speed factor {terms.speed_factor:g}{calibrated if terms.speed_factor == 1 else ''}."
