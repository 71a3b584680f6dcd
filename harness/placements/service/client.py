"""One request for one item, and what its answer says."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any

import aiohttp

from harness.placements.attempts import unreadable
from harness.placements.service.balancer import Balancer, NoTarget
from harness.rows import Outcome

# A load balancer that is being started again refuses connections: nothing was sent, so it can be sent again.
AGAIN_S = 0.05
# HAProxy keeps a connection for 65 s, so none is closed under a request.
KEEP_ALIVE_S = 15.0
# What HAProxy answers for a task whose connection broke.
CUT_OFF = (502, 503)


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a request; `target` is the task that had it, where that is known.

    `broken` tells of one that was cut off, by whatever end: nothing that a task said.
    """

    outcome: Outcome
    result: dict[str, Any] | None
    error: str
    target: str
    broken: bool = False


class Client:
    """Sends requests by way of a balancer."""

    def __init__(self, http: aiohttp.ClientSession, balancer: Balancer, path: str, timeout_s: float) -> None:
        self._http = http
        self._balancer = balancer
        self._path = path
        self._timeout_s = timeout_s

    async def send(self, item: str) -> Answer:
        """Ask for the item once it can be asked for. Raises nothing for what goes wrong."""
        target, refused = "", ""
        try:
            async with asyncio.timeout(self._timeout_s):
                while True:
                    try:
                        with self._balancer.route() as route:
                            target = route.target
                            return await self._post(route.url, target, item)
                    except (aiohttp.ClientConnectorError, NoTarget) as problem:
                        refused = f"; it could not even be sent: {problem}"
                        await asyncio.sleep(AGAIN_S)
        except TimeoutError:
            return Answer(Outcome.TIMEOUT, None, f"no answer within {self._timeout_s:g} s{refused}", target)
        except aiohttp.ClientError as problem:
            return Answer(Outcome.ERROR, None, f"{type(problem).__name__}: {problem}", target, broken=True)

    async def _post(self, url: str, target: str, item: str) -> Answer:
        async with self._http.post(f"{url}{self._path}", json={"item": item}) as response:
            text = await response.text(errors="replace")
            outcome, result, error = judge(response.status, text, response.headers.get("Retry-After"))
            broken = response.status in CUT_OFF and result is None and outcome is Outcome.ERROR
            return Answer(outcome, result, error, response.headers.get("X-Task", target), broken)


def make_session() -> aiohttp.ClientSession:
    """A session without limits of its own: those of the service are what is measured."""
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE_S)
    return aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=None))


def judge(status: int, text: str, retry_after: str | None) -> tuple[Outcome, dict[str, Any] | None, str]:
    """Outcome, the workload's account of the item if there is one, and error text."""
    try:
        body = json.loads(text)
    except ValueError:
        body = " ".join(text.split())
    wrong = unreadable(body)
    result = None if wrong else body
    if status == 200:
        return (Outcome.ERROR if wrong else Outcome.OK), result, wrong
    told = str(body.get("error", body) if isinstance(body, dict) else body)[:500]
    if status == 503 and retry_after is not None:
        return Outcome.THROTTLED, result, f"{told} (503, Retry-After: {retry_after})"
    if status == 504:
        return Outcome.TIMEOUT, result, told
    return Outcome.ERROR, result, told or f"HTTP {status}"
