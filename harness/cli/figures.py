"""What a person who watches sees of an arm: each figure as a few characters and their style."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from harness.analysis import units
from harness.cli.picture import Picture, quantile
from harness.cli.tally import ArmTally, Life, State

BARS = "▁▂▃▄▅▆▇█"
SPARK = 12
STYLES = {State.WAITING: "dim", State.RUNNING: "bold green", State.DONE: ""}
MARKS = {State.WAITING: "", State.RUNNING: "▶ ", State.DONE: ""}
LIVES = {Life.RUNNING: "up", Life.FROZEN: "frozen", Life.CREATED: "new"}

Cell = tuple[str, str]
Figure = Callable[[Picture, ArmTally], Cell]
NOTHING: Cell = ("-", "dim")


def _state(picture: Picture, arm: ArmTally) -> Cell:
    took = f" {units.duration(arm.took_s)}" if arm.state == State.DONE else ""
    return f"{MARKS[arm.state]}{arm.state}{took}", STYLES[arm.state]


def _phase(picture: Picture, arm: ArmTally) -> Cell:
    if arm.state == State.WAITING or not arm.phase:
        return NOTHING
    return f"{arm.phase} {arm.tried:,}/{arm.planned:,}" if arm.planned else arm.phase, ""


def _ok(picture: Picture, arm: ArmTally) -> Cell:
    return f"{arm.ok:,}", ""


def _failed(picture: Picture, arm: ArmTally) -> Cell:
    return f"{arm.failed:,}", "bold red" if arm.failed else "dim"


def _in_flight(picture: Picture, arm: ArmTally) -> Cell:
    if arm.state != State.RUNNING or not picture.steps:
        return NOTHING
    return f"{picture.run.in_flight():,}", ""


def _recent(share: float) -> Figure:
    """A quantile of the last latencies, whatever their block."""
    return lambda picture, arm: _latency(arm.recent_s, share)


def _block(share: float) -> Figure:
    """A quantile of the last latencies of the present block, or of the last one in which the arm ran."""
    return lambda picture, arm: _latency(arm.block_recent_s, share)


def _latency(values_s: Iterable[float], share: float) -> Cell:
    found_s = quantile(values_s, share)
    return NOTHING if found_s is None else (units.duration(found_s), "")


def _spark(picture: Picture, arm: ArmTally) -> Cell:
    return spark(arm.recent_s), "cyan"


def _containers(picture: Picture, arm: ArmTally) -> Cell:
    lives = Counter(each.life for each in arm.containers.values())
    told = [f"{lives[life]} {word}" for life, word in LIVES.items() if lives[life]]
    return (", ".join(told), "") if told else NOTHING


def _memory(picture: Picture, arm: ArmTally) -> Cell:
    """Of all its containers, while the peak is that of the one with the highest: the limit is one container's."""
    used = sum(each.memory_bytes for each in arm.containers.values())
    return (units.size(used), "") if used else NOTHING


def _peak(picture: Picture, arm: ArmTally) -> Cell:
    return (units.size(arm.peak_bytes), "") if arm.peak_bytes else NOTHING


def _cpu(picture: Picture, arm: ArmTally) -> Cell:
    if arm.state != State.RUNNING:
        return NOTHING
    return f"{sum(each.vcpu() for each in arm.containers.values()):.2f} vCPU", ""


def spark(values: Iterable[float]) -> str:
    """The last values as bars, from the lowest of them to the highest."""
    last = list(values)[-SPARK:]
    low, high = min(last, default=0.0), max(last, default=0.0)
    scale = (len(BARS) - 1) / (high - low) if high > low else 0.0
    return "".join(BARS[round((value - low) * scale)] for value in last)


FIGURES: Sequence[tuple[str, Figure]] = (
    ("this block", _state), ("phase", _phase), ("ok", _ok), ("failed", _failed), ("in flight", _in_flight),
    ("block p50", _block(0.5)), ("block p95", _block(0.95)),
    ("recent p50", _recent(0.5)), ("recent p95", _recent(0.95)), ("latency", _spark),
    ("containers", _containers), ("memory now", _memory), ("peak of one", _peak), ("CPU", _cpu),
)  # fmt: skip
# What a line an arm shows of these, with their widths, is what there is room for; the last go first.
SHORT: Sequence[tuple[str, Figure, int]] = (
    ("ok", _ok, 8), ("failed", _failed, 7), ("p50", _recent(0.5), 9), ("p95", _recent(0.95), 9),
    ("memory", _memory, 10), ("latency", _spark, SPARK + 1),
    ("CPU", _cpu, 11), ("phase", _phase, 20), ("containers", _containers, 18),
)  # fmt: skip
