# shellcheck shell=bash
# Sourced by the tests that need systemd: boots this very root on a throw-away overlay and runs one script in it.
# The script's lines go to $work/lines; nothing on this machine changes. Needs root.

packages="systemd systemd-container util-linux curl procps"
missing=""
for tool in systemd-analyze systemd-nspawn unshare curl ps; do
    command -v "$tool" >/dev/null || missing="$missing $tool"
done
if [ -n "$missing" ]; then
    echo "missing:$missing; apt-get install -y --no-install-recommends $packages" >&2
    exit 1
fi
if [ "$(id -u)" != 0 ]; then
    echo "systemd-nspawn needs root" >&2
    exit 1
fi

# shellcheck disable=SC2034 # for those who source this
repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# boot SCRIPT [--bind-ro=FROM:TO]...: SCRIPT runs as root inside, with $work as /the-test. The result is its exit code.
boot() {
    local script=$1 code=0
    shift
    install -m 0644 "$script" "$work/script.sh"
    cat >"$work/the-test.service" <<'UNIT'
[Unit]
Description=The test

[Service]
Type=oneshot
ExecStart=/bin/bash -c '/bin/bash /the-test/script.sh >/the-test/lines 2>&1; code=$$?; journalctl --no-pager >/the-test/journal; exec systemctl exit $$code'
UNIT
    printf '[Unit]\nRequires=the-test.service\nAfter=the-test.service\n' >"$work/the-test.target"
    mkdir -p "$work/root"
    # shellcheck disable=SC2016 # expanded by the inner shell
    timeout -k 5 120 unshare -m --propagation private bash -c 'mount --bind / "$0/root" && exec systemd-nspawn "$@"' "$work" \
        --quiet --boot --directory="$work/root" --volatile=overlay --register=no --keep-unit --private-network \
        --machine=the-test --console=pipe --capability=CAP_BPF --system-call-filter=bpf --bind="$work:/the-test" \
        --bind-ro="$work/the-test.service:/etc/systemd/system/the-test.service" \
        --bind-ro="$work/the-test.target:/etc/systemd/system/the-test.target" "$@" \
        systemd.unit=the-test.target systemd.mask=systemd-networkd-wait-online.service \
        systemd.mask=NetworkManager-wait-online.service systemd.mask=networking.service \
        </dev/null >"$work/console" 2>&1 || code=$?
    if [ ! -e "$work/lines" ]; then
        echo "FAILED: the root did not boot"
        cat "$work/console"
        return 1
    fi
    cat "$work/lines"
    if [ "$code" != 0 ]; then
        echo "--- the journal's end"
        tail -60 "$work/journal"
    fi
    return "$code"
}
