#!/usr/bin/env bash
# Sees to a Docker engine, where that is possible. Quiet when one answers already, and never fails: the harness has
# an embedded engine (`process`) to go on with.
#
#   scripts/docker.sh          use, start or install an engine
#   scripts/docker.sh check    exit 0 if an engine answers, 1 if not; does nothing else
#
# DOCKER=no forbids installing and starting.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

python=${PYTHON:-python3}
cache=$PWD/.cache
# debian-archive-keyring: mmdebstrap builds a Debian base image, and Ubuntu does not trust Debian's keys by itself.
packages=(docker.io mmdebstrap debian-archive-keyring)

say() { echo "docker: $*"; }

# go_on REASON MEND: the one line that is said when there is no engine to be had.
go_on() { say "$1; going on with the embedded process engine. To get Docker: $2"; }

# Asks where the harness will ask: DOCKER_HOST, or the usual socket. Exit 0: it answers; 3: no permission; 1: no.
ask() {
    "$python" - <<'PY'
import os, socket, sys
from urllib.parse import urlsplit

host = urlsplit(os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock")
try:
    if host.scheme == "unix":
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(5)
            link.connect(host.path)
            link.sendall(b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n")
            sys.exit(0 if b" 200 " in link.recv(64) else 1)
    # Over TCP it may speak TLS: that something listens has to do here.
    with socket.create_connection((host.hostname or "localhost", host.port or 2375), timeout=5):
        sys.exit(0)
except PermissionError:
    sys.exit(3)
except OSError:
    sys.exit(1)
PY
}

answers() { ask; }

debian_like() { [ -r /etc/os-release ] && grep -qE '^ID(_LIKE)?=.*(debian|ubuntu)' /etc/os-release; }

# install PACKAGE...: tries with the package lists that are here, for refreshing them takes the longest.
install() {
    local options=(-y -qq --no-install-recommends -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=120)
    export DEBIAN_FRONTEND=noninteractive
    mkdir -p "$cache"
    { apt-get install "${options[@]}" "$@" || { apt-get update -qq && apt-get install "${options[@]}" "$@"; }; } \
        >"$cache/apt.log" 2>&1 </dev/null
}

# wait_for_engine [PID]: half a minute at most, and no longer than the process PID lives.
wait_for_engine() {
    local end=$((SECONDS + 30))
    until answers; do
        [ "$SECONDS" -lt "$end" ] || return 1
        [ -z "${1:-}" ] || kill -0 "$1" 2>/dev/null || return 1
        sleep 0.2
    done
}

start() {
    if [ -d /run/systemd/system ]; then
        say "starting the docker service"
        systemctl start docker && wait_for_engine
        return
    fi
    local pid_file=/var/run/docker.pid pid
    if [ -f "$pid_file" ]; then
        pid=$(cat "$pid_file")
        # Left by a daemon that was killed: a new one would refuse to start beside it.
        if ! grep -qs dockerd "/proc/$pid/comm"; then rm -f "$pid_file"; fi
    fi
    say "starting dockerd in the background (log: .cache/dockerd.log)"
    mkdir -p "$cache"
    # A session of its own, and no inherited files: it must outlive make and hold none of make's pipes open.
    (
        for fd in /proc/self/fd/*; do
            fd=${fd##*/}
            if [ "$fd" -gt 2 ]; then eval "exec $fd>&-"; fi
        done 2>/dev/null
        exec setsid dockerd >"$cache/dockerd.log" 2>&1 </dev/null
    ) &
    wait_for_engine $!
}

main() {
    local code=0
    if [ "${DOCKER:-yes}" = no ]; then
        say "DOCKER=no: going on with the embedded process engine"
        return
    fi
    ask || code=$?
    if [ "$code" = 0 ]; then
        if [ "$(id -u)" = 0 ] && debian_like && ! command -v mmdebstrap >/dev/null; then
            say "installing mmdebstrap (builds a base image where no registry answers)"
            install mmdebstrap debian-archive-keyring || say "could not install mmdebstrap: see .cache/apt.log"
        fi
        return
    fi
    if [ "$code" = 3 ]; then
        go_on "this user may not use the Docker engine" "sudo usermod -aG docker \$USER, then log in again"
    elif [ -n "${DOCKER_HOST:-}" ]; then
        go_on "nothing answers at DOCKER_HOST=$DOCKER_HOST" "start that engine, or unset DOCKER_HOST"
    elif ! debian_like; then
        go_on "no Docker engine answers" "install and start Docker Desktop, colima or your system's docker package"
    elif [ "$(id -u)" != 0 ]; then
        local mend="sudo apt-get install docker.io mmdebstrap && sudo usermod -aG docker \$USER"
        if command -v dockerd >/dev/null; then mend="sudo systemctl start docker"; fi
        go_on "no Docker engine answers" "$mend"
    else
        if ! command -v dockerd >/dev/null || ! command -v mmdebstrap >/dev/null; then
            say "installing ${packages[*]} with apt-get (log: .cache/apt.log)"
            if ! install "${packages[@]}"; then
                tail -n 3 "$cache/apt.log"
                go_on "apt-get failed" "see .cache/apt.log, then apt-get install ${packages[*]}"
                return
            fi
        fi
        # Where the package could start its service it is up by now.
        if ! answers && ! start; then
            [ ! -f "$cache/dockerd.log" ] || tail -n 3 "$cache/dockerd.log"
            go_on "dockerd does not start here" "see .cache/dockerd.log"
        fi
    fi
}

case ${1:-} in
    "") main ;;
    check) answers ;;
    *) echo "usage: scripts/docker.sh [check]" >&2; exit 2 ;;
esac
