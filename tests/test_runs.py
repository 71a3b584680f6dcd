from __future__ import annotations

import dataclasses
import json
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import harness
from harness.rows import Attempt
from harness.runs import RunError, RunWriter
from tests.rows import a_sample, an_attempt, an_event


def test_rows_come_back_as_they_were_written(tmp_path: Path) -> None:
    writer = RunWriter(tmp_path / "r", {"seed": 3})
    rows = [an_attempt(sequence=n, latency_s=n / 10, cold=n == 0, billed_s=None) for n in range(5)]
    for row in rows:
        writer.attempt(row)
    writer.event(an_event(kind="arm_started"))
    writer.sample(a_sample(cpu_s=1.5))
    writer.close("complete", warnings=["w"])
    run = harness.load(tmp_path / "r")
    assert run.complete
    assert run.manifest["seed"] == 3
    assert run.manifest["warnings"] == ["w"]
    assert list(run.attempts.columns) == [field.name for field in dataclasses.fields(Attempt)]
    assert run.attempts.latency_s.tolist() == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4])
    assert run.attempts.cold.tolist() == [True, False, False, False, False]
    assert run.attempts.billed_s.isna().all()
    assert run.attempts.due_ns.dtype == "int64"
    assert isinstance(run.attempts.arm.dtype, pd.CategoricalDtype)
    assert run.samples.cpu_s.tolist() == [1.5]
    assert run.events.kind.tolist() == ["arm_started"]
    assert sorted(p.name for p in (tmp_path / "r").iterdir()) == [
        "attempts.parquet", "events.parquet", "manifest.json", "samples.parquet"
    ]  # fmt: skip


KILLED = """
import os, signal, sys
from pathlib import Path
from harness.runs import RunWriter
from tests.rows import an_attempt
writer = RunWriter(Path(sys.argv[1]), {"seed": 3})
for n in range(1000):
    writer.attempt(an_attempt(sequence=n))
writer.flush()
for n in range(1000, 1100):
    writer.attempt(an_attempt(sequence=n))
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_run_loads_with_every_flushed_row_and_says_incomplete(tmp_path: Path) -> None:
    folder = tmp_path / "r"
    done = subprocess.run([sys.executable, "-c", KILLED, str(folder)], check=False)
    assert done.returncode == -signal.SIGKILL
    run = harness.load(folder)
    assert run.manifest["state"] == "incomplete"
    assert not run.complete
    assert len(run.attempts) >= 1000
    assert run.attempts.sequence.tolist() == list(range(len(run.attempts)))


@pytest.mark.parametrize("cut_bytes", [1, 7, 64, 500])
def test_a_stream_cut_short_gives_its_whole_batches(tmp_path: Path, cut_bytes: int) -> None:
    folder = tmp_path / "r"
    writer = RunWriter(folder, {})
    for n in range(10):
        writer.attempt(an_attempt(sequence=n))
        writer.flush()
    stream = folder / "attempts.arrows"
    whole = stream.read_bytes()
    stream.write_bytes(whole[:-cut_bytes])
    assert harness.load(folder).attempts.sequence.tolist() == list(range(9))
    stream.write_bytes(b"")
    assert harness.load(folder).attempts.empty
    stream.write_bytes(whole)
    writer.close("complete")


def test_what_is_not_a_run_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"no manifest\.json"):
        harness.load(tmp_path)
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(RunError, match="not JSON"):
        harness.load(tmp_path)
    with pytest.raises(RunError, match="never writes over"):
        RunWriter(tmp_path, {})


def test_the_manifest_is_valid_json_at_every_moment(tmp_path: Path) -> None:
    writer = RunWriter(tmp_path / "r", {"seed": 3})
    path = tmp_path / "r" / "manifest.json"
    assert json.loads(path.read_text())["state"] == "incomplete"
    writer.update(engine={"name": "docker"})
    assert json.loads(path.read_text())["engine"] == {"name": "docker"}
    writer.close("interrupted")
    assert json.loads(path.read_text())["state"] == "interrupted"
