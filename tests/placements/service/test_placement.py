"""The placement's own part, over fakes: why a request broke off, and that closing closes everything."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from harness.clock import LoopClock
from harness.engines.base import EngineError, Exit
from harness.placements.base import Work
from harness.placements.service.client import Answer, make_session
from harness.placements.service.placement import END_PATIENCE_S, ServicePlacement
from harness.rows import Outcome
from tests import virtual
from tests.fakes import Ledger, a_bench
from tests.placements.service.lab import FakeContainer, settings

BROKEN = Answer(Outcome.ERROR, None, "the connection broke", "", broken=True)
KILLED = Exit(code=137, out_of_memory=True)
ENDED = Exit(code=3, out_of_memory=False)


def why_gone(target: str, ends: dict[str, Exit | Exception], after_s: float = 0.5) -> tuple[Answer, float]:
    """What a request that broke off at `target` is told to be when these tasks of three end; and how long it took."""

    async def main() -> tuple[Answer, float]:
        placement = ServicePlacement(a_bench(Ledger(), LoopClock()), settings())
        asked: Any = {name: FakeContainer(name, []) for name in ("task0", "task1", "task2")}
        placement._containers = asked
        loop = asyncio.get_running_loop()
        for name, end in ends.items():
            own = asked[name].ended
            loop.call_later(after_s, own.set_exception if isinstance(end, Exception) else own.set_result, end)
        begun_s = loop.time()
        broken = Answer(BROKEN.outcome, None, BROKEN.error, target, broken=True)
        answer = await placement._why_gone(broken, asked)
        return answer, loop.time() - begun_s

    return virtual.run(main())


@pytest.mark.parametrize("target", ["task1", ""])
def test_a_request_whose_task_was_killed_for_its_memory_is_out_of_memory(target: str) -> None:
    answer, took_s = why_gone(target, {"task1": KILLED})
    assert (answer.outcome, answer.target) == (Outcome.OUT_OF_MEMORY, "task1")
    assert took_s == 0.5


@pytest.mark.parametrize("target", ["task1", ""])
def test_a_request_whose_task_has_ended_says_how(target: str) -> None:
    answer, _ = why_gone(target, {"task1": ENDED})
    assert (answer.outcome, answer.target) == (Outcome.ERROR, "task1")
    assert answer.error == "task ended with exit code 3: the connection broke"


def test_another_tasks_end_is_not_its_own() -> None:
    answer, took_s = why_gone("task1", {"task0": KILLED})
    assert (answer.outcome, answer.error) == (Outcome.ERROR, "the connection broke")
    assert took_s == END_PATIENCE_S


def test_of_two_ends_at_once_neither_is_taken_for_its_own() -> None:
    answer, _ = why_gone("", {"task0": KILLED, "task1": KILLED})
    assert (answer.outcome, answer.target) == (Outcome.ERROR, "")


@pytest.mark.parametrize(
    ("target", "ends", "after_s"),
    [
        ("task1", {}, 0.5),
        ("task1", {"task1": KILLED}, END_PATIENCE_S + 0.1),
        ("task1", {"task1": EngineError("lost from sight")}, 0.5),
        ("gone before", {"task0": KILLED}, 0.5),
    ],
)
def test_where_nothing_is_known_the_answer_stays_as_it_was(
    target: str, ends: dict[str, Exit | Exception], after_s: float
) -> None:
    answer, _ = why_gone(target, ends, after_s)
    assert (answer.outcome, answer.error, answer.target) == (Outcome.ERROR, "the connection broke", target)


def test_a_request_that_is_cut_short_with_its_run_has_no_row() -> None:
    ledger = Ledger()

    class Silent:
        async def send(self, item: str) -> Answer:
            await asyncio.get_running_loop().create_future()
            raise AssertionError("it never answers")

    async def main() -> None:
        placement = ServicePlacement(a_bench(ledger, LoopClock()), settings())
        placement._client = Silent()  # type: ignore[assignment]
        placement._running = lambda: {}  # type: ignore[method-assign]
        work = Work(item="x", sequence=0, phase="steady", due_ns=0, sent_ns=0)
        sending = asyncio.create_task(placement.run(work))
        await asyncio.sleep(1)
        assert placement._in_hand == 1
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        assert placement._in_hand == 0

    virtual.run(main())
    assert ledger.attempts == []


def test_what_cannot_be_closed_keeps_nothing_else_open() -> None:
    closed: list[str] = []

    class Broken:
        async def close(self) -> None:
            closed.append("balancer")
            raise EngineError("it cannot be removed")

    async def main() -> None:
        placement = ServicePlacement(a_bench(Ledger(), LoopClock()), settings())
        placement._balancer = Broken()  # type: ignore[assignment]
        placement._http = http = make_session()
        placement._rooms.close = lambda: closed.append("rooms")  # type: ignore[method-assign]
        with pytest.raises(EngineError, match="cannot be removed"):
            await placement.close()
        assert http.closed

    virtual.run(main())
    assert closed == ["balancer", "rooms"]
