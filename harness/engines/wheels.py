"""Unpacks a workload's locked packages for its image, so that the build needs neither a network nor pip.

pip runs on the host, with the host's own package index, proxy and cache settings, and picks wheels for the
Python and the architecture of the image instead of its own.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from harness.engines.base import EngineError

PYTHON_VERSION = "3.11"

# Debian 12, the older of the two bases, has glibc 2.36, and runs wheels made for any glibc up to that.
_GLIBC_MINORS = range(17, 37)


def platforms(architecture: str) -> tuple[str, ...]:
    """The wheel tags that fit, for `x86_64` or `aarch64`."""
    modern = tuple(f"manylinux_2_{minor}_{architecture}" for minor in _GLIBC_MINORS)
    return (f"manylinux2014_{architecture}", *modern)


def install(lock: Path, target: Path, architecture: str) -> None:
    """Unpack what `lock` names into `target`. Hashes are checked; EngineError says what pip did not like."""
    command = [
        *(sys.executable, "-m", "pip", "install", "--quiet", "--quiet"),
        *("--disable-pip-version-check", "--no-input", "--no-compile", "--no-deps", "--require-hashes"),
        *("--only-binary=:all:", "--implementation=cp", f"--python-version={PYTHON_VERSION}"),
        *(f"--platform={platform}" for platform in platforms(architecture)),
        *("--target", str(target), "--requirement", str(lock)),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise EngineError(
            f"pip could not fetch the packages of {lock} for Python {PYTHON_VERSION} on {architecture}:\n"
            f"{(done.stderr or done.stdout).strip()[-2000:]}\n"
            "Check that this machine reaches its package index: `.venv/bin/pip download pillow`."
        )
