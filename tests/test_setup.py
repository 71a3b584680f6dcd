"""Set-up scripts, Make targets and lock files: what a bare machine meets first."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from threading import Thread

import pytest

SCRIPTS = ["scripts/setup.sh", "scripts/docker.sh", "scripts/registry.sh", ".ci/run"]
LOCKS = ["requirements.lock", "requirements-dev.lock", "workloads/thumbnail/requirements.lock"]
TOOLS = (
    "bash",
    "python3",
    "id",
    "grep",
    "cat",
    "chmod",
    "mkdir",
    "mktemp",
    "mv",
    "tail",
    "dirname",
    "rm",
    "sleep",
)


def docker_sh(root: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    script = str(root / "scripts/docker.sh")
    env = os.environ | {"DOCKER": "yes", "PYTHON": sys.executable} | environment
    return subprocess.run(
        [script, *arguments], env=env, capture_output=True, text=True, check=False, timeout=60
    )


@pytest.fixture
def copy(tmp_path: Path, root: Path) -> Path:
    """A tree with the scripts alone, so that logs and caches go there."""
    (tmp_path / "scripts").mkdir()
    for name in SCRIPTS[:3]:
        (tmp_path / name).write_text((root / name).read_text())
        (tmp_path / name).chmod(0o755)
    return tmp_path


def fake_path(tmp_path: Path, **programs: str) -> str:
    """A PATH with the common tools, and shell programs in place of what would change the machine."""
    folder = tmp_path / "fake-bin"
    folder.mkdir()
    for tool in TOOLS:
        found = subprocess.run(["which", tool], capture_output=True, text=True, check=True).stdout.strip()
        (folder / tool).symlink_to(found)
    for name, text in programs.items():
        program = folder / name.replace("_", "-")
        program.unlink(missing_ok=True)
        program.write_text(f"#!/bin/bash\n{text}\n")
        program.chmod(0o755)
    return str(folder)


@pytest.mark.parametrize("script", SCRIPTS)
def test_scripts_parse_and_can_be_run(root: Path, script: str) -> None:
    subprocess.run(["bash", "-n", str(root / script)], check=True)
    assert os.access(root / script, os.X_OK)
    assert "set -euo pipefail" in (root / script).read_text()


def test_docker_no_touches_nothing(copy: Path, tmp_path: Path) -> None:
    path = fake_path(tmp_path, apt_get="touch called; exit 1", dockerd="touch called")
    done = docker_sh(copy, DOCKER="no", PATH=path)
    assert done.returncode == 0
    assert "DOCKER=no" in done.stdout
    assert not (copy / "called").exists()


def test_docker_host_that_does_not_answer_is_left_alone(copy: Path, tmp_path: Path) -> None:
    path = fake_path(tmp_path, apt_get="touch called; exit 1", dockerd="touch called")
    done = docker_sh(copy, DOCKER_HOST=f"unix://{tmp_path}/none.sock", PATH=path)
    assert done.returncode == 0
    assert "embedded process engine" in done.stdout
    assert "unset DOCKER_HOST" in done.stdout
    assert not (copy / "called").exists()


def test_answering_engine_is_used_in_silence(copy: Path, tmp_path: Path) -> None:
    address = tmp_path / "docker.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(address))
        listener.listen()
        listener.settimeout(10)

        def answer() -> None:
            link, _ = listener.accept()
            with link:
                link.recv(100)
                link.sendall(b"HTTP/1.0 200 OK\r\n\r\nOK")

        thread = Thread(target=answer)
        thread.start()
        path = fake_path(tmp_path, mmdebstrap="exit 0", apt_get="exit 1")
        done = docker_sh(copy, DOCKER_HOST=f"unix://{address}", PATH=path)
        thread.join()
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_check_tells_by_exit_code(copy: Path, tmp_path: Path) -> None:
    assert docker_sh(copy, "check", DOCKER_HOST=f"unix://{tmp_path}/none.sock").returncode == 1


@pytest.mark.parametrize("script", SCRIPTS[:2])
def test_unknown_argument_is_bad_usage(root: Path, script: str) -> None:
    done = subprocess.run([str(root / script), "nonsense"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "usage:" in done.stderr


def registry_sh(root: Path, path: str, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {"PATH": path} | environment
    return subprocess.run(
        [str(root / "scripts/registry.sh")], env=env, capture_output=True, text=True, check=False, timeout=60
    )


def test_registry_that_is_there_is_left_alone(copy: Path, tmp_path: Path) -> None:
    done = registry_sh(copy, fake_path(tmp_path, docker_registry="exit 0", apt_get="exit 1"))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_registry_is_not_fetched_where_there_is_no_docker(copy: Path, tmp_path: Path) -> None:
    done = registry_sh(copy, fake_path(tmp_path, apt_get="exit 1", dpkg="exit 1"), DOCKER="no")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("programs", "told"),
    [({}, "need it on the PATH"), ({"apt_get": "exit 1", "dpkg": "exit 1"}, "see .cache/apt-registry.log")],
)
def test_registry_that_cannot_be_had_is_told_and_no_failure(
    copy: Path, tmp_path: Path, programs: dict[str, str], told: str
) -> None:
    done = registry_sh(copy, fake_path(tmp_path, **programs))
    assert done.returncode == 0
    assert told in done.stdout
    assert not list(copy.glob(".cache/docker-registry*"))


def test_registry_is_unpacked_and_not_installed(copy: Path, tmp_path: Path) -> None:
    path = fake_path(
        tmp_path,
        apt_get='[ "$*" = "download docker-registry" ] && echo package >docker-registry_1_all.deb',
        dpkg='[ "$1" = -x ] && mkdir -p "$3/usr/bin" && echo "#!/bin/sh" >"$3/usr/bin/docker-registry" && '
        'chmod +x "$3/usr/bin/docker-registry"',
    )
    done = registry_sh(copy, path)
    assert (done.returncode, done.stderr) == (0, "")
    assert (copy / ".cache/docker-registry/usr/bin/docker-registry").is_file()
    assert registry_sh(copy, path).stdout == "", "and is there from then on"


def test_too_old_python_is_refused_with_what_to_do(copy: Path, tmp_path: Path) -> None:
    path = fake_path(tmp_path, python3='[ "$1" = -V ] && echo Python 3.9.2; exit 1')
    for lock in ("requirements.lock", "requirements-dev.lock", "pyproject.toml"):
        (copy / lock).touch()
    done = subprocess.run(
        [str(copy / "scripts/setup.sh"), "runtime"],
        env={"PATH": path, "DOCKER": "no"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "Python 3.11 or newer is needed and python3 is Python 3.9.2" in done.stderr
    assert "apt-get install python3" in done.stderr


def test_help_lists_every_target(root: Path) -> None:
    text = (root / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.*)$", text, re.MULTILINE)
    assert phony is not None
    targets = set(re.findall(r"^([a-z][a-z-]*):", text, re.MULTILINE))
    assert targets == set(phony.group(1).split())
    done = subprocess.run(
        ["make", "--no-print-directory"], cwd=root, capture_output=True, text=True, check=True
    )
    assert set(re.findall(r"^  make ([a-z-]+) ", done.stdout, re.MULTILINE)) == targets


def pins(lock: Path) -> set[str]:
    return set(re.findall(r"^[a-z0-9._-]+==[^ ;]+", lock.read_text(), re.MULTILINE))


def test_one_environment_serves_runtime_tests_and_image(root: Path) -> None:
    development = pins(root / "requirements-dev.lock")
    assert pins(root / "requirements.lock") <= development
    locks = sorted((root / "workloads").glob("*/requirements.lock"))
    assert [lock.parent.name for lock in locks] == ["kit", "thumbnail"]
    for lock in locks:
        assert pins(root / "workloads/kit/requirements.lock") <= pins(lock) <= development


@pytest.mark.parametrize("lock", [*LOCKS, "workloads/kit/requirements.lock"])
def test_locks_have_hashes_and_name_no_place(root: Path, lock: str) -> None:
    text = (root / lock).read_text()
    assert text.count("==") > 10
    assert re.findall(r"^\S+==[^\\]*$", text, re.MULTILINE) == []
    assert "://" not in text
    assert "--index" not in text
    assert "--find-links" not in text
