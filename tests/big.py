"""Run folders of millions of attempts, written column by column."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from harness.rows import Attempt
from harness.runs import RunWriter, schema
from tests.synthetic import Recipe, manifest

ARMS = ("function", "batch", "service", "function-aa")
PHASES = ("steady", "drop")
BLOCKS = 20
CONTAINERS = 8


def make_big_run(folder: Path, attempts: int, seed: int = 1) -> Path:
    """A finished run folder with so many attempts, in BLOCKS blocks of all ARMS and PHASES."""
    writer = RunWriter(folder, manifest(Recipe(blocks=BLOCKS, warmup_blocks=0)))
    writer.close("complete")
    cells = [
        (block, arm, phase)
        for block in range(BLOCKS)
        for arm in range(len(ARMS))
        for phase in range(len(PHASES))
    ]
    bounds = np.linspace(0, attempts, len(cells) + 1).astype(int)
    rng = np.random.default_rng(seed)
    with pq.ParquetWriter(folder / "attempts.parquet", schema(Attempt), compression="zstd") as target:
        now_ns = 1_795_000_000_000_000_000
        for cell, first, last in zip(cells, bounds, bounds[1:], strict=False):
            table = _cell(cell, int(last - first), now_ns, rng)
            now_ns = int(table["done_ns"][-1].as_py()) + 10**9
            target.write_table(table)
    return folder


def _cell(cell: tuple[int, int, int], count: int, start_ns: int, rng: np.random.Generator) -> pa.Table:
    block, arm, phase = cell
    gaps_ns = rng.exponential(1e7, count)
    due_ns = start_ns + np.cumsum(gaps_ns).astype(np.int64)
    latency_s = rng.lognormal(-3 + 0.1 * rng.standard_normal(), 0.3, count)
    sent_ns = due_ns + 100_000
    done_ns = due_ns + (latency_s * 1e9).astype(np.int64)
    part = {
        "due_ns": due_ns, "sent_ns": sent_ns, "started_ns": sent_ns + 1_000_000, "done_ns": done_ns,
        "latency_s": latency_s, "service_s": latency_s - 1e-4, "queue_s": latency_s * 0.2, "fetch_s": latency_s * 0.1,
        "work_s": latency_s * 0.5, "store_s": latency_s * 0.1, "answer_s": latency_s * 0.05,
        "other_s": latency_s * 0.05, "handler_s": latency_s * 0.7,
        "duration_s": latency_s * 0.7, "billed_s": np.ceil(latency_s * 1000) / 1000,
        "cpu_s": latency_s * 0.5, "container_cpu_s": latency_s * 0.6, "sequence": np.arange(count),
        "memory_peak_bytes": np.full(count, 60_000_000), "bytes_in": rng.integers(10_000, 3_000_000, count),
        "bytes_out": rng.integers(1_000, 30_000, count), "cold": rng.random(count) < 0.01,
        "warmup": np.zeros(count, dtype=bool), "block": np.full(count, block), "attempt": np.ones(count, dtype=int),
    }  # fmt: skip
    texts = {
        "run": (["big"], np.zeros(count, dtype=np.int32)),
        "arm": (list(ARMS), np.full(count, arm, dtype=np.int32)),
        "placement": (
            [name.removesuffix("-aa") for name in ARMS[:3]],
            np.full(count, arm % 3, dtype=np.int32),
        ),
        "phase": (list(PHASES), np.full(count, phase, dtype=np.int32)),
        "item": ([f"photos/{n:04}.jpg" for n in range(24)], rng.integers(0, 24, count).astype(np.int32)),
        "container": (
            [f"c{n}" for n in range(CONTAINERS)],
            rng.integers(0, CONTAINERS, count).astype(np.int32),
        ),
        "outcome": (["ok", "error"], (rng.random(count) < 0.001).astype(np.int32)),
        "error": (["", "made to fail"], np.zeros(count, dtype=np.int32)),
    }
    columns = []
    for field in schema(Attempt):
        if field.name in texts:
            values, codes = texts[field.name]
            columns.append(pa.DictionaryArray.from_arrays(pa.array(codes), pa.array(values)))
        elif field.name in part:
            columns.append(pa.array(part[field.name]).cast(field.type, safe=False))
        else:
            columns.append(pa.repeat(pa.scalar(0, field.type), count))
    return pa.table(columns, schema=schema(Attempt))
