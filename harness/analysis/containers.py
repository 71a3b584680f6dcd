"""The lives of containers, from their events."""

from __future__ import annotations

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
