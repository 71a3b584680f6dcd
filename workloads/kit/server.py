"""Serves a workload's app: `python3 -m workloads.<name>.service --host 0.0.0.0 --port 8080`.

One worker is uvicorn in this very process. Several are forked by Gunicorn, each with its own uvicorn, after the app
is imported: they share that memory, take turns at one listening socket, and one that dies is replaced.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Sequence
from types import FrameType
from typing import Any

import uvicorn
from starlette.applications import Starlette

from workloads.kit.errors import BadSettings
from workloads.kit.service import make_app
from workloads.kit.service_settings import MULTIPROC_DIR, ServiceSettings
from workloads.kit.step import Workload, open_early

EXIT_BAD_USAGE = 2
BACKLOG = 2048
# Longer than load balancers keep an idle connection (ALB: 60 s by default), so that it is they who close it: one that
# is closed as a request comes in fails that request. Elastic Load Balancing user guide, read 2026-11-24.
KEEP_ALIVE_S = 75
# While it stops, connections between two requests stay open for so long: one that is used is closed by its answer.
SETTLE_S = 0.25


def main(work: Workload, arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT; returns the exit code, 0 or 2 when it is set up wrongly."""
    try:
        settings = _settings(arguments)
        listener = _listen(settings)
        if settings.workers > 1:
            return _serve_workers(work, settings, listener)
        open_early(os.environ)
        app = make_app(work)
    except BadSettings as error:
        print(f"{work.__name__} service: {error}", file=sys.stderr)
        return EXIT_BAD_USAGE
    serve(app, settings, [listener])
    return 0


class Server(uvicorn.Server):
    """Tells the app at once when it is to stop, and takes leave of kept connections by their answers."""

    def __init__(self, app: Starlette, **options: Any) -> None:
        super().__init__(uvicorn.Config(app, **options))
        self._app = app

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Take a signal; uvicorn's own would send it to this process again at the end, and so not exit with 0."""
        self._app.state.draining = self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept nothing new, let kept connections be used once more, then answer what is in hand."""
        for server in self.servers:
            server.close()
        for listener in sockets or ():
            listener.close()
        deadline_s = asyncio.get_running_loop().time() + SETTLE_S
        while self.server_state.connections and asyncio.get_running_loop().time() < deadline_s:
            await asyncio.sleep(SETTLE_S / 10)
        await super().shutdown()


def serve(
    app: Starlette,
    settings: ServiceSettings,
    listeners: list[socket.socket],
    **options: Any,
) -> None:
    """Serve in this process until a signal; ends the process if work outlasts the drain limit."""
    server = Server(
        app,
        http="h11",
        log_level="warning",
        access_log=False,  # the app writes its own
        lifespan="on",
        ws="none",
        server_header=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=max(0, settings.drain_s - 2 * SETTLE_S),
        **options,
    )
    server.run(listeners)
    if app.state.pool.working:
        # Python would wait for the threads, and what stops this process would lose patience and kill it.
        print(f"work outlasted SERVICE_DRAIN_S={settings.drain_s:g}", file=sys.stderr, flush=True)
        sys.stdout.flush()
        os._exit(0)


def _serve_workers(work: Workload, settings: ServiceSettings, listener: socket.socket) -> int:
    folder, owner = tempfile.mkdtemp(prefix="metrics-"), os.getpid()
    os.environ[MULTIPROC_DIR] = folder
    # Imported here: one worker does without its memory, and prometheus_client looks for the folder.
    from workloads.kit.prefork import run  # noqa: PLC0415

    try:
        app = make_app(work)
        gc.collect()
        gc.freeze()  # so that the workers' collections do not touch, and thereby copy, what they share
        return run(app, settings, listener)
    finally:
        if os.getpid() == owner:  # a worker that ends comes by here as well
            shutil.rmtree(folder, ignore_errors=True)


def _settings(arguments: Sequence[str] | None) -> ServiceSettings:
    parser = argparse.ArgumentParser(description="Serve the workload over HTTP until SIGTERM.")
    parser.add_argument("--host", help="address to listen on (SERVICE_HOST)")
    parser.add_argument("--port", help="port to listen on (SERVICE_PORT)")
    given = vars(parser.parse_args(arguments))
    chosen = {f"SERVICE_{name.upper()}": value for name, value in given.items() if value is not None}
    return ServiceSettings.parse({**os.environ, **chosen})


def _listen(settings: ServiceSettings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        listener = socket.create_server((settings.host, settings.port), family=family, backlog=BACKLOG)
    except OSError as error:
        where = f"SERVICE_HOST={settings.host!r}, SERVICE_PORT={settings.port}"
        raise BadSettings(f"cannot listen on {where}: {error.strerror}") from None
    # Connections inherit it. Without it the second packet of an answer waits for the client's acknowledgement, 40 ms;
    # asyncio sets it only where the socket names its protocol, which this one does not.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener
