"""The lives of containers, from their events."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd

KEYS = ["block", "arm", "container"]
COLUMNS = [*KEYS, "started_ns", "ended_ns"]


def lives(events: pd.DataFrame) -> pd.DataFrame:
    """One row a container that was seen to start and to end: COLUMNS. From its first start to its last end, since one
    may be started again.
    """
    found = [
        events[events["kind"] == kind].groupby(KEYS, observed=True)["at_ns"].agg(which).rename(name)
        for kind, which, name in (
            ("container_started", "min", "started_ns"),
            ("container_ended", "max", "ended_ns"),
        )
    ]
    table = pd.concat(found, axis=1, join="inner").reset_index()
    return table.astype({"arm": str, "container": str})


def spells(events: pd.DataFrame) -> pd.DataFrame:
    """One row each time that a container started and then ended, COLUMNS: those that were started again have many."""
    rows = []
    turns = events[events["kind"].isin(["container_started", "container_ended"]).to_numpy()]
    for keys, own in turns.sort_values("at_ns", kind="stable").groupby(KEYS, observed=True, sort=False):
        started_ns = None
        for kind, at_ns in zip(own["kind"].astype(str), own["at_ns"], strict=True):
            if kind == "container_started":
                started_ns = at_ns if started_ns is None else started_ns
            elif started_ns is not None:
                rows.append((*keys, started_ns, at_ns))
                started_ns = None
    return pd.DataFrame(rows, columns=COLUMNS).astype({"arm": str, "container": str})


def killed_for_memory(events: pd.DataFrame) -> pd.DataFrame:
    """The events of containers that ended because they used more memory than they may."""
    ended = events[(events["kind"] == "container_ended").to_numpy()]
    why = [
        json.loads(detail).get("out_of_memory") if detail else False for detail in ended["detail"].astype(str)
    ]
    return ended[np.array(why, dtype=bool)]


def most_at_once(events: pd.DataFrame) -> dict[str, int]:
    """The highest number of containers that ran at once, by arm; one that ends makes room before the next begins."""
    found = {}
    for arm, own in lives(events).groupby("arm"):
        moments = np.concatenate([own["started_ns"], own["ended_ns"]])
        steps = np.repeat([1, -1], len(own))
        found[str(arm)] = int(np.cumsum(steps[np.lexsort((steps, moments))]).max())
    return found
