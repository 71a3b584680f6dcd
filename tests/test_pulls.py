"""Image pulls in tables and reports, from events that are known; and scenarios that ask for them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import docker
import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image as Pictures

import harness
from harness import load, scenario
from harness.analysis.pulls import pulls
from harness.analysis.summary import PARTS
from harness.engines.registry.twins import LABEL_TWIN
from harness.report.contents import Contents
from harness.report.results import result_tables
from harness.runs import Run, RunWriter
from harness.scenario import ScenarioError
from tests.rows import an_attempt, an_event

IMAGE = {
    "reference": "placement-harness/thumbnail:1", "size_bytes": 200, "registry": "local", "digest": "sha256:1",
    "compressed_bytes": 75_000_000, "layers": 4, "pull": "always", "twins": 4,
}  # fmt: skip
S = 1_000_000_000


def make(folder: Path, cached: tuple[int, ...]) -> Run:
    """A run of a cold item, and a pull for each of `cached`: 1 s, 2 s, ..."""
    writer = RunWriter(folder, {"scenario": {"phases": [{"name": "steady"}]}, "image": IMAGE})
    for number, layers in enumerate(cached):
        told = {
            "reference": "r",
            "layers": 4,
            "layers_cached": layers,
            "compressed_bytes": 100 * (4 - layers),
        }
        writer.event(
            an_event(
                kind="image_pulled", container=f"c{number}", duration_s=number + 1.0, detail=json.dumps(told)
            )
        )
    writer.event(
        an_event(kind="image_pulled", block=-1, duration_s=99.0, detail=json.dumps({"layers_cached": 4}))
    )
    writer.attempt(
        an_attempt(cold=True, pull_s=1.0, latency_s=1.05, due_ns=0, sent_ns=0, done_ns=round(1.05 * S))
    )
    events = {"first_due_ns": 0, "planned": 1, "generator_cpu": 0.0, "steal": 0.0, "foreign": 0.0}
    writer.event(an_event(kind="phase_ended", phase="steady", detail=json.dumps(events)))
    writer.close("complete")
    return load(folder)


def titles(run: Run) -> list[str]:
    return [table.caption for table in result_tables(Contents(run))]


def test_pulls_are_counted_with_what_moved_in_them(tmp_path: Path) -> None:
    (row,) = pulls(make(tmp_path / "r", (0, 0, 4))).to_dict("records")
    assert (row["arm"], row["pulls"], row["pull_p50_s"], row["pull_max_s"]) == ("function", 3, 2.0, 3.0)
    assert (row["layers"], row["layers_cached"], row["pulls_cached"]) == (4, pytest.approx(4 / 3), 1)
    assert row["compressed_bytes"] == pytest.approx(800 / 3)


def test_a_report_has_the_pull_among_the_parts_and_tells_of_cached_layers(tmp_path: Path) -> None:
    run = make(tmp_path / "r", (0, 4))
    (cold,) = [
        table for table in result_tables(Contents(run)) if table.caption.startswith("Cold against warm")
    ]
    assert cold.headings[-len(PARTS) :] == PARTS
    assert cold.rows[0][cold.headings.index("pull")] == "1.00 s"
    assert "Image pulls (measured)" in titles(run)
    assert any(told.startswith("1 of 2 image pulls found layers here") for told in Contents(run).banners())
    assert not any("found layers" in told for told in Contents(make(tmp_path / "s", (0, 0))).banners())


def test_a_run_of_a_time_before_registries_has_no_word_of_pulls(tmp_path: Path) -> None:
    path = make(tmp_path / "r", ()).folder / "attempts.parquet"
    pq.write_table(pq.read_table(path).drop_columns(["pull_s"]), path)
    older = load(path.parent)
    assert (older.attempts["pull_s"] == 0).all()
    assert "Image pulls (measured)" not in titles(older)
    (cold,) = [table for table in result_tables(Contents(older)) if table.caption.startswith("Cold against")]
    assert "pull" not in cold.headings


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (
            'address = "https://registry.example.com"',
            "registry.address: got 'https://registry.example.com'; allowed:",
        ),
        ('address = "registry.example.com/team"', "HOST:PORT without scheme and path"),
        ('pull = "sometimes"', "registry.pull: Input should be 'always' or 'never'"),
        ('repository = "Team"', "registry.repository: got 'Team'; allowed: lower-case"),
        ("twins = 0", "registry.twins"),
        ("mirror = 1", "registry.mirror: unknown key"),
    ],
)
def test_a_registry_that_cannot_be_is_refused(tmp_path: Path, wrong: str, told: str) -> None:
    text = scenario.find("pull").read_text().replace('pull = "always"\naddress = "local"', wrong)
    (tmp_path / "wrong.toml").write_text(text)
    with pytest.raises(ScenarioError) as error:
        scenario.load(tmp_path / "wrong.toml")
    assert told in str(error.value)


@pytest.mark.parametrize(
    "address",
    ["local", "registry.example.com:5000", "123456789012.dkr.ecr.eu-west-1.amazonaws.com", "ghcr.io"],
)
def test_addresses_of_registries(tmp_path: Path, address: str) -> None:
    text = scenario.find("pull").read_text().replace('"local"', f'"{address}"')
    (tmp_path / "right.toml").write_text(text)
    found = scenario.load(tmp_path / "right.toml").registry
    assert found is not None
    assert (found.address, found.pull) == (address, "always")


def pictures(folder: Path) -> Path:
    folder.mkdir()
    for number in range(2):
        Pictures.fromarray(np.full((60, 80, 3), number, dtype=np.uint8)).save(folder / f"{number}.jpg")
    return folder


def command(tmp_path: Path, *more: str) -> list[str]:
    """A block of the scenario that ships, on pictures that are made here."""
    tmp_path.chmod(0o755)
    text = scenario.find("pull").read_text()
    (tmp_path / "pull.toml").write_text(text)
    return [
        sys.executable, "-m", "harness", "run", str(tmp_path / "pull.toml"), "--out", str(tmp_path / "out"),
        "--corpus", str(pictures(tmp_path / "pictures")), *more,
    ]  # fmt: skip


def test_the_process_engine_refuses_a_registry(tmp_path: Path) -> None:
    done = subprocess.run(
        command(tmp_path, "--engine", "process"), capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 1
    assert "registry: the process engine pulls no images; use --engine docker" in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.docker
@pytest.mark.timeout(300)
def test_every_placement_pulls_its_image_for_a_cold_start(
    docker_client: docker.DockerClient, tmp_path: Path
) -> None:
    done = subprocess.run(
        command(tmp_path, "--engine", "docker", "--json"),
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode in {0, 4}, done.stderr  # 4: this machine was busy with something else
    (folder,) = (tmp_path / "out").iterdir()
    run = harness.load(folder)
    assert run.complete
    assert (run.attempts.outcome == "ok").all(), run.attempts.error.unique()
    image = run.manifest["image"]
    assert image["digest"].startswith("sha256:")
    assert (image["registry"], image["twins"]) == ("local", 4)
    measured = run.attempts[run.attempts.block >= 0].astype({"arm": str})
    by_arm = measured.groupby("arm")
    assert set(by_arm.groups) == {"function", "batch", "service"}
    assert (measured[measured.arm != "service"].pull_s > 0).all()
    assert (measured[measured.arm == "service"].pull_s == 0).all(), (
        "its tasks are pulled before the first item"
    )
    parts = sum(measured[f"{part}_s"].astype("float64") for part in PARTS)
    assert np.allclose(parts, measured.latency_s, atol=1e-4)
    assert (run.attempts[run.attempts.block < 0].pull_s == 0).all(), (
        "the calibration asks what the harness adds"
    )
    told: list[Any] = pulls(run).to_dict("records")
    assert {row["arm"]: row["pulls"] for row in told} == {"function": 2, "batch": 2, "service": 1}
    for row in told:
        assert (row["layers"], row["layers_cached"]) == (image["layers"], 0)
        assert row["compressed_bytes"] == pytest.approx(image["compressed_bytes"], rel=0.001)
    assert "## Image pulls (measured)" in (folder / "report.md").read_text()
    short = image["id"].removeprefix("sha256:")[:16]
    assert docker_client.images.list(filters={"label": f"{LABEL_TWIN}={short}"}) == []
    assert docker_client.images.get(image["id"])
    shutil.rmtree(folder)
