"""Whole runs through the command line, on both engines, with every way to end."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import docker
import numpy as np
import pytest
from PIL import Image as Pictures

import harness
from harness import analysis, doctor
from harness.engines.base import LABEL_RUN

SCENARIO = """
name = "tiny"
title = "Tiny"
workload = "thumbnail"
seed = 5
blocks = {blocks}
aa = "function"

[settings]
sizes = [64]

[size]
vcpu = 0.5
memory_mb = 885

[[phases]]
name = "steady"
arrivals = {{ kind = "steady", rate_per_s = 10, duration_s = 0.4 }}

[[phases]]
name = "drop"
arrivals = {{ kind = "drop", items = 4 }}

[placements.function]

[placements.batch]
vcpu_budget = 1.0
array_size = 2
window_s = 0.2

[placements.service]
task_memory_mb = 1024
"""
# Tells a run how much a cell may suffer from others: what is tested here is not how quiet this machine is.
BEGIN = """
from importlib import import_module
validity = import_module("harness.analysis.validity")
validity.OTHERS = validity.GENERATOR_CPU = float("{others}")
validity.LATENESS_S = 60.0
from harness.cli import main
main(prog_name="harness")
"""
ENGINES = ["process", pytest.param("docker", marks=pytest.mark.docker)]


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    rng = np.random.default_rng(1)
    for number in range(3):
        small = Pictures.fromarray(rng.integers(0, 255, (60, 80, 3), dtype=np.uint8))
        small.resize((800, 600)).save(folder / f"{number}.jpg")
    for path in (tmp_path, folder):
        path.chmod(0o755)
    return folder


@pytest.fixture
def command(tmp_path: Path, pictures: Path) -> Iterator[list[str]]:
    (tmp_path / "tiny.toml").write_text(SCENARIO.format(blocks=1))
    yield [
        sys.executable, "-c", BEGIN.format(others=math.inf), "run", str(tmp_path / "tiny.toml"),
        "--corpus", str(pictures), "--out", str(tmp_path / "out"),
    ]  # fmt: skip


def only_run(tmp_path: Path) -> Path:
    (folder,) = (tmp_path / "out").iterdir()
    return folder


@pytest.mark.parametrize("engine", ENGINES)
def test_a_run_is_complete_and_every_planned_item_is_one_row(
    engine: str, command: list[str], tmp_path: Path
) -> None:
    done = subprocess.run(
        [*command, "--engine", engine, "--json"], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    assert told["state"] == "complete"
    run = harness.load(only_run(tmp_path))
    assert run.complete
    assert (run.attempts.outcome == "ok").all(), run.attempts.error.unique()
    calibrated = run.attempts[run.attempts.block == -1]
    assert set(calibrated.arm) == {"function", "batch", "service"}
    measured = run.attempts[run.attempts.block >= 0]
    assert len(measured) == 4 * (4 + 4)
    keys = ["arm", "phase", "sequence"]
    assert not measured.duplicated(keys).any()
    items = measured.astype({"phase": str, "arm": str, "item": str}).pivot(
        index=["phase", "sequence"], columns="arm", values="item"
    )
    assert (items.nunique(axis=1) == 1).all(), "every arm meets the same items in the same order"
    manifest = run.manifest
    assert manifest["engine"]["name"] == engine
    assert manifest["seed"] == 5
    assert manifest["own_cost"]["sampler_rounds"] > 5
    assert manifest["own_cost"]["driver_cpu_s"] > 0
    assert manifest["clock"]["shared"] is True
    assert analysis.clock_offset(run).shared  # type: ignore[union-attr]
    overhead = analysis.overhead(run).set_index(["arm", "start"])["overhead_p50_s"]
    assert 0 < overhead["service", "warm"] < overhead["function", "cold"]
    assert len(analysis.validity(run)) == 8
    assert set(analysis.validity(run).columns) >= {"steal", "foreign", "generator_cpu"}
    assert analysis.validity(run)["foreign"].notna().all()
    names = {path.name for path in run.folder.iterdir()}
    assert {"manifest.json", "summary.csv", "report.md", "report.html", "objects"} <= names
    assert "attempts.arrows" not in names
    assert len(list((run.folder / "objects" / "thumbnails").rglob("*.jpg"))) == 3
    live = run.samples[run.samples.container != "host"]
    # What stands before a service has samples under an arm of its own.
    assert set(live.arm.unique()) - {"service-balancer"} == {"function", "batch", "service", "function-aa"}
    assert (live.groupby("container", observed=True).final.sum() == 1).all()


@pytest.mark.docker
def test_limits_in_force_are_those_asked_for_in_every_placement(command: list[str], tmp_path: Path) -> None:
    words = [*command, "--engine", "docker", "--json"]
    done = subprocess.run(words, check=False, timeout=120, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    manifest = harness.load(only_run(tmp_path)).manifest
    assert manifest["warnings"] == []
    assert manifest["image"]["reference"].startswith("placement-harness/thumbnail:")
    for arm in ("function", "batch", "service", "function-aa"):
        found = manifest["arms"][arm]["limits_in_force"]
        assert found["vcpu"] == pytest.approx(0.5, rel=0.01)
        assert found["memory_bytes"] == 885 * 2**20
        assert found["swap_bytes"] == 0


@pytest.mark.parametrize("engine", ENGINES)
def test_ctrl_c_keeps_what_was_measured_and_still_reports(
    engine: str, command: list[str], tmp_path: Path
) -> None:
    (tmp_path / "tiny.toml").write_text(SCENARIO.format(blocks=50))
    with subprocess.Popen(
        [*command, "--engine", engine], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        _wait_for_rows(tmp_path)
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=60)
    assert running.returncode == 130, out + err
    run = harness.load(only_run(tmp_path))
    assert run.manifest["state"] == "interrupted"
    assert len(run.attempts) >= 8
    assert (run.folder / "report.html").exists()
    assert "Traceback" not in err
    assert _left_over(run.folder.name) == []


@pytest.mark.docker
def test_a_harness_killed_outright_leaves_a_folder_that_loads_and_doctor_cleans_up(
    command: list[str], tmp_path: Path, docker_client: docker.DockerClient
) -> None:
    (tmp_path / "tiny.toml").write_text(SCENARIO.format(blocks=50))
    with subprocess.Popen([*command, "--engine", "docker"], stdout=subprocess.DEVNULL) as running:
        folder = _wait_for_rows(tmp_path)
        while not _left_over(folder.name):
            time.sleep(0.05)
        running.kill()
    run = harness.load(folder)
    assert run.manifest["state"] == "incomplete"
    assert len(run.attempts) >= 8
    assert _left_over(folder.name)
    doctor.clean(docker_client)
    assert _left_over(folder.name) == []
    report = [sys.executable, "-m", "harness", "report", str(folder)]
    done = subprocess.run(report, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "incomplete" in done.stdout


def test_without_docker_the_first_line_says_so_and_how_to_get_it(command: list[str], tmp_path: Path) -> None:
    environment = os.environ | {"DOCKER_HOST": "unix:///nonexistent.sock"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, env=environment)
    assert done.returncode == 0, done.stderr
    first = done.stdout.splitlines()[0]
    assert "NOT used" in first
    assert "scripts/docker.sh" in first
    assert (
        "NOT used" in (only_run(tmp_path) / "report.html").read_text()
        or "not used" in (only_run(tmp_path) / "report.html").read_text()
    )
    asked = subprocess.run(
        [*command, "--engine", "docker"], capture_output=True, text=True, check=False, env=environment
    )
    assert asked.returncode == 1
    assert "no Docker engine answers" in asked.stderr


def test_the_same_seed_plans_the_same_run(command: list[str], tmp_path: Path) -> None:
    seen = []
    for number in range(2):
        out = tmp_path / f"out{number}"
        chosen = [*command[:-1], str(out), "--engine", "process", "--placements", "service", "--json"]
        done = subprocess.run(chosen, check=False, capture_output=True, text=True, timeout=60)
        (folder,) = out.iterdir()
        run = harness.load(folder)
        assert done.returncode == 0, done.stderr
        rows = run.attempts.sort_values(["phase", "sequence"])
        seen.append((run.manifest["order"], rows.item.tolist(), run.manifest["corpus"]["digest"]))
    assert seen[0] == seen[1]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["run", "nope"], "no scenario 'nope'"),
        (["run", "quick", "--placements", "pod"], "'pod'"),
        (["run", "quick", "--repeat", "0"], "1<=x<=1000"),
        (["run", "quick", "--engine", "lxc"], "'auto', 'docker', 'process'"),
        (["report", "tests"], "not a run folder"),
    ],
)
def test_bad_usage_exits_2_and_says_what_is_allowed(arguments: list[str], told: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "harness", *arguments], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 2, done.stderr
    assert told in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["run", "report", "doctor"])
def test_every_command_has_help_with_an_example(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "harness", name, "--help"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert "Example:" in done.stdout


def run_tiny(
    command: list[str], tmp_path: Path, *options: str, more: str = ""
) -> subprocess.CompletedProcess[str]:
    """On the process engine, with the service alone: the quickest whole run there is."""
    (tmp_path / "tiny.toml").write_text(more + SCENARIO.format(blocks=1))
    words = [*command, "--engine", "process", "--placements", "service", *options]
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)


def test_a_run_without_a_valid_cell_ends_with_4_whatever_its_objectives(
    command: list[str], tmp_path: Path
) -> None:
    command[2] = BEGIN.format(others=-1)
    done = run_tiny(command, tmp_path, "--json", more='objectives = ["memory_peak_bytes < 1000"]\n')
    assert done.returncode == 4, done.stderr
    run = harness.load(only_run(tmp_path))
    assert run.complete, "what was measured is there all the same"
    floor = [*command, "--engine", "process", "--placement", "service"]
    floor[floor.index("run")] = "aa"
    assert subprocess.run(floor, capture_output=True, check=False, timeout=120).returncode == 4


@pytest.mark.parametrize(
    ("objective", "code", "verdict"),
    [
        ("latency_mean_s < 100", 0, "undecided"),
        ("memory_peak_bytes < 1e12", 0, "met"),
        ("memory_peak_bytes < 1000", 3, "missed"),
        ("latency_p99_s < 100", 3, "missed"),
    ],
)
def test_objectives_decide_the_exit_code_and_the_junit_file(
    objective: str, code: int, verdict: str, command: list[str], tmp_path: Path
) -> None:
    done = run_tiny(
        command,
        tmp_path,
        "--json",
        "--junit",
        str(tmp_path / "j.xml"),
        more=f'objectives = ["{objective}"]\n',
    )
    assert done.returncode == code, done.stderr
    told = json.loads(done.stdout)["objectives"]
    assert {row["verdict"] for row in told} == {verdict}
    suite = ElementTree.parse(tmp_path / "j.xml").getroot()
    assert len(suite.findall(".//testcase")) == 2
    assert len(suite.findall(".//failure")) == (2 if verdict == "missed" else 0)
    assert len(suite.findall(".//skipped")) == (2 if verdict == "undecided" else 0)


def test_an_objective_on_an_unknown_figure_is_refused_before_anything_starts(
    command: list[str], tmp_path: Path
) -> None:
    done = run_tiny(command, tmp_path, more='objectives = ["latency_p95 < 1"]\n')
    assert done.returncode == 2
    assert "latency_p95_s" in done.stderr
    assert "cost_usd_per_million" in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_time_budget_ends_the_run_between_blocks_and_is_told(command: list[str], tmp_path: Path) -> None:
    done = run_tiny(command, tmp_path, "--budget", "0.1s", "--repeat", "50")
    assert done.returncode == 0, done.stderr
    run = harness.load(only_run(tmp_path))
    assert run.complete
    assert run.manifest["sizing"]["blocks_run"] == 1
    assert "1 of 50 blocks" in " ".join(run.manifest["warnings"])
    assert set(run.attempts["block"]) == {-1, 0}


def test_aa_states_the_floor_of_two_identical_arms(command: list[str], tmp_path: Path) -> None:
    (tmp_path / "tiny.toml").write_text(SCENARIO.format(blocks=3))
    words = [*command, "--engine", "process", "--placement", "service"]
    words[words.index("run")] = "aa"
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)
    run = harness.load(only_run(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "noise floor" in done.stdout
    assert set(run.manifest["arms"]) == {"service", "service-aa"}


@pytest.mark.parametrize(
    ("option", "value", "allowed"),
    [
        ("--precision", "5%", "two placements"),
        ("--precision", "5", "0.1% to 99%"),
        ("--precision", "no", "0.05"),
        ("--budget", "-1s", "90s"),
        ("--budget", "x", "10m"),
    ],
)
def test_bad_options_are_refused_with_what_is_allowed(
    option: str, value: str, allowed: str, command: list[str], tmp_path: Path
) -> None:
    done = run_tiny(command, tmp_path, option, value)
    assert done.returncode == 2
    assert allowed in done.stderr
    assert not (tmp_path / "out").exists()


def _wait_for_rows(tmp_path: Path) -> Path:
    """The run's folder, once two arms have been measured and written."""
    deadline_s = time.monotonic() + 90
    while time.monotonic() < deadline_s:
        folders = list((tmp_path / "out").glob("*")) if (tmp_path / "out").exists() else []
        if folders and (folders[0] / "manifest.json").exists():
            run = harness.load(folders[0])
            if len(run.attempts) >= 8:
                return folders[0]
        time.sleep(0.1)
    raise AssertionError("no rows within 90 s")


def _left_over(run: str) -> list[str]:
    """Containers of a run on this machine, if it has Docker."""
    try:
        client = docker.from_env()
    except docker.errors.DockerException:
        return []
    try:
        label: dict[str, Any] = {"label": f"{LABEL_RUN}={run.replace('.', '').lower()}"}
        return [str(c.name) for c in client.containers.list(all=True, filters=label, ignore_removed=True)]
    finally:
        client.close()
