"""Finds the best of ordered sizes with the fewest of them measured, where cost and time are unimodal.

Source: Kiefer, Sequential Minimax Search for a Maximum (Proceedings of the American Mathematical Society 4, 1953):
k measurements find the best of F(k + 2) - 1 ordered points, F being Fibonacci's numbers, and no method does with
fewer in the worst case. Golden-section search is its limit for a continuous line.
"""

from __future__ import annotations

from collections.abc import Generator

# Up to here a search would measure as many as there are, so all are measured at once.
FEWEST_TO_SEARCH = 5


def fibonacci_search(count: int) -> Generator[tuple[int, int], bool, int]:
    """Yields two of `count` indices at a time, is sent whether the left one is better, and returns the best.

    Each pair after the first has one index of the pair before. ValueError below one.
    """
    if count < 1:
        raise ValueError(f"count: got {count}, at least 1 is needed")
    inner, outer = 1, 2
    while outer < count + 1:
        inner, outer = outer, inner + outer
    # The best lies strictly between `low` and `low + outer`; what lies at `count` or beyond does not exist, and loses.
    low = -1
    while outer > 2:
        left, right = low + outer - inner, low + inner
        if right < count and not (yield left, right):
            low = left
        inner, outer = outer - inner, inner
    return low + 1


def first_pair(count: int) -> tuple[int, int]:
    """The two indices that a search begins with; the same one twice where there is nothing to search."""
    try:
        return next(fibonacci_search(count))
    except StopIteration as found:
        return found.value, found.value
