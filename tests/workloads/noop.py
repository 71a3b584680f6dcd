"""The smallest workload, and the interfaces that a test needs to run one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workloads.kit.errors import ItemError
from workloads.kit.step import Output, Work


class Refused(ItemError):
    """The item begins with `bad`."""


def noop(data: bytes, settings: Mapping[str, Any]) -> Work:
    """Copy the item; refuse one that begins with `bad`, and fall over one that begins with `bug`."""
    if data.startswith(b"bad"):
        raise Refused("it begins with bad")
    if data.startswith(b"bug"):
        raise RuntimeError("a bug in the workload")
    return Work((Output("copy.bin", data, "application/octet-stream"),), {"length": len(data), **settings})


def interfaces(folder: Path, items: Mapping[str, bytes]) -> dict[str, str]:
    """Fill an input folder with items; returns the environment variables that lead there."""
    for key, data in items.items():
        path = folder / "in" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (folder / "out").mkdir(exist_ok=True)
    return {
        "STORE_IN": f"file://{folder}/in",
        "STORE_OUT": f"file://{folder}/out",
        "TABLE": f"sqlite:///{folder}/items.sqlite",
    }


def write_manifest(folder: Path, items: list[str], key: str = "manifest.json") -> str:
    """Write a manifest into the output folder; returns its key."""
    (folder / "out" / key).write_text(json.dumps(items))
    return key
