#!/usr/bin/env bash
# Sees to docker-registry, which scenarios with [registry] pull their image from, where Debian or Ubuntu have it. Its
# package is unpacked under .cache and not installed: it would start a service of its own on port 5000. Takes no root
# where the package lists are here. Quiet when it is there already, and never fails: few scenarios need it.
#
# DOCKER=no: nothing would pull from it, so it is not fetched.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

cache=$PWD/.cache
package=docker-registry

say() { echo "registry: $*"; }

present() { command -v "$package" >/dev/null || [ -x "$cache/$package/usr/bin/$package" ]; }

# The folder is in place only once it is whole.
fetch() {
    local work
    work=$(mktemp -d "$cache/$package.XXXXXX")
    (cd "$work" && { apt-get download "$package" || { apt-get update -qq && apt-get download "$package"; }; } &&
        dpkg -x "$package"_*.deb "$work/root") >"$cache/apt-registry.log" 2>&1 </dev/null &&
        rm -rf "${cache:?}/$package" && mv "$work/root" "$cache/$package" || { rm -rf "$work"; return 1; }
    rm -rf "$work"
}

if [ "${DOCKER:-yes}" = no ] || present; then exit 0; fi
if ! command -v apt-get >/dev/null || ! command -v dpkg >/dev/null; then
    say "no $package here; scenarios that pull from a local registry need it on the PATH"
    exit 0
fi
mkdir -p "$cache"
say "fetching $package into .cache"
fetch || say "could not fetch $package: see .cache/apt-registry.log; scenarios that pull from a local registry need it"
