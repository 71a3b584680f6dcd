"""Bodies that come piece by piece: collected within a limit, or handed on at the rate that Lambda streams.

Source: AWS Lambda Developer Guide, "Response streaming for Lambda functions" and "Lambda quotas", read 2026-11-23:
at most 200 MB, the first 6 MB as fast as they come, the rest at 2 MiB a second.
"""

from __future__ import annotations

import asyncio

from aiohttp import StreamReader

from harness.placements.function.invocation import Sink

MIB = 2**20
STREAM_BYTES = 200 * MIB
FREE_BYTES = 6 * MIB
RATE_BYTES_PER_S = 2 * MIB


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
