# shellcheck shell=bash
# Sourced inside the booted root: one line a check.

failed=0

# check SENTENCE COMMAND...: passes when the command does.
check() {
    local sentence=$1 said
    shift
    if said=$("$@" 2>&1); then
        echo "ok: $sentence"
    else
        echo "FAILED: $sentence"
        printf '%s\n' "$said" | head -20 | sed 's/^/    /'
        # shellcheck disable=SC2034 # the script ends with it
        failed=1
    fi
}

# Passes when the command prints nothing at all and succeeds.
silent() {
    local said
    if said=$("$@" 2>&1) && [ -z "$said" ]; then return 0; fi
    printf '%s\n' "$said"
    return 1
}

# until_true SECONDS COMMAND...: passes once the command does.
until_true() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 0.1
    done
}

# property NAME VALUE: what systemd says of the service.
property() {
    local is
    is=$(systemctl show --value --property "$1" balance-exporter.service)
    [ "$is" = "$2" ] || { echo "$1 is $is, not $2"; return 1; }
}

property_becomes() { until_true 20 property "$1" "$2"; }

pid() { systemctl show --value --property MainPID balance-exporter.service; }

# page PATH: a page of the daemon.
page() { curl --silent --show-error --fail --max-time 5 "http://127.0.0.1:10120$1"; }

# scraped LINE: the metrics hold a line that begins so.
scraped() { page /metrics | grep --fixed-strings "$1"; }

scraped_soon() { until_true 20 scraped "$1"; }
