"""The page on adding a workload: its code is that of the files, and its commands do what it says."""

from __future__ import annotations

import gzip
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import harness

PASSED, INVALID = 0, 4  # a noisy machine makes a run invalid, whose rows are there all the same
TREE = ("harness", "workloads", "tests", "pyproject.toml")


@pytest.fixture(scope="module")
def page(root: Path) -> str:
    return (root / "docs/adding-a-workload.md").read_text()


@pytest.fixture
def tree(tmp_path: Path, root: Path) -> Path:
    """A copy of the project, since the page adds to it."""
    tree = tmp_path / "tree"
    tree.mkdir()
    for name in TREE:
        if (root / name).is_dir():
            shutil.copytree(root / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(root / name, tree)
    return tree


def commands(page: str) -> list[str]:
    blocks: list[str] = re.findall(r"^```console\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    return "".join(blocks).splitlines()


def shell(command: str, tree: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the page in a copy of the tree, with this interpreter as its .venv."""
    programs = {"harness": f"{sys.executable} -m harness", "python": sys.executable}
    here = re.sub(r"\.venv/bin/(\w+)", lambda found: programs[found[1]], command)
    env = os.environ | {"PYTHONPATH": str(tree)} | environ
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", here],
        cwd=tree,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_code_shown_is_that_of_the_files(page: str, root: Path) -> None:
    shown = dict(
        re.findall(r"^## .*?`(workloads/\S+)`$.*?^```\w+\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    )
    files = {path for path in (root / "workloads/archive").rglob("*") if path.suffix in (".py", ".toml")}
    named = {path.relative_to(root).as_posix() for path in files}
    assert shown.keys() | {"workloads/archive/__init__.py"} == named
    for name, text in shown.items():
        assert text == (root / name).read_text(), f"{name} and docs/adding-a-workload.md differ"


@pytest.mark.docker  # one of them is pytest, on containers
@pytest.mark.timeout(600)
def test_the_commands_make_a_workload_that_runs(page: str, tree: Path) -> None:
    logs = tree.parent / "logs"
    logs.mkdir()
    (logs / "web.log.gz").write_bytes(gzip.compress(b"GET /index.html 200\n" * 1000))
    runs: list[Path] = []
    for command in commands(page):
        if command == ".venv/bin/harness run mine":
            continue  # in containers: test_workloads.py does that with what ships
        done = shell(command.replace("~", str(tree.parent)), tree)
        allowed = (PASSED, INVALID) if "harness run" in command else (PASSED,)
        assert done.returncode in allowed, f"{command}\n{done.stdout}\n{done.stderr}"
        if "harness run" in command:
            (new,) = set((tree / "results").iterdir()) - set(runs)
            runs.append(new)
        if "pytest" in command:
            assert "1 passed" in done.stdout, done.stdout
    made, own = (harness.load(run).attempts.query("block == 0") for run in runs)
    assert set(made.arm) == {"function", "function-aa", "batch"}
    assert set(own.arm) == {"service"}
    assert set(made.outcome) | set(own.outcome) == {"ok"}
    assert set(own.item) == {"web.log.gz"}
    assert made.cpu_s.min() > 0.05
