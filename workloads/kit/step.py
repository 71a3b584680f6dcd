"""One measured step, the same in every placement: fetch an item, work on it, store the outputs, write a row.

Where to read and write comes from the environment: `STORE_IN` and `STORE_OUT` (see store.py), `TABLE` (see
table.py) and `WORKLOAD_SETTINGS` (a JSON object; absent means the workload's defaults).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Any, Protocol, Self, TypeVar

from workloads.kit.errors import BadSettings, ItemError
from workloads.kit.store import Store, open_store
from workloads.kit.table import Table, open_table

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Output:
    """One object to store: the last part of its key, such as `256.jpg`, its bytes and its media type."""

    suffix: str
    data: bytes
    content_type: str


@dataclass(frozen=True, slots=True)
class Work:
    """What a workload makes of one item: objects, and what the metadata table should say about them."""

    outputs: tuple[Output, ...]
    row: dict[str, Any]


class Workload(Protocol):
    """A workload is a function; its name is the workload's name.

    It raises a subclass of ItemError for an item that it refuses, and BadSettings for settings.
    """

    __name__: str

    def __call__(self, data: bytes, settings: Mapping[str, Any], /) -> Work:
        """Turn an item's bytes into outputs and a row."""


def setting(default: T, right: Callable[[Any], bool], allowed: str) -> T:
    """A field of Settings: its default, and which values are right, as a test and in words."""
    return field(default=default, metadata={"right": right, "allowed": allowed})


def whole(default: int, least: int, most: int) -> int:
    """A field of Settings that holds a whole number within these limits."""
    return setting(
        default, lambda value: is_whole(value, least, most), f"a whole number of {least} to {most}"
    )


def is_whole(value: object, least: int, most: int) -> bool:
    """Whether the value is a whole number within these limits; True and False are none."""
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


class Settings:
    """What may be set of a workload: nothing, or the fields of a frozen dataclass below this class.

    @dataclass(frozen=True, slots=True)
    class Resizing(Settings):
        quality: int = whole(80, 1, 100)

    Resizing.parse({"quality": 90})
    """

    __slots__ = ()

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> Self:
        """Settings from plain values, lists as tuples; what is absent has its default. Raises BadSettings."""
        known = {each.name for each in fields(cls)} if is_dataclass(cls) else set[str]()
        if unknown := sorted(values.keys() - known):
            allowed = ", ".join(sorted(known)) or "none"
            raise BadSettings(f"unknown settings {', '.join(unknown)}; known: {allowed}")
        return cls(
            **{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
        )

    def __post_init__(self) -> None:
        """Check every field; one who overrides this calls it by `Settings.__post_init__(self)`."""
        for each in fields(self):  # type: ignore[arg-type]  # dataclasses alone call this
            value = getattr(self, each.name)
            require(each.name, value, each.metadata["right"](value), each.metadata["allowed"])


def require(name: str, value: object, right: bool, allowed: str) -> None:
    """Raise BadSettings, which names setting, value and what is allowed, unless the value is right."""
    if not right:
        raise BadSettings(f"setting {name} is {value!r}; it must be {allowed}")


@dataclass(frozen=True, slots=True)
class ItemResult:
    """What happened to one item. Times are CLOCK_MONOTONIC, which the containers of one host share.

    `cpu_s` is the CPU time of the thread over the whole step; `error` is "" or "ErrorType: message".
    """

    item: str
    ok: bool
    error: str
    started_ns: int
    done_ns: int
    fetch_s: float
    work_s: float
    store_s: float
    cpu_s: float
    bytes_in: int
    bytes_out: int
    row: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """The same fields as a dictionary of plain JSON values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Interfaces:
    """The opened ends of a workload."""

    store_in: Store
    store_out: Store
    table: Table


def settings_from(environ: Mapping[str, str]) -> dict[str, Any]:
    """The workload's settings; raises BadSettings when WORKLOAD_SETTINGS is not a JSON object."""
    text = environ.get("WORKLOAD_SETTINGS") or "{}"
    try:
        settings = json.loads(text)
    except json.JSONDecodeError as error:
        raise BadSettings(f"WORKLOAD_SETTINGS is not JSON ({error}): {text!r}") from None
    if not isinstance(settings, dict):
        raise BadSettings(f"WORKLOAD_SETTINGS must be a JSON object, not {text!r}")
    return settings


def open_interfaces(environ: Mapping[str, str]) -> Interfaces:
    """Open both stores and the table, once for each process and set of URLs; raises BadSettings."""
    names = ("STORE_IN", "STORE_OUT", "TABLE")
    missing = [name for name in names if not environ.get(name)]
    if missing:
        raise BadSettings(f"environment variables not set: {', '.join(missing)}")
    return _open(*(environ[name] for name in names))


@lru_cache(maxsize=8)
def _open(store_in: str, store_out: str, table: str) -> Interfaces:
    return Interfaces(open_store(store_in), open_store(store_out), open_table(table))


def open_early(environ: Mapping[str, str]) -> None:
    """Open the interfaces while the process starts, where it is configured, so that no item pays for it."""
    if environ.get("STORE_IN"):
        open_interfaces(environ)


def output_key(work: Workload, item: str, suffix: str) -> str:
    """Key of one output: `thumbnails/photos/0001/256.jpg` for item `photos/0001.jpg` of workload `thumbnail`."""
    return f"{work.__name__}s/{PurePosixPath(item).with_suffix('')}/{suffix}"


class _Stopwatch:
    def __init__(self) -> None:
        self.started_ns = time.monotonic_ns()
        self._cpu_started_s = time.thread_time()
        self.fetch_s = self.work_s = self.store_s = 0.0

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        start_s = time.perf_counter()
        try:
            yield
        finally:
            setattr(self, name, time.perf_counter() - start_s)

    def cpu_s(self) -> float:
        return time.thread_time() - self._cpu_started_s


def run_item(item: str, work: Workload, environ: Mapping[str, str]) -> ItemResult:
    """Do one item from fetch to row. An ItemError fails the item; BadSettings and bugs propagate."""
    ends = open_interfaces(environ)
    settings = settings_from(environ)
    watch = _Stopwatch()
    error, bytes_in, bytes_out, row = "", 0, 0, dict[str, Any]()
    try:
        with watch.part("fetch_s"):
            data = ends.store_in.get(item)
        bytes_in = len(data)
        with watch.part("work_s"):
            done = work(data, settings)
        row = {"item": item, "work_s": watch.work_s, **done.row}
        with watch.part("store_s"):
            for output in done.outputs:
                ends.store_out.put(output_key(work, item, output.suffix), output.data, output.content_type)
            ends.table.put(row)
        bytes_out = sum(len(output.data) for output in done.outputs)
    except ItemError as failure:
        error = f"{type(failure).__name__}: {failure}"
    return ItemResult(
        item=item,
        ok=not error,
        error=error,
        started_ns=watch.started_ns,
        cpu_s=watch.cpu_s(),
        done_ns=time.monotonic_ns(),
        fetch_s=watch.fetch_s,
        work_s=watch.work_s,
        store_s=watch.store_s,
        bytes_in=bytes_in,
        bytes_out=bytes_out,
        row=row,
    )
