# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_balance_exporter_global_optspecs
    string join \n config-file= config-auto-reload-interval= shard= web-listen-address= web-systemd-socket web-config-file= web-telemetry-path= web-enable-lifecycle storage-path= log-level= log-format= h/help V/version
end

function __fish_balance_exporter_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    set -q cmd[1]; and set cmd (string replace -r '^(--[a-z]+)\.' '$1-' -- $cmd)
    argparse -s (__fish_balance_exporter_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_balance_exporter_using_subcommand
    set -l cmd (__fish_balance_exporter_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c balance-exporter -n "__fish_balance_exporter_needs_command" -l config.file -d 'Configuration file; where the default does not exist, /etc/balance-exporter/exporter.yaml' -r -F
complete -c balance-exporter -n "__fish_balance_exporter_needs_command" -l config.auto-reload-interval -d 'Look at this pace whether the configuration, or a file that it names, has changed, and reload; off by default' -r
complete -c balance-exporter -n "__fish_balance_exporter_needs_command" -l shard -d 'Poll only this part of the sources: 0/3, 1/3 and 2/3 are disjoint and complete' -r
complete -c balance-exporter -n "__fish_balance_exporter_needs_command" -l web.listen-address -d 'Address to listen on: HOST:PORT, [IPv6]:PORT or :PORT; repeatable' -r
complete -c balance-exporter -n "__fish_balance_exporter_needs_command" -l web.config.file -d 'Web configuration file: TLS, users and headers, in the format of the Prometheus exporter toolkit' -r -F
complete -c balance-exporter -n "__fish_balance_exporter_needs_command" -l web.telemetry-path -d 'Path of the metrics' -r
complete -c balance-exporter -n "__fish_balance_exporter_needs_command" -l storage.path -d 'Directory to persist state in; without it, state is lost on exit' -r -F
complete -c balance-exporter -n "__fish_balance_exporter_needs_command" -l log.level -d 'Minimum level of log messages' -r -f -a "error\t'Why the program exits'
warn\t'What a person should look into'
info\t'What changed'
debug\t'Each poll'
trace\t'Each connection'"
complete -c balance-exporter -n "__fish_balance_exporter_needs_command" -l log.format -d 'Format of log messages' -r -f -a "text\t'For people'
json\t'One JSON object per line'"
complete -c balance-exporter -n "__fish_balance_exporter_needs_command" -l web.systemd-socket -d 'Use listening sockets from systemd instead of --web.listen-address'
complete -c balance-exporter -n "__fish_balance_exporter_needs_command" -l web.enable-lifecycle -d 'Enable POST /-/reload'
complete -c balance-exporter -n "__fish_balance_exporter_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c balance-exporter -n "__fish_balance_exporter_needs_command" -s V -l version -d 'Print version'
complete -c balance-exporter -n "__fish_balance_exporter_needs_command" -f -a "check" -d 'Check the configuration, the web configuration and that all credentials exist; poll nothing'
complete -c balance-exporter -n "__fish_balance_exporter_needs_command" -f -a "poll" -d 'Poll once and print the readings; start no server'
complete -c balance-exporter -n "__fish_balance_exporter_needs_command" -f -a "services" -d 'List the services that can be polled, or print one\'s description and a source to copy'
complete -c balance-exporter -n "__fish_balance_exporter_needs_command" -f -a "try" -d 'Evaluate a service description over answers in files, as poll --explain does; no network'
complete -c balance-exporter -n "__fish_balance_exporter_needs_command" -f -a "healthcheck" -d 'Check that the daemon at the first --web.listen-address is healthy; for containers'
complete -c balance-exporter -n "__fish_balance_exporter_needs_command" -f -a "version" -d 'Print the version, as --version does'
complete -c balance-exporter -n "__fish_balance_exporter_needs_command" -f -a "demo" -d 'Run the daemon against built-in simulated providers on loopback; needs no file and no account'
complete -c balance-exporter -n "__fish_balance_exporter_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand check" -l config.file -d 'Configuration file; where the default does not exist, /etc/balance-exporter/exporter.yaml' -r -F
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand check" -l config.auto-reload-interval -d 'Look at this pace whether the configuration, or a file that it names, has changed, and reload; off by default' -r
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand check" -l shard -d 'Poll only this part of the sources: 0/3, 1/3 and 2/3 are disjoint and complete' -r
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand check" -l web.listen-address -d 'Address to listen on: HOST:PORT, [IPv6]:PORT or :PORT; repeatable' -r
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand check" -l web.config.file -d 'Web configuration file: TLS, users and headers, in the format of the Prometheus exporter toolkit' -r -F
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand check" -l web.telemetry-path -d 'Path of the metrics' -r
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand check" -l storage.path -d 'Directory to persist state in; without it, state is lost on exit' -r -F
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand check" -l log.level -d 'Minimum level of log messages' -r -f -a "error\t'Why the program exits'
warn\t'What a person should look into'
info\t'What changed'
debug\t'Each poll'
trace\t'Each connection'"
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand check" -l log.format -d 'Format of log messages' -r -f -a "text\t'For people'
json\t'One JSON object per line'"
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand check" -l web.systemd-socket -d 'Use listening sockets from systemd instead of --web.listen-address'
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand check" -l web.enable-lifecycle -d 'Enable POST /-/reload'
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand check" -s V -l version -d 'Print version'
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand poll" -l output -d 'Output format' -r -f -a "table\t'For people'
json\t'For programs'
metrics\t'Prometheus text format, as on `/metrics`'"
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand poll" -l config.file -d 'Configuration file; where the default does not exist, /etc/balance-exporter/exporter.yaml' -r -F
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand poll" -l config.auto-reload-interval -d 'Look at this pace whether the configuration, or a file that it names, has changed, and reload; off by default' -r
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand poll" -l shard -d 'Poll only this part of the sources: 0/3, 1/3 and 2/3 are disjoint and complete' -r
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand poll" -l web.listen-address -d 'Address to listen on: HOST:PORT, [IPv6]:PORT or :PORT; repeatable' -r
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand poll" -l web.config.file -d 'Web configuration file: TLS, users and headers, in the format of the Prometheus exporter toolkit' -r -F
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand poll" -l web.telemetry-path -d 'Path of the metrics' -r
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand poll" -l storage.path -d 'Directory to persist state in; without it, state is lost on exit' -r -F
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand poll" -l log.level -d 'Minimum level of log messages' -r -f -a "error\t'Why the program exits'
warn\t'What a person should look into'
info\t'What changed'
debug\t'Each poll'
trace\t'Each connection'"
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand poll" -l log.format -d 'Format of log messages' -r -f -a "text\t'For people'
json\t'One JSON object per line'"
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand poll" -l explain -d 'Show each request, each answer and how each figure comes about, instead of the readings alone'
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand poll" -l full -d 'With --explain: do not cut answers'
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand poll" -l web.systemd-socket -d 'Use listening sockets from systemd instead of --web.listen-address'
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand poll" -l web.enable-lifecycle -d 'Enable POST /-/reload'
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand poll" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand poll" -s V -l version -d 'Print version'
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand services" -l config.file -d 'Configuration file; where the default does not exist, /etc/balance-exporter/exporter.yaml' -r -F
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand services" -l config.auto-reload-interval -d 'Look at this pace whether the configuration, or a file that it names, has changed, and reload; off by default' -r
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand services" -l shard -d 'Poll only this part of the sources: 0/3, 1/3 and 2/3 are disjoint and complete' -r
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand services" -l web.listen-address -d 'Address to listen on: HOST:PORT, [IPv6]:PORT or :PORT; repeatable' -r
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand services" -l web.config.file -d 'Web configuration file: TLS, users and headers, in the format of the Prometheus exporter toolkit' -r -F
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand services" -l web.telemetry-path -d 'Path of the metrics' -r
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand services" -l storage.path -d 'Directory to persist state in; without it, state is lost on exit' -r -F
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand services" -l log.level -d 'Minimum level of log messages' -r -f -a "error\t'Why the program exits'
warn\t'What a person should look into'
info\t'What changed'
debug\t'Each poll'
trace\t'Each connection'"
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand services" -l log.format -d 'Format of log messages' -r -f -a "text\t'For people'
json\t'One JSON object per line'"
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand services" -l web.systemd-socket -d 'Use listening sockets from systemd instead of --web.listen-address'
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand services" -l web.enable-lifecycle -d 'Enable POST /-/reload'
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand services" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand services" -s V -l version -d 'Print version'
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand try" -l answer -d 'File with an answer, - for standard input; repeatable, in the order of the calls. It holds a body, or status line, headers and body as `curl -i` prints them' -r -F
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand try" -l config.file -d 'Configuration file; where the default does not exist, /etc/balance-exporter/exporter.yaml' -r -F
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand try" -l config.auto-reload-interval -d 'Look at this pace whether the configuration, or a file that it names, has changed, and reload; off by default' -r
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand try" -l shard -d 'Poll only this part of the sources: 0/3, 1/3 and 2/3 are disjoint and complete' -r
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand try" -l web.listen-address -d 'Address to listen on: HOST:PORT, [IPv6]:PORT or :PORT; repeatable' -r
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand try" -l web.config.file -d 'Web configuration file: TLS, users and headers, in the format of the Prometheus exporter toolkit' -r -F
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand try" -l web.telemetry-path -d 'Path of the metrics' -r
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand try" -l storage.path -d 'Directory to persist state in; without it, state is lost on exit' -r -F
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand try" -l log.level -d 'Minimum level of log messages' -r -f -a "error\t'Why the program exits'
warn\t'What a person should look into'
info\t'What changed'
debug\t'Each poll'
trace\t'Each connection'"
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand try" -l log.format -d 'Format of log messages' -r -f -a "text\t'For people'
json\t'One JSON object per line'"
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand try" -l full -d 'Do not cut answers'
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand try" -l web.systemd-socket -d 'Use listening sockets from systemd instead of --web.listen-address'
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand try" -l web.enable-lifecycle -d 'Enable POST /-/reload'
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand try" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand try" -s V -l version -d 'Print version'
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand healthcheck" -l config.file -d 'Configuration file; where the default does not exist, /etc/balance-exporter/exporter.yaml' -r -F
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand healthcheck" -l config.auto-reload-interval -d 'Look at this pace whether the configuration, or a file that it names, has changed, and reload; off by default' -r
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand healthcheck" -l shard -d 'Poll only this part of the sources: 0/3, 1/3 and 2/3 are disjoint and complete' -r
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand healthcheck" -l web.listen-address -d 'Address to listen on: HOST:PORT, [IPv6]:PORT or :PORT; repeatable' -r
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand healthcheck" -l web.config.file -d 'Web configuration file: TLS, users and headers, in the format of the Prometheus exporter toolkit' -r -F
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand healthcheck" -l web.telemetry-path -d 'Path of the metrics' -r
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand healthcheck" -l storage.path -d 'Directory to persist state in; without it, state is lost on exit' -r -F
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand healthcheck" -l log.level -d 'Minimum level of log messages' -r -f -a "error\t'Why the program exits'
warn\t'What a person should look into'
info\t'What changed'
debug\t'Each poll'
trace\t'Each connection'"
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand healthcheck" -l log.format -d 'Format of log messages' -r -f -a "text\t'For people'
json\t'One JSON object per line'"
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand healthcheck" -l web.systemd-socket -d 'Use listening sockets from systemd instead of --web.listen-address'
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand healthcheck" -l web.enable-lifecycle -d 'Enable POST /-/reload'
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand healthcheck" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand healthcheck" -s V -l version -d 'Print version'
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand version" -l config.file -d 'Configuration file; where the default does not exist, /etc/balance-exporter/exporter.yaml' -r -F
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand version" -l config.auto-reload-interval -d 'Look at this pace whether the configuration, or a file that it names, has changed, and reload; off by default' -r
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand version" -l shard -d 'Poll only this part of the sources: 0/3, 1/3 and 2/3 are disjoint and complete' -r
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand version" -l web.listen-address -d 'Address to listen on: HOST:PORT, [IPv6]:PORT or :PORT; repeatable' -r
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand version" -l web.config.file -d 'Web configuration file: TLS, users and headers, in the format of the Prometheus exporter toolkit' -r -F
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand version" -l web.telemetry-path -d 'Path of the metrics' -r
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand version" -l storage.path -d 'Directory to persist state in; without it, state is lost on exit' -r -F
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand version" -l log.level -d 'Minimum level of log messages' -r -f -a "error\t'Why the program exits'
warn\t'What a person should look into'
info\t'What changed'
debug\t'Each poll'
trace\t'Each connection'"
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand version" -l log.format -d 'Format of log messages' -r -f -a "text\t'For people'
json\t'One JSON object per line'"
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand version" -l web.systemd-socket -d 'Use listening sockets from systemd instead of --web.listen-address'
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand version" -l web.enable-lifecycle -d 'Enable POST /-/reload'
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand version" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand version" -s V -l version -d 'Print version'
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand demo" -l config.file -d 'Configuration file; where the default does not exist, /etc/balance-exporter/exporter.yaml' -r -F
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand demo" -l config.auto-reload-interval -d 'Look at this pace whether the configuration, or a file that it names, has changed, and reload; off by default' -r
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand demo" -l shard -d 'Poll only this part of the sources: 0/3, 1/3 and 2/3 are disjoint and complete' -r
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand demo" -l web.listen-address -d 'Address to listen on: HOST:PORT, [IPv6]:PORT or :PORT; repeatable' -r
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand demo" -l web.config.file -d 'Web configuration file: TLS, users and headers, in the format of the Prometheus exporter toolkit' -r -F
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand demo" -l web.telemetry-path -d 'Path of the metrics' -r
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand demo" -l storage.path -d 'Directory to persist state in; without it, state is lost on exit' -r -F
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand demo" -l log.level -d 'Minimum level of log messages' -r -f -a "error\t'Why the program exits'
warn\t'What a person should look into'
info\t'What changed'
debug\t'Each poll'
trace\t'Each connection'"
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand demo" -l log.format -d 'Format of log messages' -r -f -a "text\t'For people'
json\t'One JSON object per line'"
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand demo" -l web.systemd-socket -d 'Use listening sockets from systemd instead of --web.listen-address'
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand demo" -l web.enable-lifecycle -d 'Enable POST /-/reload'
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand demo" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand demo" -s V -l version -d 'Print version'
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand help; and not __fish_seen_subcommand_from check poll services try healthcheck version demo help" -f -a "check" -d 'Check the configuration, the web configuration and that all credentials exist; poll nothing'
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand help; and not __fish_seen_subcommand_from check poll services try healthcheck version demo help" -f -a "poll" -d 'Poll once and print the readings; start no server'
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand help; and not __fish_seen_subcommand_from check poll services try healthcheck version demo help" -f -a "services" -d 'List the services that can be polled, or print one\'s description and a source to copy'
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand help; and not __fish_seen_subcommand_from check poll services try healthcheck version demo help" -f -a "try" -d 'Evaluate a service description over answers in files, as poll --explain does; no network'
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand help; and not __fish_seen_subcommand_from check poll services try healthcheck version demo help" -f -a "healthcheck" -d 'Check that the daemon at the first --web.listen-address is healthy; for containers'
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand help; and not __fish_seen_subcommand_from check poll services try healthcheck version demo help" -f -a "version" -d 'Print the version, as --version does'
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand help; and not __fish_seen_subcommand_from check poll services try healthcheck version demo help" -f -a "demo" -d 'Run the daemon against built-in simulated providers on loopback; needs no file and no account'
complete -c balance-exporter -n "__fish_balance_exporter_using_subcommand help; and not __fish_seen_subcommand_from check poll services try healthcheck version demo help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
