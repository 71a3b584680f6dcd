"""The trivial HTTP server that load generators are compared on: the same few bytes, whatever is asked.

python -m tests.benchmarks.http_server      prints its port; GET /stall makes it stand still for a second
"""

from __future__ import annotations

import asyncio
import time

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"
STALL_S = 1.0


class Trivial(asyncio.Protocol):
    """Answers each request on a connection that is kept open."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.seen = b""

    def data_received(self, data: bytes) -> None:
        self.seen += data
        while b"\r\n\r\n" in self.seen:
            head, _, self.seen = self.seen.partition(b"\r\n\r\n")
            if head.startswith(b"GET /stall "):
                time.sleep(STALL_S)
            self.transport.write(ANSWER)


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(Trivial, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
