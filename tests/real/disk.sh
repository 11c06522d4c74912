#!/usr/bin/env bash
# disk.sh BINARY: a storage whose disk is full or read-only costs the storage and nothing else, and works again once it can.
# Needs the right to mount: root.
set -euo pipefail
binary=$(realpath "$1")
if [ "${2:-}" != inside ]; then
    exec unshare --mount "$0" "$binary" inside || { echo "cannot make a mount namespace; run as root"; exit 1; }
fi
dir=$(mktemp -d)
mkdir "$dir/disk"
mount -t tmpfs -o size=8m tmpfs "$dir/disk" || { echo "cannot mount a tmpfs; run as root"; exit 1; }
pid=""
end() {
    [ -n "$pid" ] || return 0
    kill -KILL "$pid"
    wait "$pid" 2>/dev/null || true
    pid=""
}
clean_up() {
    end
    kill "$gateway" 2>/dev/null || true
    umount "$dir/disk"
    rm -rf "$dir"
}

# A gateway that answers with the file "body"; it writes down its port.
# shellcheck disable=SC2016
perl -MIO::Socket::INET -e '
    my $server = IO::Socket::INET->new(Listen => 5, LocalAddr => "127.0.0.1") or die;
    open my $port, ">", "$ARGV[0]/port.new"; print $port $server->sockport; close $port;
    rename "$ARGV[0]/port.new", "$ARGV[0]/port";
    while (my $client = $server->accept) {
        my $length = 0;
        while (<$client>) { $length = $1 if /^content-length: *(\d+)/i; last if /^\r\n/; }
        read $client, my $asked, $length;
        open my $file, "<", "$ARGV[0]/body"; local $/; my $body = <$file>;
        print $client "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: ", length $body, "\r\n\r\n", $body;
        close $client;
    }' "$dir" &
gateway=$!
trap clean_up EXIT
until [ -s "$dir/port" ]; do kill -0 "$gateway"; sleep 0.05; done
cat >"$dir/exporter.yaml" <<END
sources:
  - {name: sms, interval: 1s, provider: {mysmpp: {url: "http://127.0.0.1:$(cat "$dir/port")/", token: a token}}}
END

start() {
    "$binary" --config.file "$dir/exporter.yaml" --web.listen-address 127.0.0.1:0 --storage.path "$dir/disk/state" 2>"$dir/log" &
    pid=$!
    until address=$(sed -n 's/.*listening address=\([0-9.:]*\).*/\1/p' "$dir/log") && [ -n "$address" ]; do
        kill -0 "$pid" || { cat "$dir/log"; exit 1; }
        sleep 0.05
    done
}
failed() { echo "FAILED: $1"; cat "$dir/log"; exit 1; }
# Answers with so many areas from now on, and waits until they are served.
answer() {
    local area areas=()
    for area in $(seq "$1"); do areas+=("{\"type_sms\": \"sms\", \"area\": \"area $area\", \"num_sms\": \"1\"}"); done
    (IFS=,; printf '{"money": "1.5", "currency": "RUB", "information": [%s]}' "${areas[*]}" >"$dir/body.new")
    mv "$dir/body.new" "$dir/body"
    [ -z "$pid" ] || becomes "$1 areas" "$1" '^balance_sms_available'
}
# becomes WHAT COUNT PATTERN: waits until so many lines are of the pattern.
becomes() {
    for _ in $(seq 300); do
        if [ "$(curl -fsS "http://$address/metrics" | grep -c "$3")" = "$2" ]; then echo "ok: $1"; return; fi
        sleep 0.1
    done
    failed "never: $1"
}
down() { becomes "$1: not stored" 1 '^balance_exporter_storage_up 0'; }
up() { becomes "$1: stored" 1 '^balance_exporter_storage_up 1'; }
polls() { curl -fsS "http://$address/metrics" | sed -n 's/^balance_polls_total.* //p'; }
fill() { dd if=/dev/zero of="$dir/disk/filler" bs=4k status=none 2>/dev/null || true; }

fill
answer 1
start
down 'a full disk at the start'
answer 2
rm "$dir/disk/filler"
up 'room again'

fill
answer 7000
down 'a disk that fills up'
grep -q 'ERROR the storage cannot be written' "$dir/log" || failed 'no line in the log'
answer 3
rm "$dir/disk/filler"
up 'room again'

end
mount -o remount,ro "$dir/disk"
start
down 'a read-only disk'
grep -q 'ERROR the storage cannot be used' "$dir/log" || failed 'no line in the log'
answer 4
counted=$(polls)
mount -o remount,rw "$dir/disk"
up 'a disk that can be written again'

# Without the gateway, readings can only come from the disk.
kill "$gateway"
end
start
stored=$(polls)
[ "$stored" -ge "$counted" ] || failed "$counted polls before the restart, $stored after it"
becomes "nothing of it lost: $counted polls, then $stored" 4 '^balance_sms_available'
