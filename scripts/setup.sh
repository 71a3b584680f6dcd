#!/usr/bin/env bash
# Sets up what `make bench` (scripts/setup.sh runtime) or `make test` (scripts/setup.sh dev) needs: the virtual
# environment .venv with exactly the locked packages, and a Docker engine where there can be one. Done before with
# the same lock files: returns at once.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

case ${1:-} in
    runtime) lock=requirements.lock ;;
    dev) lock=requirements-dev.lock ;;
    *) echo "usage: scripts/setup.sh runtime|dev" >&2; exit 2 ;;
esac

say() { echo "setup: $*"; }
fail() { echo "setup: $*" >&2; exit 1; }

suitable() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

# The first of the usual names that is Python 3.11 or newer; PYTHON=... chooses another.
find_python() {
    local name
    for name in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
        if suitable "$name"; then command -v "$name"; return; fi
    done
    fail "Python 3.11 or newer is needed and ${PYTHON:-python3} is $("${PYTHON:-python3}" -V 2>&1 || true)." \
        "On Debian 12, Ubuntu 24.04 or newer: apt-get install python3 python3-venv." \
        "Elsewhere install it and say where: make ... PYTHON=/path/to/python3.12"
}

# Debian keeps the part that makes virtual environments in a package of its own.
ensure_venv_module() {
    "$1" -c 'import ensurepip, venv' 2>/dev/null && return
    local package
    package=$("$1" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        fail "$1 cannot make virtual environments: sudo apt-get install $package, then try again."
    fi
    say "installing $package with apt-get"
    mkdir -p .cache
    { apt-get install -y -qq "$package" || { apt-get update -qq && apt-get install -y -qq "$package"; }; } \
        >.cache/apt.log 2>&1 </dev/null || { tail -n 5 .cache/apt.log >&2; fail "apt-get failed: see .cache/apt.log"; }
}

# ensure_program PROGRAM PACKAGE: what some tests need, from the Debian package of that name.
ensure_program() {
    command -v "$1" >/dev/null || [ -x "/usr/sbin/$1" ] && return
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        say "$1 is not installed, and some tests need it: sudo apt-get install $2"
        return
    fi
    say "installing $2 with apt-get"
    mkdir -p .cache
    { apt-get install -y -qq --no-install-recommends "$2" ||
        { apt-get update -qq && apt-get install -y -qq --no-install-recommends "$2"; }; } \
        >".cache/apt-$2.log" 2>&1 </dev/null || say "apt-get failed for $2: see .cache/apt-$2.log"
}

ensure_test_programs() {
    # The process engine puts it before services, and so do tests; containers have theirs in an image of their own.
    ensure_program haproxy haproxy
    # Opens reports as their readers do; see tests/browser.
    ensure_program chromium chromium
}

# What .venv was made from. It holds the path too, for a virtual environment cannot be moved.
fingerprint() { { echo "$PWD"; cat "$1" pyproject.toml scripts/setup.sh; } | cksum; }

# matches LOCK: whether .venv holds what LOCK names.
matches() { [ -f ".venv/.$1" ] && [ "$(cat ".venv/.$1")" = "$(fingerprint "$1")" ] && [ -x .venv/bin/python ]; }

usable_venv() {
    [ -x .venv/bin/python ] && suitable .venv/bin/python && grep -qsF "$PWD/.venv" .venv/bin/activate &&
        .venv/bin/python -c 'import pip' 2>/dev/null
}

# Runs in a condition, where `set -e` counts for nothing: hence the chain.
install_packages() {
    local python=$1
    if ! usable_venv; then
        say "making .venv with $("$python" -V)"
        "$python" -m venv --clear .venv || return 1
    fi
    say "installing the packages of $lock"
    # -qq leaves errors visible and hides the rest.
    local install=(.venv/bin/python -m pip install -qq --disable-pip-version-check --no-input)
    "${install[@]}" --require-hashes -r "$lock" </dev/null &&
        "${install[@]}" --no-deps --no-build-isolation -e . </dev/null &&
        fingerprint "$lock" >".venv/.$lock"
}

# The developers' lock contains all of the other, at the same versions, so it will do for both.
if matches "$lock" || matches requirements-dev.lock; then
    PYTHON=.venv/bin/python scripts/docker.sh
    if [ "$1" = dev ]; then ensure_test_programs; fi
    scripts/registry.sh
    exit
fi
python=$(find_python)
ensure_venv_module "$python"
# apt-get and pip do not get in each other's way, and each takes a while.
# One after the other, since both may refresh the package lists.
{ PYTHON=$python scripts/docker.sh; scripts/registry.sh; } &
docker=$!
install_packages "$python" || { wait "$docker"; fail "could not set up .venv: see above."; }
wait "$docker"
if [ "$1" = dev ]; then ensure_test_programs; fi
