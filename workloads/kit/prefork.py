"""Several worker processes of a service: Gunicorn forks, watches, replaces and stops them."""

from __future__ import annotations

import signal
import socket
from typing import Any

from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.workers.base import Worker
from prometheus_client.multiprocess import mark_process_dead
from starlette.applications import Starlette

from workloads.kit.balance import Load
from workloads.kit.server import serve
from workloads.kit.service_settings import ServiceSettings

# A worker whose event loop stands still for so long is killed and replaced.
HUNG_AFTER_S = 30
NOTIFY_S = 5


def run(app: Starlette, settings: ServiceSettings, listener: socket.socket) -> int:
    """Keep `settings.workers` processes serving the app until SIGTERM; returns the exit code."""
    app.state.load.leave(0)  # this process answers no requests
    try:
        Arbiter(_Application(app, settings, listener)).run()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


class _Application(BaseApplication):
    """The app as Gunicorn wants it, with settings from us alone: neither arguments nor a file."""

    def __init__(self, app: Starlette, settings: ServiceSettings, listener: socket.socket) -> None:
        self.app = app
        self.settings = settings
        self.listener = listener
        super().__init__()

    def load_config(self) -> None:
        """Set what differs from Gunicorn's defaults."""
        wanted: dict[str, Any] = {
            "bind": f"fd://{self.listener.detach()}",
            "workers": self.settings.workers,
            "worker_class": _UvicornWorker,
            "preload_app": True,
            "timeout": HUNG_AFTER_S,
            # The workers' own limit comes first.
            "graceful_timeout": int(self.settings.drain_s) + 1,
            "loglevel": "warning",
            "control_socket_disable": True,
            "child_exit": _ended,
        }
        for name, value in wanted.items():
            self.cfg.set(name, value)

    def load(self) -> Starlette:
        """The app."""
        return self.app


class _UvicornWorker(Worker):
    """A process that serves the app as the only one would."""

    def __init__(self, *arguments: Any) -> None:
        """Still in the process that forks: take a place."""
        super().__init__(*arguments)
        assert isinstance(self.app, _Application)
        self.served, self.settings = self.app.app, self.app.settings
        self.load: Load = self.served.state.load
        self.place = self.load.place()
        self.load.enter(self.place)

    def init_signals(self) -> None:
        """Leave signals to uvicorn."""
        super().init_signals()
        signal.set_wakeup_fd(-1)

    def run(self) -> None:
        """Serve until SIGTERM, and tell the arbiter meanwhile that the event loop turns."""
        self.load.enter(self.place)

        async def notify() -> None:
            self.notify()

        serve(
            self.served,
            self.settings,
            self.sockets,
            callback_notify=notify,
            timeout_notify=NOTIFY_S,
        )


def _ended(arbiter: Arbiter, worker: Worker) -> None:
    """A worker is gone, in whatever way: what it had in hand counts no longer."""
    assert isinstance(worker, _UvicornWorker)
    worker.load.leave(worker.place)
    mark_process_dead(worker.pid)
