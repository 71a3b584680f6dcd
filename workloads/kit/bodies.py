"""Request bodies in memory: each below a limit, and all of them together below another."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.exceptions import HTTPException
from starlette.requests import Request


class BodiesFull(Exception):
    """The bodies in hand leave no room for another one."""


class Bodies:
    """Reads bodies of at most `each_bytes`, as long as those in hand come to at most `all_bytes`.

    A queue that counts items alone would not bound memory: 100 pictures of 50 MiB each may wait in it.
    """

    def __init__(self, each_bytes: int, all_bytes: int) -> None:
        self._each_bytes = each_bytes
        self._all_bytes = all_bytes
        self._held_bytes = 0

    @asynccontextmanager
    async def held(self, request: Request) -> AsyncIterator[bytes]:
        """The body, whose room is taken until the block ends.

        Raises BodiesFull, or HTTPException 413 as soon as the body is known to be too large. A body of unknown
        length takes the room of the largest.
        """
        declared = request.headers.get("content-length", "")
        room_bytes = int(declared) if declared.isdecimal() else self._each_bytes
        self._check(room_bytes)
        if self._held_bytes + room_bytes > self._all_bytes:
            raise BodiesFull
        self._held_bytes += room_bytes
        try:
            yield await self._read(request)
        finally:
            self._held_bytes -= room_bytes

    async def _read(self, request: Request) -> bytes:
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            self._check(len(body))
        return bytes(body)

    def _check(self, size_bytes: int) -> None:
        if size_bytes > self._each_bytes:
            raise HTTPException(413, f"body is larger than {self._each_bytes} bytes")
