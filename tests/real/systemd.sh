#!/bin/bash
# The unit under a real systemd: readiness, credentials, sandbox, watchdog, exit code 78, socket, journal.
# Usage: tests/real/systemd.sh [BINARY], as root; without a binary, it is built.
set -euo pipefail
# shellcheck source=tests/real/boot.sh
. "$(dirname "${BASH_SOURCE[0]}")/boot.sh"

binary=${1:-}
if [ -z "$binary" ]; then
    (cd "$repository" && cargo build --quiet)
    binary=${CARGO_TARGET_DIR:-$repository/target}/debug/balance-exporter
fi
install -m 0755 "$binary" "$work/balance-exporter"
install -m 0644 "$repository"/tests/real/{inside.sh,gateway.sh} "$work/"

boot "$repository/tests/real/systemd-inside.sh" \
    --bind-ro="$work/balance-exporter:/usr/bin/balance-exporter" \
    --bind-ro="$repository/deploy/systemd/balance-exporter.service:/etc/systemd/system/balance-exporter.service" \
    --bind-ro="$repository/deploy/systemd/balance-exporter.socket:/etc/systemd/system/balance-exporter.socket"
