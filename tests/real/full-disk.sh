#!/usr/bin/env bash
# full-disk.sh BINARY: a storage whose disk is full costs the storage and nothing else, and works again once there is room.
# Needs the right to mount: root.
set -euo pipefail
binary=$(realpath "$1")
if [ "${2:-}" != inside ]; then
    exec unshare --mount "$0" "$binary" inside || { echo "cannot make a mount namespace; run as root"; exit 1; }
fi
dir=$(mktemp -d)
mkdir "$dir/disk"
mount -t tmpfs -o size=8m tmpfs "$dir/disk" || { echo "cannot mount a tmpfs; run as root"; exit 1; }
trap 'kill "$pid" 2>/dev/null && wait "$pid" || true; umount "$dir/disk"; rm -rf "$dir"' EXIT
dd if=/dev/zero of="$dir/disk/filler" bs=64k status=none 2>/dev/null || true
"$binary" demo --web.listen-address 127.0.0.1:0 --storage.path "$dir/disk/state" >/dev/null 2>"$dir/log" &
pid=$!
until address=$(sed -n 's/.*listening address=\([0-9.:]*\).*/\1/p' "$dir/log") && [ -n "$address" ]; do
    kill -0 "$pid" || { cat "$dir/log"; exit 1; }
    sleep 0.1
done
becomes() {
    for _ in $(seq 300); do
        if curl -fsS "http://$address/metrics" | grep -q "^$1"; then echo "ok: $1"; return; fi
        sleep 0.1
    done
    echo "FAILED: never $1"; cat "$dir/log"; exit 1
}
becomes 'balance_exporter_storage_up 0'
becomes 'balance_available_amount{'
grep -q 'ERROR the storage cannot' "$dir/log"
rm "$dir/disk/filler"
becomes 'balance_exporter_storage_up 1'
