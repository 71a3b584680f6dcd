#!/usr/bin/env bash
# Runs the tests in two sessions at once, since most of their time is spent waiting: those of containers, one after the
# other, and all the others. Arguments go to both. Fails if either does; it is no failure that one has nothing to run.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

NOTHING=5 # pytest's exit code where it has collected no test
log=.cache/test-containers.log
pytest=(.venv/bin/python -m pytest --benchmark-disable)

mkdir -p .cache
"${pytest[@]}" -m 'docker and not timed' "$@" >"$log" 2>&1 </dev/null &
containers=$!
trap 'kill -INT $containers 2>/dev/null || true' INT TERM
echo "tests of containers run beside these, and are shown after them (meanwhile: $log)"

others_code=0
"${pytest[@]}" -m 'not docker and not timed' "$@" || others_code=$?
containers_code=0
wait "$containers" || containers_code=$?
echo "tests of containers:"
cat "$log"

if [ "$others_code" = $NOTHING ] && [ "$containers_code" = $NOTHING ]; then exit $NOTHING; fi
for code in $others_code $containers_code; do
    if [ "$code" != 0 ] && [ "$code" != $NOTHING ]; then exit "$code"; fi
done
