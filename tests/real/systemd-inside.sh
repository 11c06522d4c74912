# shellcheck shell=bash
# Runs inside the root that systemd.sh boots.
# shellcheck disable=SC2317 # functions are called by check
set -uo pipefail
# shellcheck source=tests/real/inside.sh
. /the-test/inside.sh

unit=balance-exporter.service
token=a-token-that-nobody-may-see
configuration=/etc/balance-exporter/exporter.yaml

configure() {
    cat >"$configuration" <<YAML
defaults: {interval: 2s}
sources:
  - name: ${1:-sms}
    provider: {mysmpp: {url: "http://127.0.0.1:18080/json/balance.php", token: {credential: sms-token}}}
YAML
}

prepare() {
    install -d -m 0755 /etc/balance-exporter "/etc/systemd/system/$unit.d"
    install -d -m 0700 /etc/balance-exporter/credentials
    (umask 077 && printf '%s\n' "$token" >/etc/balance-exporter/credentials/sms-token)
    configure
    printf '[Service]\nLoadCredential=sms-token:/etc/balance-exporter/credentials/sms-token\nWatchdogSec=2s\n' \
        >"/etc/systemd/system/$unit.d/test.conf"
    printf '[Socket]\nListenStream=127.0.0.1:18080\nAccept=yes\n' >/etc/systemd/system/gateway.socket
    printf '[Service]\nExecStart=-/bin/bash /the-test/gateway.sh\nStandardInput=socket\nStandardError=null\n' \
        >/etc/systemd/system/gateway@.service
    systemctl daemon-reload
    systemctl start gateway.socket
}

other_user() { [ "$(ps -o user= -p "$(pid)")" = balance-exporter ]; }
has_state() { [ "$(stat -c %a /var/lib/private/balance-exporter)" = 700 ]; }
sent() { grep --quiet --fixed-strings "\"$token\"" /the-test/asked; }
fails_to_start() { ! systemctl restart "$unit"; }
left_failed() { property ActiveState failed && property ExecMainStatus 78 && property NRestarts 0; }
answers_on_the_socket() { page /-/healthy && property ActiveState active; }
# The journal knows the program's own lines, and none of them the secret.
discreet() {
    journalctl --sync
    journalctl --quiet --unit "$unit" | grep 'first poll succeeded' >/dev/null || { echo "no line of the program"; return 1; }
    ! journalctl --output=export | grep --text --fixed-strings "$token"
}

watchdog() {
    local before
    sleep 5
    check "a daemon that lives is left alone by the watchdog" property NRestarts 0
    before=$(pid)
    kill -STOP "$before"
    check "a hung process is restarted by the watchdog" property_becomes NRestarts 1
    check "it serves again" scraped_soon 'balance_up{provider="mysmpp",source="sms"} 1'
    check "it is another process" test "$(pid)" != "$before"
    check "the journal says why" grep --quiet 'Watchdog timeout' <(journalctl --unit "$unit")
}

reload() {
    local before
    before=$(pid)
    configure other
    check "a reload is done when systemctl returns" systemctl reload "$unit"
    check "a reload takes a new source" scraped_soon 'balance_up{provider="mysmpp",source="other"} 1'
    echo 'nonsense' >"$configuration"
    systemctl reload "$unit"
    check "a bad file is refused" scraped_soon 'balance_exporter_config_last_reload_successful 0'
    check "and changes nothing" scraped 'balance_up{provider="mysmpp",source="other"} 1'
    check "it is the same process" test "$(pid)" = "$before"
    configure
    systemctl reload "$unit"
    check "a good file is taken again" scraped_soon 'balance_exporter_config_last_reload_successful 1'
}

wrong_configuration() {
    echo 'nonsense' >"$configuration"
    check "a wrong configuration fails to start" fails_to_start
    check "it is left failed with 78 and not restarted" left_failed
    configure
    sed -i /LoadCredential/d "/etc/systemd/system/$unit.d/test.conf"
    systemctl daemon-reload
    check "a missing credential fails to start" fails_to_start
    check "it is left failed with 78 too" left_failed
    systemctl reset-failed "$unit"
}

socket() {
    printf '[Service]\nLoadCredential=sms-token:/etc/balance-exporter/credentials/sms-token\n' \
        >"/etc/systemd/system/$unit.d/test.conf"
    echo 'ARGS="--web.systemd-socket"' >/etc/default/balance-exporter
    systemctl daemon-reload
    systemctl start balance-exporter.socket
    check "the first connection to the socket starts the service" answers_on_the_socket
    systemctl stop balance-exporter.socket "$unit"
}

prepare
check "the units are well-formed" silent systemd-analyze verify --man=no "/etc/systemd/system/$unit" /etc/systemd/system/balance-exporter.socket
check "the sandbox is tight" systemd-analyze security --offline=true --threshold=15 "/etc/systemd/system/$unit"
check "it starts, and is ready when systemctl returns" systemctl start "$unit"
check "it listens by then" page /-/healthy
check "it runs as a user of its own" other_user
check "it has its state directory" has_state
check "a scrape finds the balance" scraped_soon 'balance_available_amount{provider="mysmpp",source="sms",account="",currency="RUB"} 1234.5'
check "the start of the process is known in the sandbox" scraped process_start_time_seconds
check "the credential reaches the provider" sent
check "systemd knows how the sources do" property_becomes StatusText '1 source, none failing'
watchdog
reload
check "it stops" systemctl stop "$unit"
check "it has ended well" property Result success
wrong_configuration
socket
check "the journal does not hold the secret" discreet
# shellcheck disable=SC2154 # of inside.sh
exit "$failed"
