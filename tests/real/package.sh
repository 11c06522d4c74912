#!/bin/bash
# The Debian package under a real systemd: install, start, scrape, upgrade, remove, purge.
# Usage: tests/real/package.sh [BINARY], as root; without a binary, a release is built.
set -euo pipefail
# shellcheck source=tests/real/boot.sh
. "$(dirname "${BASH_SOURCE[0]}")/boot.sh"

if ! cargo deb --version >/dev/null 2>&1; then
    echo "missing: cargo-deb; cargo install --locked cargo-deb@3.8.0, and apt-get install -y --no-install-recommends dpkg-dev" >&2
    exit 1
fi

if [ $# -gt 0 ]; then
    # cargo-deb takes the binary from where cargo would have put it.
    install -D -m 0755 "$1" "$work/target/release/balance-exporter"
    export CARGO_TARGET_DIR=$work/target
    set -- --no-build
fi
(cd "$repository" && cargo deb --quiet --locked --fast --strip --no-dbgsym --output "$work/package.deb" "$@")
dpkg-deb --info "$work/package.deb" >/dev/null
install -m 0644 "$repository"/tests/real/{inside.sh,gateway.sh} "$work/"

boot "$repository/tests/real/package-inside.sh"
