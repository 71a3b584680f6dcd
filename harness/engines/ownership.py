"""Whom containers run as, and folders that they may write to."""

from __future__ import annotations

import os
from pathlib import Path

# A user who is nobody on the host; a harness that is not root uses its own, so that results belong to it.
UNPRIVILEGED_UID = 10_001


def container_user() -> tuple[int, int]:
    """User and group that containers run as, and that output folders must belong to."""
    return (os.getuid(), os.getgid()) if os.getuid() != 0 else (UNPRIVILEGED_UID, UNPRIVILEGED_UID)


def give_to_containers(folder: Path) -> None:
    """Let containers write to an existing folder."""
    if os.getuid() == 0:
        os.chown(folder, *container_user())
