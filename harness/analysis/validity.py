"""Which cells may be used (DESIGN, rule 6): the harness kept its promises, and the machine was its own.

A cell is a phase of an arm in a block. What spoils one is told in words, and is counted, never repaired.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from harness.analysis import units
from harness.analysis.grouped import grouped
from harness.analysis.records import records

CELL = ["block", "arm", "phase"]
# A driver later than this share of what it measures, or than this time if that is longer, spoils the cell.
LATENESS_FRACTION = 0.05
LATENESS_S = 0.002
# Items sent over a longer or shorter time than intended; a difference within the limit of lateness is no rate error.
RATE_ERROR = 0.001
GENERATOR_CPU = 0.8
# Shares of all cores that others took: other machines on the same hardware, other processes on this one. Counters
# tick in hundredths of a second for each core, so a short window has an allowance.
OTHERS = 0.05
OTHERS_S = 0.04
LOAD = {"window_s", "steal_s", "harness_cpu_s", "foreign_cpu_s", "foreign_most"}
COLUMNS = [
    *CELL, "lateness_p99_s", "limit_s", "rate_error", "generator_cpu", "steal", "foreign", "valid", "reason",
]  # fmt: skip


def validity_of(items: pd.DataFrame, events: pd.DataFrame, cores: int) -> pd.DataFrame:
    """One row a cell, COLUMNS; `reason` is empty when valid, and names all that is wrong when not.

    - lateness_p99_s: 99th percentile of sent - due; at most `limit_s`, 2 ms or 5 % of the cell's median latency;
    - rate_error: how much longer or shorter than intended sending took, as a fraction; NaN where all were due at once;
    - generator_cpu: CPU of the harness over the phase, in cores; at most 0.8;
    - steal, foreign: shares of all cores taken by other machines, and by processes that are neither the harness nor
      the engine nor a container; at most 5 % each. NaN in runs that did not note the load.
    """
    cells = grouped(items, CELL)
    limit_s = np.maximum(LATENESS_S, LATENESS_FRACTION * cells.quantiles(items["latency_s"], 0.5))
    table = cells.keys.assign(lateness_p99_s=cells.quantiles(items["late_s"], 0.99), limit_s=limit_s)
    due_s, sent_s = (
        pd.Series(cells.greatest(ns) - cells.least(ns)) / 1e9
        for ns in (items["due_ns"].to_numpy(), items["sent_ns"].to_numpy())
    )
    table["rate_error"] = (sent_s - due_s) / due_s.where(due_s > 0)
    table["rate_error_s"] = (sent_s - due_s).where(due_s > 0)
    table = table.merge(_loads(events, cores), on=CELL, how="left")
    table["reason"] = ["; ".join(_reasons(row)) for row in records(table)]
    table["valid"] = table["reason"] == ""
    return table[COLUMNS]


def _loads(events: pd.DataFrame, cores: int) -> pd.DataFrame:
    """Who used the processor during each phase, from its end event; see measure/load.py."""
    ended = events.loc[events["kind"] == "phase_ended", [*CELL, "detail"]]
    rows = []
    for row in records(ended.astype({"arm": str, "phase": str})):
        detail: dict[str, Any] = json.loads(row.detail) if row.detail else {}
        if not set(detail) >= LOAD or not detail["window_s"] > 0:
            continue
        whole_s = cores * detail["window_s"]
        rows.append({
            "block": row.block, "arm": row.arm, "phase": row.phase,
            "generator_cpu": detail["harness_cpu_s"] / detail["window_s"],
            "steal": detail["steal_s"] / whole_s, "steal_s": detail["steal_s"],
            "foreign": detail["foreign_cpu_s"] / whole_s, "foreign_s": detail["foreign_cpu_s"],
            "foreign_most": detail["foreign_most"],
        })  # fmt: skip
    numbers = ["generator_cpu", "steal", "steal_s", "foreign", "foreign_s"]
    frame = pd.DataFrame(rows, columns=[*CELL, *numbers, "foreign_most"])
    texts = dict.fromkeys(["arm", "phase", "foreign_most"], "str")
    types: dict[str, Any] = {"block": "int32"} | texts | dict.fromkeys(numbers, "float64")
    return frame.astype(types)


def _reasons(row: Any) -> Iterator[str]:
    if row.lateness_p99_s > row.limit_s:
        late, limit = units.duration(row.lateness_p99_s), units.duration(row.limit_s)
        yield f"the harness was late: p99 of sent - due {late}, limit {limit}"
    if abs(row.rate_error) > RATE_ERROR and abs(row.rate_error_s) > row.limit_s:
        yield f"items were not sent at the intended rate: {units.percent(abs(row.rate_error))} off, limit 0.1 %"
    if row.generator_cpu > GENERATOR_CPU:
        yield f"the harness itself used {units.percent(row.generator_cpu)} of a core, limit 80 %"
    if row.steal > OTHERS and row.steal_s > OTHERS_S:
        yield f"other machines took {units.percent(row.steal)} of the cores (steal), limit {units.percent(OTHERS)}"
    if row.foreign > OTHERS and row.foreign_s > OTHERS_S:
        yield (
            f"other processes took {units.percent(row.foreign)} of the cores, limit {units.percent(OTHERS)}, "
            f"most of it {row.foreign_most}"
        )
