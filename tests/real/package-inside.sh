# shellcheck shell=bash
# Runs inside the root that package.sh boots.
# shellcheck disable=SC2317 # functions are called by check
set -uo pipefail
# shellcheck source=tests/real/inside.sh
. /the-test/inside.sh

unit=balance-exporter.service

traces() { find /etc /usr /var /run -xdev -name '*balance-exporter*' | sort; }
nothing_left() { diff "$1" <(traces) && ! getent passwd balance-exporter; }
inactive() { property ActiveState inactive; }
well_formed() { silent systemd-analyze verify --man=no "/usr/lib/systemd/system/$unit" /usr/lib/systemd/system/balance-exporter.socket; }
installed() {
    local file
    for file in man/man1/balance-exporter.1.gz bash-completion/completions/balance-exporter \
        zsh/vendor-completions/_balance-exporter fish/vendor_completions.d/balance-exporter.fish doc/balance-exporter/README.md; do
        dpkg --listfiles balance-exporter | grep "/usr/share/$file" >/dev/null || { echo "no $file"; return 1; }
    done
}

export DEBIAN_FRONTEND=noninteractive
# A machine that builds packages may forbid services to start; the machine of this test must not.
rm -f /usr/sbin/policy-rc.d
# Documentation may be left out of a container's installations; here it is looked for.
rm -f /etc/dpkg/dpkg.cfg.d/*
traces >/run/before

check "it installs" dpkg --install /the-test/package.deb
check "every file is there" installed
check "the units are well-formed" well_formed
check "it is enabled" systemctl is-enabled "$unit"
check "the socket is not" test "$(systemctl is-enabled balance-exporter.socket)" = disabled
check "nothing is started by the installation" inactive
check "the credentials' directory is for root alone" test "$(stat -c %a /etc/balance-exporter/credentials)" = 700
check "it starts as installed" systemctl start "$unit"
check "it serves as installed" scraped balance_exporter_build_info
check "it says that nothing is configured" property_becomes StatusText '0 sources, none failing'

printf '[Socket]\nListenStream=127.0.0.1:18080\nAccept=yes\n' >/run/systemd/system/gateway.socket
printf '[Service]\nExecStart=-/bin/bash /the-test/gateway.sh\nStandardInput=socket\nStandardError=null\n' >/run/systemd/system/gateway@.service
mkdir "/run/systemd/system/$unit.d"
printf '[Service]\nLoadCredential=sms-token:/etc/balance-exporter/credentials/sms-token\n' >"/run/systemd/system/$unit.d/test.conf"
echo x >/etc/balance-exporter/credentials/sms-token
cat >/etc/balance-exporter/exporter.yaml <<'YAML'
sources:
  - name: sms
    provider: {mysmpp: {url: "http://127.0.0.1:18080/json/balance.php", token: {credential: sms-token}}}
YAML
systemctl daemon-reload
systemctl start gateway.socket
check "it restarts with a configuration" systemctl restart "$unit"
check "a scrape finds the balance" scraped_soon 'balance_available_amount{provider="mysmpp",source="sms",account="",currency="RUB"} 1234.5'

before=$(pid)
check "an upgrade installs" dpkg --install /the-test/package.deb
check "it has restarted what ran" test "$(pid)" != "$before"
check "it has kept the configuration" scraped_soon 'balance_up{provider="mysmpp",source="sms"} 1'
systemctl disable --quiet "$unit"
check "another upgrade installs" dpkg --install /the-test/package.deb
check "it has left disabled what was disabled" test "$(systemctl is-enabled "$unit")" = disabled

check "it is removed" dpkg --remove balance-exporter
check "nothing runs any more" test "$(systemctl is-active "$unit")" != active
check "the configuration stays" test -e /etc/balance-exporter/exporter.yaml
rm -r "/run/systemd/system/$unit.d"
check "it is purged" dpkg --purge balance-exporter
check "nothing is left" nothing_left /run/before
# shellcheck disable=SC2154 # of inside.sh
exit "$failed"
