"""A function of any image on a Docker engine of its own, and what it recorded."""

from __future__ import annotations

import asyncio
import itertools
import json
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.clock import RunClock
from harness.engines.base import Engine
from harness.placements.base import Bench
from harness.placements.function.concurrency import Account
from harness.placements.function.function import Function
from harness.placements.function.invocation import Invoked, Refused, Request
from harness.scenario import FunctionSettings
from tests.fakes import Ledger

NUMBERS = itertools.count()
PATIENCE_S = 120
ROOMY: dict[str, Any] = {
    "kind": "function", "memory_mb": 1769, "timeout_s": 30, "max_environments": 1, "idle_s": "never",
    "time_scale": 0.001,
}  # fmt: skip


@dataclass
class Lab:
    """One open function. `tries` is what it was told of, one after the other; `given_up` what its events came to."""

    function: Function
    engine: Engine
    ledger: Ledger
    folder: Path
    tries: list[tuple[Request, int, Invoked | Refused]] = field(default_factory=list)
    given_up: list[tuple[str, str, int]] = field(default_factory=list)

    async def ask(self, verb: str = "echo", **event: Any) -> Invoked:
        """Invoke it with an event that names a verb of tests/conformance/python/app/app.py."""
        return await self.send({"verb": verb, **event})

    async def send(self, event: Any, **more: Any) -> Invoked:
        """Invoke it with any event."""
        return await self.function.invoke(Request(payload=json.dumps(event).encode(), **more))

    async def value(self, verb: str, **event: Any) -> Any:
        """What it answers; AssertionError if that is an error."""
        invoked = await self.ask(verb, **event)
        assert invoked.ok, invoked.error
        return json.loads(invoked.payload)

    def kinds(self, kind: str) -> list[str]:
        """The containers of all events of a kind, in order."""
        return [event.container for event in self.ledger.kinds(kind)]

    async def seen(self, kind: str, times: int = 1) -> None:
        """Wait until an event of this kind has been recorded so often."""
        async with asyncio.timeout(20):
            while len(self.ledger.kinds(kind)) < times:
                await asyncio.sleep(0.005)

    def log(self) -> str:
        """What all environments have logged; complete after the function is closed."""
        return "".join(path.read_text(errors="replace") for path in sorted(self.folder.glob("*.log")))


@asynccontextmanager
async def opened(
    engine: Engine, folder: Path, settings: FunctionSettings, account: Account | None = None
) -> AsyncIterator[Lab]:
    """A function called `tested`, closed at the end. Its logs go to `folder`."""
    ledger = Ledger()
    bench = Bench(
        run=f"conformance-{next(NUMBERS)}", block=0, warmup=False, arm="tested", workload="noop", engine=engine,
        clock=RunClock(), recorder=ledger, watcher=ledger, store_in=folder, store_out=folder, settings={},
        seed=1, logs=folder,
    )  # fmt: skip
    tries: list[tuple[Request, int, Invoked | Refused]] = []
    given_up: list[tuple[str, str, int]] = []
    function = Function(
        bench, settings, account or Account(settings.account_concurrency),
        lambda *tried: tries.append(tried),
        lambda request, condition, number: given_up.append((request.request_id, condition, number)),
    )  # fmt: skip
    try:
        await function.open()
        yield Lab(function, engine, ledger, folder, tries, given_up)
    finally:
        await function.close()


Check = Callable[[Lab], Coroutine[Any, Any, None]]


def carry_out(make: Callable[[], Engine], settings: FunctionSettings, check: Check) -> Lab:
    """Run `check` on an open function; returns what is left of it after it was closed."""
    folder = Path(tempfile.mkdtemp(prefix="conformance-logs-"))
    folder.chmod(0o755)

    async def run() -> Lab:
        engine = make()
        try:
            async with asyncio.timeout(PATIENCE_S), opened(engine, folder, settings) as lab:
                await check(lab)
            return lab
        finally:
            await engine.close()

    return asyncio.run(run())
