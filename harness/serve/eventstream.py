"""Answers in application/vnd.amazon.eventstream, the encoding of InvokeWithResponseStream.

Source: smithy.io, "Amazon Event Stream Specification", read 2026-11-24. A frame is: its length and that of its headers
(4 bytes each), the CRC of these, the headers, the payload, and the CRC of all before it.
"""

from __future__ import annotations

import contextlib
import json
import struct
from collections.abc import Mapping
from zlib import crc32

from aiohttp import web

CONTENT_TYPE = "application/vnd.amazon.eventstream"
STRING = 7
AROUND_BYTES = 16


def encode_headers(headers: Mapping[str, str]) -> bytes:
    """Headers of a frame; names of at most 255 bytes, values of at most 32,767."""
    encoded = bytearray()
    for name, value in headers.items():
        key, text = name.encode(), value.encode()
        encoded += struct.pack(f"!B{len(key)}sBH", len(key), key, STRING, len(text)) + text
    return bytes(encoded)


def frame(headers: bytes, payload: bytes) -> bytes:
    """One message, with headers from `encode_headers`."""
    prelude = struct.pack("!II", AROUND_BYTES + len(headers) + len(payload), len(headers))
    start = prelude + struct.pack("!I", crc32(prelude)) + headers
    return b"".join((start, payload, struct.pack("!I", crc32(payload, crc32(start)))))


def _event(name: str, content_type: str) -> bytes:
    return encode_headers({":message-type": "event", ":event-type": name, ":content-type": content_type})


CHUNK = _event("PayloadChunk", "application/octet-stream")
COMPLETE = _event("InvokeComplete", "application/json")


class StreamedAnswer:
    """The answer to one request; it begins with the first piece, so that until then the request can be refused."""

    def __init__(self, request: web.Request, headers: Mapping[str, str]) -> None:
        self._request = request
        self._response = web.StreamResponse(headers={**headers, "Content-Type": CONTENT_TYPE})

    @property
    def begun(self) -> bool:
        """Whether the client has been told that all is well so far."""
        return self._response.prepared

    async def send(self, piece: bytes) -> None:
        """Pass on a piece of the function's answer. A client that has left is no concern of the function's."""
        if piece:
            with contextlib.suppress(ConnectionError):
                await self._send(frame(CHUNK, piece))

    async def complete(self, outcome: Mapping[str, str]) -> web.StreamResponse:
        """End the stream with ErrorCode, ErrorDetails and LogResult, as far as there are any."""
        with contextlib.suppress(ConnectionError):
            await self._send(frame(COMPLETE, json.dumps(dict(outcome)).encode()))
            await self._response.write_eof()
        return self._response

    async def _send(self, data: bytes) -> None:
        if not self.begun:
            await self._response.prepare(self._request)
        await self._response.write(data)
