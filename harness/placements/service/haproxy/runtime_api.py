"""HAProxy's runtime API: commands over its socket, and what it tells of servers.

Source: HAProxy 2.6 Management Guide, section 9.3 (add server, set server, show servers state, show stat), read
2026-11-24.
"""

from __future__ import annotations

import asyncio
import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BACKEND = "tasks"
# The same servers without checks: for when those find none of them well.
UNCHECKED = "unchecked"
PATIENCE_S = 5.0
# From its start until it answers, at the latest.
COMING_UP_S = 10.0
# Between two looks at how it stands.
POLL_PERIOD_S = 0.05
# srv_op_state: 2 is up, 1 and 3 are on the way up and down.
UP = "2"


class HaproxyError(RuntimeError):
    """HAProxy refused a command, or does not answer; the text says which and why."""


@dataclass(frozen=True, slots=True)
class RuntimeApi:
    """The runtime API on a UNIX socket."""

    socket: Path

    async def command(self, text: str) -> str:
        """What it answers to one command. HaproxyError if it cannot be asked, or says nothing at all."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                reader, writer = await asyncio.open_unix_connection(self.socket)
                try:
                    writer.write(f"{text}\n".encode())
                    await writer.drain()
                    answer = (await reader.read()).decode(errors="replace")
                finally:
                    writer.close()
        except (OSError, TimeoutError) as error:
            raise HaproxyError(f"HAProxy does not answer {text!r}: {error or 'no answer in time'}") from error
        if not answer:
            raise HaproxyError(f"HAProxy closed without an answer to {text!r}")
        return answer

    async def change(self, *commands: str) -> None:
        """Commands that answer nothing, or that a server was registered or deleted, carried out without a pause.

        HaproxyError if one is refused.
        """
        text = "; ".join(commands)
        lines = [line for line in (await self.command(text)).splitlines() if line.strip()]
        refused = [line for line in lines if not line.startswith(("New server registered", "Server deleted"))]
        if refused:
            raise HaproxyError(f"HAProxy refused {text!r}: {' '.join(refused)}")

    async def up(self) -> dict[str, bool]:
        """Of each server, by backend and name (`tasks/task0`), whether its checks, if any, find it well."""
        names, *lines = await self._table("show servers state")
        rows = [dict(zip(names.split(), line.split(), strict=True)) for line in lines]
        return {f"{row['be_name']}/{row['srv_name']}": row["srv_op_state"] == UP for row in rows}

    async def in_hand(self) -> dict[str, int]:
        """Of each server, by backend and name, the requests that it has now."""
        return {
            f"{record['pxname']}/{record['svname']}": int(record.get("scur", 0))
            for record in await self.counters()
        }

    async def counters(self) -> list[dict[str, Any]]:
        """One record for the front, for each server, and for the back: names as in HAProxy's own statistics."""
        rows = csv.DictReader(await self._table("show stat -1 7 -1"))
        return [{k: v for k, v in row.items() if k and v} for row in rows]

    async def _table(self, text: str) -> list[str]:
        """The line with the columns' names, and the rows below it.

        HaproxyError unless it is whole: what breaks off would read as a backend that has no servers, and a server that
        has nothing in hand.
        """
        answer = await self.command(text)
        _, names, rows = answer.partition("# ")
        if not names or not answer.endswith("\n\n"):
            raise HaproxyError(f"HAProxy's answer to {text!r} breaks off: {answer[-100:]!r}")
        return rows.strip().splitlines()
