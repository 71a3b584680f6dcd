"""Lines of the gallery that prove themselves by how attempts end, in real containers."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from harness import load
from harness.cli import main
from harness.engines import disks
from harness.runs import Run

pytestmark = [pytest.mark.docker, pytest.mark.timeout(400)]


def carry_out(name: str, out: Path) -> Run:
    """`harness gallery NAME`, which fails where its page is not true; the run."""
    done = CliRunner().invoke(main, ["gallery", name, "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert (out / "index.html").is_file()
    assert (out / f"{name}.svg").is_file()
    (folder,) = (path for path in out.iterdir() if path.is_dir())
    assert (folder / "report.html").is_file()
    return load(folder)


def ends(run: Run, arm: str) -> dict[str, int]:
    rows = run.attempts[(run.attempts["arm"] == arm) & (run.attempts["block"] >= 0)]
    return {str(key): int(value) for key, value in rows["outcome"].value_counts().items() if value}


def test_time_limit(tmp_path: Path) -> None:
    run = carry_out("time-limit", tmp_path)
    assert ends(run, "function") == {"timeout": 6}, "two items, each tried three times"
    assert ends(run, "batch") == {"ok": 2}


@pytest.mark.skipif(not disks.available(), reason="only root can limit the size of /tmp")
def test_temporary_disk(tmp_path: Path) -> None:
    run = carry_out("temporary-disk", tmp_path)
    assert ends(run, "function") == {"error": 4}, "two items, each tried twice"
    rows = run.attempts[run.attempts["outcome"] == "error"]
    assert rows["error"].astype(str).str.contains("No space left on device").all()
    assert ends(run, "function_larger") == ends(run, "batch") == {"ok": 2}


def test_any_runtime(tmp_path: Path) -> None:
    run = carry_out("any-runtime", tmp_path)
    assert ends(run, "function") == ends(run, "batch") == {"ok": 10}
    logs = "".join(path.read_text() for path in (run.folder / "logs").glob("*.log"))
    assert "REPORT RequestId" in logs
