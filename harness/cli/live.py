"""Draws a run under way as lines of text, its arms side by side.

Lines are made here and not by rich's tables, which take 4 ms for the same and hold the interpreter meanwhile; the
driver, in whose process this is, would be late by as much.
"""

from __future__ import annotations

import datetime
import itertools
from collections.abc import Sequence

from rich.text import Text

from harness.analysis import units
from harness.cli.figures import FIGURES, MARKS, SHORT, STYLES, Cell
from harness.cli.picture import Picture, clock
from harness.cli.tally import ArmTally

LABEL = 12
# A column an arm where each has this width at least, else a line an arm.
NARROWEST = 13
WIDEST = 26
NOTES = 5


def draw(picture: Picture, now_s: float, width: int, height: int) -> Text:
    """The picture for a terminal of so many columns and lines; `now_s` is of the clock of `begun_s`."""
    head = [*_head(picture, now_s, width), Text()]
    arms = list(picture.tally.arms.values())
    column = min(WIDEST, (width - 1 - LABEL) // max(1, len(arms)))
    room = height - len(head) - 1
    if column >= NARROWEST and room > len(FIGURES):
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


def _columns(picture: Picture, arms: Sequence[ArmTally], width: int) -> list[Text]:
    """A column an arm."""
    names = (_right((arm.name, f"underline {STYLES[arm.state]}"), width) for arm in arms)
    lines = [Text.assemble(" " * LABEL, *names)]
    for label, figure in FIGURES:
        cells = (_right(figure(picture, arm), width) for arm in arms)
        lines.append(Text.assemble(f"{label:<{LABEL}}", *cells))
    return lines


def _right(cell: Cell, width: int) -> Text:
    """Right-aligned in so many columns, one of which stays free."""
    words, style = cell
    if len(words) > width - 1:
        words = words[: width - 2] + "…"
    return Text.assemble(" " * (width - len(words)), (words, style))


def _lines(picture: Picture, arms: Sequence[ArmTally], width: int, room: int) -> list[Text]:
    """A line an arm, the running one among those for which there is room."""
    name = max(len(arm.name) for arm in arms) + 2
    ends = itertools.accumulate((each for _, _, each in SHORT), initial=name)
    shown = [figure for figure, end in zip(SHORT, list(ends)[1:], strict=True) if end < width]
    lines = [Text(f"{'':<{name}}" + "".join(f"{label:>{each}}" for label, _, each in shown), style="dim")]
    count = max(1, room - 2)
    running = picture.tally.running
    first = max(0, min(arms.index(running) - count // 2, len(arms) - count)) if running else 0
    for arm in arms[first : first + count]:
        mark = MARKS[arm.state] or "  "
        cells = (_right(figure(picture, arm), each) for _, figure, each in shown)
        lines.append(Text.assemble((f"{mark + arm.name:<{name}}", STYLES[arm.state]), *cells))
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
