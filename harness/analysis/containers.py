"""The lives of containers, from their events."""

from __future__ import annotations

import numpy as np
import pandas as pd

COLUMNS = ["block", "arm", "container", "started_ns", "ended_ns"]


def lives(events: pd.DataFrame) -> pd.DataFrame:
    """One row a container that was seen to start and to end: COLUMNS. From its first start to its last end, since one
    may be started again.
    """
    keys = ["block", "arm", "container"]
    found = [
        events[events["kind"] == kind].groupby(keys, observed=True)["at_ns"].agg(which).rename(name)
        for kind, which, name in (
            ("container_started", "min", "started_ns"),
            ("container_ended", "max", "ended_ns"),
        )
    ]
    table = pd.concat(found, axis=1, join="inner").reset_index()
    return table.astype({"arm": str, "container": str})


def most_at_once(events: pd.DataFrame) -> dict[str, int]:
    """The highest number of containers that ran at once, by arm; one that ends makes room before the next begins."""
    found = {}
    for arm, own in lives(events).groupby("arm"):
        moments = np.concatenate([own["started_ns"], own["ended_ns"]])
        steps = np.repeat([1, -1], len(own))
        found[str(arm)] = int(np.cumsum(steps[np.lexsort((steps, moments))]).max())
    return found
