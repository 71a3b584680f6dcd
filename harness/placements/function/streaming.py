"""Bodies that come piece by piece: collected within a limit, or handed on at the rate that Lambda streams.

Source: AWS Lambda Developer Guide, "Response streaming for Lambda functions" and "Lambda quotas", read 2026-11-23:
at most 200 MB, the first 6 MB as fast as they come, the rest at 2 MiB a second; an error in the middle of a streamed
answer is told in the trailers of its chunked body ("Building a custom runtime").
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import http.client
import io

from aiohttp import StreamReader, web

from harness.placements.function.invocation import Sink

MIB = 2**20
STREAM_BYTES = 200 * MIB
FREE_BYTES = 6 * MIB
RATE_BYTES_PER_S = 2 * MIB
ERROR_TYPE = "Lambda-Runtime-Function-Error-Type"
ERROR_BODY = "Lambda-Runtime-Function-Error-Body"
TRAILER_BYTES = 64 * 1024


async def collect(content: StreamReader, limit_bytes: int) -> bytes:
    """The body; of one that is longer than the limit one byte more than that."""
    body = bytearray()
    async for piece in content.iter_any():
        if len(body) <= limit_bytes:
            body += piece
    return bytes(body[: limit_bytes + 1])


async def forward(content: StreamReader, sink: Sink) -> bool:
    """Hand pieces on as they come; False when there was more than Lambda streams."""
    sent_bytes = 0
    async for piece in content.iter_any():
        if sent_bytes <= STREAM_BYTES < sent_bytes + len(piece):
            await sink(piece[: STREAM_BYTES - sent_bytes])
        elif sent_bytes < STREAM_BYTES:
            await sink(piece)
        sent_bytes += len(piece)
        paced_bytes = min(len(piece), sent_bytes - FREE_BYTES)
        if paced_bytes > 0:
            await asyncio.sleep(paced_bytes / RATE_BYTES_PER_S)
    return sent_bytes <= STREAM_BYTES


class Connection(web.RequestHandler):
    """Remembers the last that came in: aiohttp reads over trailers."""

    __slots__ = ("_tail",)

    def __init__(self, server: web.Server) -> None:
        super().__init__(server, loop=asyncio.get_running_loop())
        self._tail = b""

    def data_received(self, data: bytes) -> None:
        """Called by the transport."""
        self._tail = (
            (self._tail + data)[-TRAILER_BYTES:] if len(data) < TRAILER_BYTES else data[-TRAILER_BYTES:]
        )
        super().data_received(data)

    def trailing_error(self) -> tuple[str, bytes] | None:
        """Error type and document from the trailers of the body that has just ended, if it has any."""
        trailers = http.client.parse_headers(io.BytesIO(self._tail.rpartition(b"\r\n0\r\n")[2]))
        error_type = trailers.get(ERROR_TYPE)
        if error_type is None:
            return None
        try:
            return error_type, base64.b64decode(trailers.get(ERROR_BODY, ""), validate=True)
        except binascii.Error:
            return error_type, b""


class Server(web.Server):
    """Has `Connection`s."""

    def __call__(self) -> Connection:
        """One for each that a client opens."""
        return Connection(self)
