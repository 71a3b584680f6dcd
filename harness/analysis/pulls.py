"""How images were pulled for cold starts: how long that took, and what really moved."""

from __future__ import annotations

import json

import pandas as pd

from harness.analysis.once import once
from harness.rows import NO_BLOCK
from harness.runs import Run

COLUMNS = [
    "arm", "pulls", "pull_p50_s", "pull_max_s", "compressed_bytes", "layers", "layers_cached", "pulls_cached",
]  # fmt: skip


@once
def pulls(run: Run) -> pd.DataFrame:
    """One row for each arm whose containers' image was pulled, warm-up blocks included.

    - pulls: how many; pull_p50_s and pull_max_s: how long they took, whether an item waited for them or not;
    - compressed_bytes, layers, layers_cached: means of a pull; what was here already is not in the bytes;
    - pulls_cached: pulls that found some layer here.
    """
    events = run.events[(run.events["kind"] == "image_pulled") & (run.events["block"] > NO_BLOCK)]
    if events.empty:
        return pd.DataFrame(columns=COLUMNS)
    told = pd.DataFrame([json.loads(detail) for detail in events["detail"]], index=events.index)
    frame = told.assign(arm=events["arm"].astype(str), duration_s=events["duration_s"])
    groups = frame.groupby("arm", sort=False)
    table = pd.DataFrame(
        {
            "pulls": groups.size(),
            "pull_p50_s": groups["duration_s"].median(),
            "pull_max_s": groups["duration_s"].max(),
            "compressed_bytes": groups["compressed_bytes"].mean(),
            "layers": groups["layers"].mean(),
            "layers_cached": groups["layers_cached"].mean(),
            "pulls_cached": groups["layers_cached"].agg(lambda cached: int((cached > 0).sum())),
        }
    )
    return table.reset_index()[COLUMNS]
