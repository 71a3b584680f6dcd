"""A user's own Lambda image in an ordinary run."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness import load

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]
SCENARIO = """
name = "own"
title = "An image of one's own"
workload = "thumbnail"
seed = 1
blocks = 1
[corpus]
items = 1
[[phases]]
name = "steady"
arrivals = {{ kind = "steady", rate_per_s = 20, duration_s = 1 }}
[placements.answers]
kind = "function"
image = "{image}"
payload = {{ verb = "sleep", seconds = 0.01 }}
memory_mb = 512
[placements.fails]
kind = "function"
image = "{image}"
payload = {{ verb = "fail" }}
memory_mb = 512
time_scale = 0.001
"""


def run(path: Path, out: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "harness", "run", str(path), "--out", str(out), "--engine", "docker"]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=200)


def test_it_is_measured_beside_another(image_of: Callable[[str], str], tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(SCENARIO.format(image=image_of("python")))
    done = run(path, tmp_path / "out")
    (folder,) = (tmp_path / "out").iterdir()
    found = load(folder)
    # 4: other programs, or other machines, have spoilt the only block.
    assert done.returncode in {0, 4}, done.stdout + done.stderr
    assert found.complete
    rows: Any = found.attempts[found.attempts["block"] >= 0]
    good = rows[rows["arm"] == "answers"]
    assert (good["outcome"] == "ok").all(), good["error"].unique()
    assert len(good) == 20
    assert (good["duration_s"] > 0.01).all()
    assert (good["billed_s"] * 1000 % 1 < 1e-6).all()
    assert 1 <= good["cold"].sum() <= 2
    bad = rows[rows["arm"] == "fails"]
    assert sorted(bad["attempt"].unique()) == [1, 2, 3], "one try and two more"
    assert len(bad) == 60
    assert (bad["error"].astype(str) == "ValueError: made to fail").all()
    letters = (folder / "logs" / "fails-on-failure.jsonl").read_text().splitlines()
    assert len(letters) == 20
    metrics: Any = found.lambda_metrics().set_index("arm")
    assert metrics.loc["fails", "Errors"].sum() == 60
    assert (folder / "report.html").is_file()


def test_an_image_that_is_not_here_is_named_before_anything_starts(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(SCENARIO.format(image="placement-harness/no-such:image"))
    done = run(path, tmp_path / "out")
    assert done.returncode == 1
    assert (
        "placements.answers.image: image 'placement-harness/no-such:image' is not on this machine"
        in done.stderr
    )
    assert not (tmp_path / "out").exists()
