"""The fingerprint of this machine, and of machines that tell less."""

from __future__ import annotations

import json
import time
from pathlib import Path

import psutil
import pytest

from harness.measure import machine


def test_fingerprint_is_quick_and_fits_a_manifest() -> None:
    began = time.perf_counter()
    found = machine.fingerprint()
    assert time.perf_counter() - began < 0.05
    assert json.loads(json.dumps(found)) == found
    assert found["cores"] == psutil.cpu_count()
    assert found["memory_bytes"] == psutil.virtual_memory().total


def test_machine_that_tells_nothing_gives_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "PROC", tmp_path)
    monkeypatch.setattr(machine, "SYS", tmp_path)
    found = machine.fingerprint()
    assert found["governor"] is None
    assert found["cgroup"] is None


@pytest.mark.parametrize(
    ("folders", "version"),
    [(["cgroup.controllers"], "2"), (["memory"], "1"), (["memory", "unified"], "hybrid"), ([], None)],
)
def test_cgroup_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folders: list[str], version: str | None
) -> None:
    monkeypatch.setattr(machine, "SYS", tmp_path)
    for name in folders:
        (tmp_path / "fs/cgroup" / name).mkdir(parents=True)
    assert machine.cgroup_version() == version


def test_cores_with_unlike_governors_are_all_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "SYS", tmp_path)
    for core, name in enumerate(["powersave", "performance", "powersave"]):
        folder = tmp_path / f"devices/system/cpu/cpu{core}/cpufreq"
        folder.mkdir(parents=True)
        (folder / "scaling_governor").write_text(f"{name}\n")
    assert machine.governor() == "performance,powersave"


@pytest.mark.parametrize(
    ("cpus", "vendor", "expected"),
    [
        ({"flags": "fpu hypervisor"}, "QEMU", "QEMU"),
        ({"flags": "fpu hypervisor"}, None, "vm"),
        ({"flags": "fpu"}, None, "none"),
        ({}, None, None),
    ],
)
def test_hypervisor(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    cpus: dict[str, str],
    vendor: str | None,
    expected: str | None,
) -> None:
    monkeypatch.setattr(machine, "SYS", tmp_path)
    if vendor:
        (tmp_path / "class/dmi/id").mkdir(parents=True)
        (tmp_path / "class/dmi/id/sys_vendor").write_text(vendor)
    assert machine._hypervisor(cpus) == expected


@pytest.mark.parametrize(
    ("file", "text", "expected"),
    [
        ("intel_pstate/no_turbo", "0", True),
        ("intel_pstate/no_turbo", "1", False),
        ("cpufreq/boost", "1", True),
        ("cpufreq/boost", "0", False),
        ("elsewhere", "1", None),
    ],
)
def test_turbo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, text: str, expected: bool | None
) -> None:
    monkeypatch.setattr(machine, "SYS", tmp_path)
    path = tmp_path / "devices/system/cpu" / file
    path.parent.mkdir(parents=True)
    path.write_text(f"{text}\n")
    assert machine.turbo() is expected
