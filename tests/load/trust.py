#!/usr/bin/env python3
"""Measures what the daemon does while something that it depends on hangs. The hanging name server needs root.

usage: tests/load/trust.py BINARY [full-pipe|hanging-names|first-polls]...

full-pipe      standard error is a full pipe that nobody reads; 300 failing sources at 1 s, debug level, for a minute
hanging-names  700 host names whose look-ups never end: time of a reload, of a scrape and of SIGTERM
first-polls    10,000 sources at 60 s: time until each was polled once
"""
import fcntl
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request


def wait_for(condition, seconds, what):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    sys.exit(f"never came true: {what}")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def fetch(port, path="/metrics", method="GET", timeout=30):
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", method=method)
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=timeout) as answer:
        return answer.read().decode()


def timed(port, *request):
    """Seconds until the answer; 30 is the limit."""
    began = time.monotonic()
    try:
        fetch(port, *request)
    except TimeoutError:
        pass
    return time.monotonic() - began


def healthy(port):
    try:
        return fetch(port, "/-/healthy", timeout=2)
    except OSError:
        return None


def total(page, family):
    return sum(float(line.rsplit(" ", 1)[1]) for line in page.splitlines() if line.startswith(family))


def percentile(times, part):
    return sorted(times)[min(len(times) - 1, int(len(times) * part))] * 1000


def configuration(directory, sources):
    path = os.path.join(directory, "exporter.yaml")
    with open(path, "w") as file:
        file.write("sources:\n" + "".join(sources))
    os.chmod(path, 0o600)
    return path


def refusing(name, interval, host="127.0.0.1", port=1):
    return f"  - {{name: {name}, interval: {interval}, provider: {{mysmpp: {{url: \"http://{host}:{port}/\", token: x}}}}}}\n"


def start(binary, config, port, *more, stderr=subprocess.DEVNULL, prefix=()):
    command = [*prefix, binary, "--config.file", config, "--web.listen-address", f"127.0.0.1:{port}", "--web.enable-lifecycle", *more]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=stderr)


def stop(daemon):
    began = time.monotonic()
    daemon.send_signal(signal.SIGTERM)
    code = daemon.wait(timeout=60)
    return time.monotonic() - began, code


def full_pipe(binary):
    with tempfile.TemporaryDirectory() as directory:
        config, port = configuration(directory, [refusing(f"s{n}", "1s") for n in range(300)]), free_port()
        reader, writer = os.pipe()
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
        os.set_blocking(writer, False)
        try:
            while True:
                os.write(writer, b"x" * 4096)
        except BlockingIOError:
            os.set_blocking(writer, True)
        daemon = start(binary, config, port, "--log.level", "debug", stderr=writer)
        try:
            wait_for(lambda: healthy(port), 10, "the daemon listens while standard error is a full pipe")
            times, began = [], time.monotonic()
            while time.monotonic() - began < 60:
                at = time.monotonic()
                page = fetch(port)
                times.append(time.monotonic() - at)
                time.sleep(0.05)
            took, code = stop(daemon)
        finally:
            daemon.kill()
        print(f"full pipe: {len(times)} scrapes, p50 {percentile(times, .5):.1f} ms, p99 {percentile(times, .99):.1f} ms; "
              f"{total(page, 'balance_polls_total'):.0f} polls of 300 sources in 60 s; "
              f"{total(page, 'balance_exporter_log_lines_dropped_total'):.0f} lines dropped; SIGTERM to exit {code}: {took:.2f} s")


def hanging_names(binary):
    silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    silent.bind(("127.0.0.153", 53))
    with tempfile.TemporaryDirectory() as directory:
        resolver = os.path.join(directory, "resolv.conf")
        with open(resolver, "w") as file:
            file.write("nameserver 127.0.0.153\noptions timeout:30 attempts:5\n")
        sources = [refusing(f"s{n}", "60s", host=f"n{n}.example") for n in range(700)] + [refusing("near", "1s")]
        config, port = configuration(directory, sources), free_port()
        mount = ("unshare", "-m", "sh", "-c", f"mount --bind {resolver} /etc/resolv.conf && exec \"$@\"", "sh")
        storage = os.path.join(directory, "state")
        daemon = start(binary, config, port, "--storage.path", storage, prefix=mount)
        try:
            wait_for(lambda: healthy(port), 10, "it listens")
            # Sources begin fifty a second at least; all look-ups hang by then.
            time.sleep(16)
            scrape, reload = timed(port), timed(port, "/-/reload", "POST")
            before = total(fetch(port), 'balance_polls_total{provider="mysmpp",source="near"}')
            time.sleep(5)
            polls = total(fetch(port), 'balance_polls_total{provider="mysmpp",source="near"}') - before
            took, code = stop(daemon)
        finally:
            daemon.kill()
        print(f"hanging names: scrape {scrape * 1000:.1f} ms; reload {reload:.2f} s; {polls:.0f} polls of a source beside them in 5 s at 1 s; SIGTERM to exit {code}: {took:.2f} s")


def first_polls(binary):
    with tempfile.TemporaryDirectory() as directory:
        config, port = configuration(directory, [refusing(f"s{n}", "60s") for n in range(10_000)]), free_port()
        began = time.monotonic()
        daemon = start(binary, config, port, "--log.level", "error")
        try:
            wait_for(lambda: healthy(port), 20, "it listens")

            def ready():
                try:
                    return fetch(port, "/-/ready")
                except urllib.error.HTTPError:
                    return None
            wait_for(ready, 300, "every source was polled")
            print(f"first polls: 10,000 sources at 60 s were all polled once after {time.monotonic() - began:.1f} s")
        finally:
            daemon.kill()


if __name__ == "__main__":
    scenarios = {"full-pipe": full_pipe, "hanging-names": hanging_names, "first-polls": first_polls}
    for name in sys.argv[2:] or scenarios:
        scenarios[name](sys.argv[1])
