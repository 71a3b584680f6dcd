"""The view in a real terminal: a process on a pseudo-terminal whose screen is emulated, and the same run when piped."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pexpect
import psutil
import pyte
import pytest

import harness
from harness.runs import Run
from harness.session import _cancelled_by_signals

WAIT_S = 60
REPORT = "Report:"


class Terminal:
    """`harness run quick` on a terminal, with the screen as a person sees it. Any process left is ended with it."""

    def __init__(self, out: Path, *more: str, width: int = 80, height: int = 24, **environment: str) -> None:
        words = ["-m", "harness", "run", "quick", "--engine", "process", "--placements", "service"]
        self.out = out
        self.screen = pyte.HistoryScreen(width, height, history=1000)
        self._stream = pyte.ByteStream(self.screen)
        self.written = self._waiting = b""
        self.process: pexpect.spawn[bytes] = pexpect.spawn(
            sys.executable,
            [*words, "--out", str(out), *more],
            dimensions=(height, width),
            env=os.environ | {"TERM": "xterm-256color"} | environment,
        )

    def until(self, seen: Callable[[], bool]) -> None:
        """Read until it is so, or was for a moment in what has been read at once."""
        ends_s = time.monotonic() + WAIT_S
        while not seen():
            assert time.monotonic() < ends_s, "\n".join(self.screen.display)
            self._read(seen)

    def end(self) -> int:
        """Read to the end: the exit code."""
        while self._read():
            pass
        self.process.close()
        assert self.process.exitstatus is not None
        return self.process.exitstatus

    def shows(self, words: str) -> bool:
        return any(words in line for line in self.screen.display)

    def everything(self) -> str:
        """What stands on the screen and above it."""
        above = [
            "".join(line[x].data for x in range(self.screen.columns)) for line in self.screen.history.top
        ]
        return "\n".join(line.rstrip() for line in [*above, *self.screen.display])

    def run(self) -> Run:
        (folder,) = self.out.iterdir()
        return harness.load(folder)

    def _read(self, seen: Callable[[], bool] = lambda: False) -> bool:
        """Feed the screen until it is so; what was written after that waits for the next time."""
        try:
            self._waiting = self._waiting or self.process.read_nonblocking(65_536, timeout=WAIT_S)
        except pexpect.EOF:
            return False
        while self._waiting and not seen():
            line, newline, self._waiting = self._waiting.partition(b"\n")
            self.written += line + newline
            self._stream.feed(line + newline)
        return True


def assert_restored(terminal: Terminal) -> None:
    """Nothing is left of the view but the report, and the cursor is there again."""
    assert not terminal.screen.cursor.hidden
    assert "▶" not in terminal.everything()
    assert "in flight" not in terminal.everything()
    assert terminal.everything().count(REPORT) == 1


def test_a_run_can_be_watched_and_leaves_its_report(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, "--repeat", "2")
    terminal.until(lambda: terminal.shows("block 1 of 2: service") and terminal.shows("▶ running"))
    assert terminal.screen.cursor.hidden
    assert terminal.shows("A first look")
    terminal.until(lambda: terminal.shows("block 2 of 2: service") and terminal.shows(" left"))
    assert terminal.end() in {0, 4}  # 4 where this machine's noise has spoilt both blocks
    assert_restored(terminal)
    assert "Containers are NOT used" in terminal.everything()
    own = terminal.run().manifest["own_cost"]
    assert 0 < own["view_cpu_s"] < own["harness_cpu_s"]


def test_ctrl_c_ends_in_order_keeps_what_was_measured_and_reports(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, "--repeat", "500")
    terminal.until(lambda: terminal.shows("block 2 of 500: service"))
    terminal.process.sendintr()
    assert terminal.end() == 130
    assert_restored(terminal)
    assert "ending: keeping what was measured" in terminal.everything()
    assert "This run is interrupted" in terminal.everything()
    run = terminal.run()
    assert run.manifest["state"] == "interrupted"
    assert (run.attempts["block"] == 0).sum() >= 16
    assert (run.folder / "report.html").exists()


def test_a_second_ctrl_c_cuts_the_ending_short_and_leaves_no_process(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, "--repeat", "500")
    terminal.until(lambda: terminal.shows("block 2 of 500: service"))
    started = psutil.Process(terminal.process.pid).children(recursive=True)
    assert started
    terminal.process.sendintr()
    terminal.until(lambda: "ending: keeping" in terminal.everything())
    terminal.process.sendintr()
    assert terminal.end() == 130
    assert not terminal.screen.cursor.hidden
    assert terminal.run().manifest["state"] == "interrupted"
    assert not [each for each in started if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]


def test_narrow_terminals_without_colour(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, "--repeat", "1", width=44, height=12, NO_COLOR="1")
    terminal.until(lambda: terminal.shows("▶ service"))
    terminal.end()
    assert b"\x1b[32m" not in terminal.written
    assert b"\x1b[1;32m" not in terminal.written
    assert not terminal.screen.cursor.hidden


def test_without_the_view_a_terminal_is_told_in_lines(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, "--repeat", "1", "--no-live")
    terminal.end()
    assert b"\x1b[?25l" not in terminal.written
    assert b"block 1 of 1: service" in terminal.written


@pytest.mark.parametrize(("option", "told"), [([], True), (["--json"], False)])
def test_when_piped_each_arm_that_has_ended_is_a_line(option: list[str], told: bool, tmp_path: Path) -> None:
    words = [
        sys.executable,
        "-m",
        "harness",
        "run",
        "quick",
        "--engine",
        "process",
        "--placements",
        "service",
    ]
    done = subprocess.run(
        [*words, "--repeat", "1", "--out", str(tmp_path), *option],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    lines = [line for line in done.stderr.splitlines() if line.startswith("block 1 of 1: service · ")]
    assert len(lines) == told
    assert all(" ok, " in line and " failed · p50 " in line for line in lines)
    assert "block 1 of 1" not in done.stdout
    assert "\x1b" not in done.stderr + done.stdout
    if option:
        assert json.loads(done.stdout)["state"] == "complete"


class Nobody:
    """Counts how often it was told of an ending."""

    cpu_s = 0.0
    endings = 0

    def begin(self, run: object) -> None: ...

    def ending(self) -> None:
        self.endings += 1

    def say(self, message: str) -> None: ...

    def plan(self, steps: int) -> None: ...

    def step(self, what: str) -> None: ...


def test_the_second_interruption_cuts_the_first_short_and_the_third_leaves_at_once() -> None:
    nobody, seen = Nobody(), []

    async def stubborn() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            seen.append("first")
        try:
            await asyncio.Event().wait()
        finally:
            seen.append("second")

    async def main() -> None:
        task = asyncio.ensure_future(stubborn())
        with _cancelled_by_signals(task, nobody):
            for _ in range(2):
                await asyncio.sleep(0)
                os.kill(os.getpid(), signal.SIGINT)
                await asyncio.sleep(0.05)
            assert task.cancelled()
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.sleep(5)
            seen.append("not reached")

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(main())
    assert seen == ["first", "second"]
    assert nobody.endings == 1
