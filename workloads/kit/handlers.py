"""The Lambda function of a workload that has none of its own: `workloads.kit.handlers.archive`."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workloads.kit.function import Handler
    from workloads.kit.step import Workload


def find(name: str) -> Workload:
    """The function `<name>` in `workloads/<name>/<name>.py`; raises ImportError or AttributeError."""
    work: Workload = getattr(import_module(f"workloads.{name}.{name}"), name)
    return work


def __getattr__(name: str) -> Handler:
    """The handler of the workload of this name, made when a runtime looks for it, which is in the INIT phase."""
    if name.startswith("_"):  # what Python itself looks for
        raise AttributeError(name)
    from workloads.kit.function import make_handler  # noqa: PLC0415

    return make_handler(find(name))
