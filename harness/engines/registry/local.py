"""A registry of the harness's own on loopback: Debian's docker-registry, started for a run and stopped after it."""

from __future__ import annotations

import json
import re
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from harness.engines.base import EngineError
from harness.scenario import ROOT

PROGRAM = "docker-registry"
# Where scripts/registry.sh unpacks Debian's package, which then need not be installed.
UNPACKED = ROOT / ".cache" / PROGRAM / "usr" / "bin" / PROGRAM
STORAGE = ROOT / ".cache" / "registry"
MEND = "`scripts/registry.sh` fetches it on Debian and Ubuntu; elsewhere put docker-registry on the PATH"
START_PATIENCE_S = 15.0
STOP_PATIENCE_S = 5.0
# The images of other days' code: each is as large as all its twins.
KEPT_S = 7 * 24 * 3600
_LISTENS = re.compile(r"listening on (127\.0\.0\.1:\d+)")
# Port 0: the kernel gives a free one, and the log tells it. The folder is quoted as JSON, which is YAML.
_CONFIG = """\
version: 0.1
log: {{level: info, formatter: text}}
storage: {{filesystem: {{rootdirectory: {storage}}}}}
http: {{addr: "127.0.0.1:0", secret: "{secret}"}}
"""


def program() -> str | None:
    """Path of docker-registry; None where there is none."""
    return shutil.which(PROGRAM) or (str(UNPACKED) if UNPACKED.is_file() else None)


@contextmanager
def local_registry(storage: Path, log: Path | None = None) -> Iterator[str]:
    """Run one over the folder `storage`; gives its address. EngineError if there is none, or it does not start."""
    found = program()
    if found is None:
        raise EngineError(f"no local registry: {PROGRAM} is not on this machine; {MEND}")
    storage.mkdir(parents=True, exist_ok=True)
    # It ends with this process, even one that is killed. A session of its own keeps Ctrl-C from it.
    tied = ["setpriv", "--pdeathsig", "TERM"] if shutil.which("setpriv") else []
    with tempfile.TemporaryDirectory(prefix="placement-harness-registry-") as name:
        config, log = Path(name) / "config.yml", log or Path(name) / "log"
        config.write_text(_CONFIG.format(storage=json.dumps(str(storage)), secret=secrets.token_hex(16)))
        with log.open("wb") as output:
            process = subprocess.Popen(
                [*tied, found, "serve", str(config)],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
            )  # fmt: skip
        try:
            yield _await_address(process, log)
        finally:
            process.terminate()
            try:
                process.wait(STOP_PATIENCE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def storage_of(image_id: str, root: Path = STORAGE) -> Path:
    """The folder for an image and its twins; those that were not used for a week are removed."""
    own = root / image_id.removeprefix("sha256:")[:16]
    own.mkdir(parents=True, exist_ok=True)
    own.touch()
    for folder in root.iterdir():
        if time.time() - folder.stat().st_mtime > KEPT_S:
            shutil.rmtree(folder, ignore_errors=True)
    return own


def _await_address(process: subprocess.Popen[bytes], log: Path) -> str:
    """Where it listens, once it answers."""
    end_s = time.monotonic() + START_PATIENCE_S
    with requests.Session() as session:
        session.trust_env = False  # a proxy has no way to loopback
        while time.monotonic() < end_s and process.poll() is None:
            found = _LISTENS.search(log.read_text(errors="replace"))
            if found is not None and _answers(session, f"http://{found[1]}/v2/"):
                return found[1]
            time.sleep(0.02)
    told = " ".join(log.read_text(errors="replace").strip().splitlines()[-2:])[-500:]
    raise EngineError(f"the local registry did not start within {START_PATIENCE_S:g} s: {told}")


def _answers(session: requests.Session, url: str) -> bool:
    try:
        return session.get(url, timeout=1.0).status_code == 200
    except requests.RequestException:
        return False
