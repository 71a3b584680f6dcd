"""Draws a run under way as lines of text, its arms side by side.

Lines are made here and not by rich's tables, which take 4 ms for the same and hold the interpreter meanwhile; the
driver, in whose process this is, would be late by as much.
"""

from __future__ import annotations

import datetime
from collections import deque
from collections.abc import Callable, Sequence

from rich.text import Text

from harness.analysis import units
from harness.cli.picture import Picture, clock, quantile
from harness.cli.tally import ArmTally, Life, State

BARS = "▁▂▃▄▅▆▇█"
SPARK = 12
LABEL = 12
# A column an arm where each has this width at least, else a line an arm.
NARROWEST = 13
WIDEST = 26
NOTES = 5
STYLES = {State.WAITING: "dim", State.RUNNING: "bold green", State.DONE: ""}
MARKS = {State.WAITING: "", State.RUNNING: "▶ ", State.DONE: ""}

Cell = tuple[str, str]


def draw(picture: Picture, now_s: float, width: int, height: int) -> Text:
    """The picture for a terminal of so many columns and lines; `now_s` is of the clock of `begun_s`."""
    head = [*_head(picture, now_s, width), Text()]
    arms = list(picture.tally.arms.values())
    column = min(WIDEST, (width - LABEL) // max(1, len(arms)))
    room = height - len(head) - 1
    if column >= NARROWEST and room >= len(FIGURES):
        body = _columns(picture, arms, column)
    else:
        body = _lines(picture, arms, width, room)
    notes = _notes(picture, width, min(NOTES, room - len(body) - 1))
    lines = [*head, *body, *([Text(), *notes] if notes else [])]
    for line in lines:
        line.truncate(width - 1, overflow="ellipsis")
    return Text("\n", no_wrap=True, end="").join(lines[: height - 1])


def _head(picture: Picture, now_s: float, width: int) -> list[Text]:
    """Title, folder, and how far it is."""
    ended = f"{picture.done:,} of {picture.steps:,}" if picture.steps else ""
    left_s = picture.left_s(now_s)
    times = f"{clock(now_s - picture.begun_s)} elapsed"
    if left_s is not None:
        times += f" · about {clock(left_s)} left"
    what = "ending: keeping what was measured" if picture.is_ending else picture.what
    host = picture.tally.host_cpu
    lines = [
        Text.assemble((picture.run.title, "bold")),
        Text.assemble((str(picture.run.folder), "dim")),
        Text.assemble(
            (what, "bold yellow" if picture.is_ending else "bold"),
            ("" if host is None else f" · machine {units.percent(host)} busy", "dim"),
        ),
    ]
    if picture.steps:
        bar = max(4, width - 3 - len(ended) - len(times) - 4)
        full = round(bar * min(1.0, picture.done / picture.steps))
        lines.append(
            Text.assemble(("━" * full, "green"), ("━" * (bar - full), "bright_black"), f"  {ended} · {times}")
        )
    else:
        lines.append(Text(times))
    return lines


def _state(picture: Picture, arm: ArmTally) -> Cell:
    took = f" {units.duration(arm.took_s)}" if arm.state == State.DONE else ""
    return f"{MARKS[arm.state]}{arm.state}{took}", STYLES[arm.state]


def _phase(picture: Picture, arm: ArmTally) -> Cell:
    if not arm.planned:
        return arm.phase or "-", "dim"
    counts = f" {arm.tried:,}/{arm.planned:,}"
    return f"{arm.phase}{counts}", ""


def _ok(picture: Picture, arm: ArmTally) -> Cell:
    return f"{arm.ok:,}", ""


def _failed(picture: Picture, arm: ArmTally) -> Cell:
    return f"{arm.failed:,}", "bold red" if arm.failed else "dim"


def _in_flight(picture: Picture, arm: ArmTally) -> Cell:
    if arm.state != State.RUNNING or not picture.steps:
        return "-", "dim"
    return f"{picture.run.in_flight():,}", ""


def _p50(picture: Picture, arm: ArmTally) -> Cell:
    return _quantile(arm.recent_s, 0.5)


def _p95(picture: Picture, arm: ArmTally) -> Cell:
    return _quantile(arm.recent_s, 0.95)


def _block_p50(picture: Picture, arm: ArmTally) -> Cell:
    return _quantile(arm.block_recent_s, 0.5)


def _block_p95(picture: Picture, arm: ArmTally) -> Cell:
    return _quantile(arm.block_recent_s, 0.95)


def _spark(picture: Picture, arm: ArmTally) -> Cell:
    return spark(arm.recent_s), "cyan"


def _containers(picture: Picture, arm: ArmTally) -> Cell:
    lives = [each.life for each in arm.containers.values()]
    if not lives:
        return "-", "dim"
    frozen, made = lives.count(Life.FROZEN), lives.count(Life.CREATED)
    more = [f"{count} {life}" for count, life in ((frozen, "frozen"), (made, "new")) if count]
    return ", ".join([f"{lives.count(Life.RUNNING)} up", *more]), ""


def _memory(picture: Picture, arm: ArmTally) -> Cell:
    used = sum(each.memory_bytes for each in arm.containers.values())
    return (units.size(used), "") if used else ("-", "dim")


def _peak(picture: Picture, arm: ArmTally) -> Cell:
    return (units.size(arm.peak_bytes), "") if arm.peak_bytes else ("-", "dim")


def _cpu(picture: Picture, arm: ArmTally) -> Cell:
    if arm.state != State.RUNNING:
        return "-", "dim"
    return f"{sum(each.vcpu() for each in arm.containers.values()):.2f} vCPU", ""


Figure = Callable[[Picture, ArmTally], Cell]
FIGURES: Sequence[tuple[str, Figure]] = (
    ("this block", _state), ("phase", _phase), ("ok", _ok), ("failed", _failed), ("in flight", _in_flight),
    ("block p50", _block_p50), ("block p95", _block_p95), ("recent p50", _p50), ("recent p95", _p95),
    ("latency", _spark), ("containers", _containers), ("memory", _memory), ("peak of one", _peak), ("CPU", _cpu),
)  # fmt: skip
# What a line an arm has room for in 80 columns, with widths.
SHORT: Sequence[tuple[str, Figure, int]] = (
    ("ok", _ok, 8), ("failed", _failed, 7), ("p50", _p50, 9), ("p95", _p95, 9), ("latency", _spark, SPARK + 1),
    ("memory", _memory, 10),
)  # fmt: skip


def _columns(picture: Picture, arms: Sequence[ArmTally], width: int) -> list[Text]:
    """A column an arm."""
    lines = [
        Text.assemble(
            " " * LABEL, *(_right(arm.name, width, f"underline {STYLES[arm.state]}") for arm in arms)
        )
    ]
    for label, figure in FIGURES:
        line = Text(f"{label:<{LABEL}}", style="")
        for arm in arms:
            line.append_text(_right(*_swap(figure(picture, arm), width)))
        lines.append(line)
    return lines


def _swap(cell: Cell, width: int) -> tuple[str, int, str]:
    return cell[0], width, cell[1]


def _right(words: str, width: int, style: str) -> Text:
    """Right-aligned in so many columns, one of which stays free."""
    if len(words) > width - 1:
        words = words[: width - 2] + "…"
    return Text.assemble(" " * (width - len(words)), (words, style))


def _lines(picture: Picture, arms: Sequence[ArmTally], width: int, room: int) -> list[Text]:
    """A line an arm, the running one among those for which there is room."""
    name = max(10, width - 1 - sum(each for _, _, each in SHORT))
    lines = [Text(f"{'':<{name}}" + "".join(f"{label:>{each}}" for label, _, each in SHORT), style="dim")]
    count = max(1, room - 2)
    running = picture.tally.running
    first = max(0, min(arms.index(running) - count // 2, len(arms) - count)) if running else 0
    for arm in arms[first : first + count]:
        mark = MARKS[arm.state] or "  "
        line = Text(f"{mark + arm.name:<{name}}"[:name], style=STYLES[arm.state])
        for _, figure, each in SHORT:
            line.append_text(_right(*_swap(figure(picture, arm), each)))
        lines.append(line)
    if len(arms) > count:
        lines.append(Text(f"  and {len(arms) - count} more", style="dim"))
    return lines


def _notes(picture: Picture, width: int, room: int) -> list[Text]:
    """The last notes, the newest at the bottom."""
    found = []
    for note in list(picture.notes.kept)[-room:] if room > 0 else []:
        at = datetime.datetime.fromtimestamp(note.at_ns / 1e9).astimezone()
        times = f" (x{note.times:,})" if note.times > 1 else ""
        found.append(Text.assemble((f"{at:%H:%M:%S} ", "dim"), (note.arm, "bold"), f" {note.words}{times}"))
    return found


def spark(values: deque[float]) -> str:
    """The last values as bars, from the lowest of them to the highest."""
    last = list(values)[-SPARK:]
    low, high = min(last, default=0.0), max(last, default=0.0)
    scale = (len(BARS) - 1) / (high - low) if high > low else 0.0
    return "".join(BARS[round((value - low) * scale)] for value in last)


def _quantile(values: deque[float], share: float) -> Cell:
    value = quantile(values, share)
    return units.duration(value), "" if value is not None else "dim"
