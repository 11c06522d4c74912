//! Whatever a provider answers, only that poll fails, with the right reason.

use crate::support::{Configured, Daemon, binary, lines_with, text};
use balance_exporter::standin::atisu::{Exchange, Wallet};
use balance_exporter::standin::{Behaviour, Reply, StandIn};
use std::io::Write;
use std::time::Duration;

const TOKEN: &str = "token of a liar";

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(plain).expect("memory");
    encoder.finish().expect("memory")
}

fn ok(body: impl Into<bytes::Bytes>) -> Behaviour {
    Behaviour::Reply(Reply::new(200, body))
}

fn wallet(balance: &str) -> Behaviour {
    ok(format!("{{\"balance\":{balance},\"walletId\":1}}"))
}

fn redirect(location: String) -> Behaviour {
    Behaviour::Reply(Reply::new(302, "").header("location", location))
}

/// Bad answers with their expected reasons. `elsewhere` is another origin.
fn lies(elsewhere: &StandIn) -> Vec<(&'static str, Behaviour, &'static str)> {
    let bomb = gzip(&vec![b' '; 50 * 1024 * 1024]);
    let whole = || Reply::new(200, "{\"balance\":1,\"walletId\":1}");
    let encoded = |coding: &str, body: Vec<u8>| Behaviour::Reply(Reply::new(200, body).header("content-encoding", coding));
    vec![
        ("HTML", ok("<html><body>Bad gateway</body></html>"), "decode"),
        ("nothing", ok(""), "decode"),
        ("truncated JSON", ok("{\"balance\":1,\"wal"), "decode"),
        ("bad UTF-8", ok(b"{\"balance\":1,\"walletId\":\"\xff\"}".to_vec()), "decode"),
        ("a list", ok("[1]"), "decode"),
        ("deep nesting", ok("[".repeat(100_000)), "decode"),
        ("no figure", ok("{\"walletId\":1}"), "decode"),
        ("null", wallet("null"), "decode"),
        ("NaN", wallet("NaN"), "decode"),
        ("NaN as text", wallet("\"NaN\""), "decode"),
        ("infinity", wallet("\"inf\""), "decode"),
        ("too large a number", wallet("1e999"), "decode"),
        ("hexadecimal", wallet("\"0x10\""), "decode"),
        ("a decimal comma", wallet("\"1,5\""), "decode"),
        ("an object", wallet("{}"), "decode"),
        ("a flag", wallet("true"), "decode"),
        ("a key twice", wallet("1,\"balance\":2"), "decode"),
        ("a list in the order of the keys", ok("[666,0,0,0,false,false,true,false,1]"), "decode"),
        ("an error beside a balance", wallet("666,\"error\":\"down\""), "rejected"),
        ("an Error beside a balance", wallet("666,\"Error\":\"down\""), "rejected"),
        ("errors beside a balance", wallet("666,\"errors\":[\"down\"]"), "rejected"),
        ("an error and its denial", wallet("666,\"error\":\"down\",\"error\":\"\""), "decode"),
        ("too large a number elsewhere", wallet("666,\"x\":1e400"), "decode"),
        ("half a surrogate pair elsewhere", wallet("666,\"x\":\"\\ud800\""), "decode"),
        ("another encoding", ok(b"{\"balance\":666,\"walletId\":1,\"error\":\"\xe1\xe5\xe4\xe0\"}".to_vec()), "decode"),
        ("something after the answer", ok("{\"balance\":666,\"walletId\":1}<!-- 12 ms -->"), "decode"),
        ("an identifier without its digits", ok("{\"balance\":666,\"walletId\":1e20}"), "decode"),
        ("100,001 values", wallet(&format!("666,\"x\":[{}0]", "0,".repeat(100_000))), "too_large"),
        ("10 MB", ok(vec![b' '; 10 * 1024 * 1024]), "too_large"),
        ("a gzip bomb", encoded("gzip", bomb), "too_large"),
        ("bad gzip", encoded("gzip", b"not gzip at all".to_vec()), "decode"),
        ("truncated gzip", encoded("gzip", gzip(b"{\"balance\":1}")[..12].to_vec()), "decode"),
        ("unknown coding", encoded("x-lzma", b"\x1f\x00\x01".to_vec()), "decode"),
        ("a redirect elsewhere", redirect(elsewhere.url("/v1.0/balance")), "redirect"),
        ("a redirect to another scheme", redirect(elsewhere.url("/").replace("http:", "https:")), "redirect"),
        ("a redirect to nowhere", Behaviour::Reply(Reply::new(302, "")), "redirect"),
        ("304", Behaviour::Reply(Reply::new(304, "")), "redirect"),
        ("no answer", Behaviour::Hang, "timeout"),
        ("a trickle", Behaviour::Trickle(whole(), Duration::from_millis(100)), "timeout"),
        ("closed in the middle", Behaviour::CutOff(whole()), "connect"),
        ("400", Behaviour::Reply(Reply::new(400, "{}")), "rejected"),
        ("401", Behaviour::Reply(Reply::new(401, "{\"error\":null}")), "auth"),
        ("402", Behaviour::Reply(Reply::new(402, "[]")), "payment_required"),
        ("403", Behaviour::Reply(Reply::new(403, "<html>")), "forbidden"),
        ("404", Behaviour::Reply(Reply::new(404, "")), "not_found"),
        ("429", Behaviour::Reply(Reply::new(429, "")), "rate_limited"),
        ("500 with 10 MB", Behaviour::Reply(Reply::new(500, vec![b' '; 10 * 1024 * 1024])), "server"),
        ("504", Behaviour::Reply(Reply::new(504, "")), "server"),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_bad_answer_fails_its_poll_with_its_reason() {
    let elsewhere = StandIn::start(|_: &_| Reply::new(200, "{\"balance\":666}")).await.expect("a port");
    let honest = Exchange::new(TOKEN, "1");
    honest.set(Wallet { balance: 5.0, id: 1, ..Wallet::default() });
    let honest = StandIn::start(honest).await.expect("a port");
    let mut configuration = format!(
        "defaults: {{interval: 1s, timeout: 800ms, max_age: 1h}}\nsources:\n  - {{name: honest, provider: {{atisu: {{url: \"{}\", token: {TOKEN}, ati_code: 1}}}}}}\n",
        honest.url("/v1.0/balance")
    );
    let mut liars = Vec::new();
    for (i, (lie, act, reason)) in lies(&elsewhere).into_iter().enumerate() {
        // One good answer first, then only the bad one.
        let exchange = Exchange::new(TOKEN, "1");
        exchange.set(Wallet { balance: 7.0, id: 1, ..Wallet::default() });
        let liar = StandIn::start(exchange).await.expect("a port");
        let url = liar.url("/v1.0/balance");
        let liar_entry = format!("  - {{name: liar{i}, provider: {{atisu: {{url: \"{url}\", token: {TOKEN}, ati_code: 1}}}}}}\n");
        configuration.push_str(&liar_entry);
        liars.push((lie, act, reason, liar));
    }
    let mut daemon = Daemon::start(&Configured::new(&configuration));
    let up = |metrics: &str| lines_with(metrics, "balance_up{").iter().filter(|line| line.ends_with(" 1")).count();
    daemon.metrics_where("all sources are up", |metrics| up(metrics) == liars.len() + 1).await;
    let before = daemon.metrics().await;

    for (_, act, _, liar) in &liars {
        liar.always(act.clone());
    }
    let failing = |metrics: &str| lines_with(metrics, "balance_failing{").len();
    let after = daemon.metrics_where("all liars are failing", |metrics| failing(metrics) >= liars.len()).await;
    for (i, (lie, _, reason, _)) in liars.iter().enumerate() {
        let line = format!("balance_failing{{provider=\"atisu\",source=\"liar{i}\",reason=\"{reason}\"}} 1");
        assert!(
            after.contains(&line),
            "{lie}: {:?}",
            lines_with(&after, &format!("balance_failing{{provider=\"atisu\",source=\"liar{i}\""))
        );
    }
    let readings = |metrics: &str| -> Vec<String> {
        lines_with(metrics, "balance_available_amount{").iter().map(|&l| l.to_owned()).collect()
    };
    assert_eq!(readings(&after), readings(&before), "the last good readings stay");
    assert!(after.contains("balance_up{provider=\"atisu\",source=\"honest\"} 1\n"));
    assert_eq!(elsewhere.requests().len(), 0, "a redirect elsewhere is not followed");
    daemon.wait_for_log(&["source=\"liar0\"", "polls fail", "reason=\"decode\""]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn failed_connections_lookups_and_handshakes_have_their_own_reasons() {
    // A port that was just closed refuses connections.
    let closed = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
    let plain = StandIn::start(|_: &_| Reply::new(200, "{}")).await.expect("a port");
    let configured = Configured::new(&format!(
        "defaults: {{interval: 10s, timeout: 5s}}
sources:
  - {{name: connect, provider: {{mysmpp: {{url: \"http://{closed}/\", token: x}}}}}}
  - {{name: dns, provider: {{mysmpp: {{url: \"http://name.invalid/\", token: x}}}}}}
  - {{name: tls, provider: {{mysmpp: {{url: \"{}\", token: x}}}}}}
  - {{name: hung-up, provider: {{mysmpp: {{url: \"{}\", token: x}}}}}}
",
        plain.url("/").replace("http:", "https:"),
        plain.url("/"),
    ));
    plain.then([Behaviour::HangUp]);
    let daemon = Daemon::start(&configured);
    let metrics = daemon.metrics_where("all polls failed", |metrics| lines_with(metrics, "balance_failing{").len() == 4).await;
    let reasons = ["connect\",reason=\"connect", "dns\",reason=\"dns", "tls\",reason=\"tls", "hung-up\",reason=\"connect"];
    for reason in reasons {
        assert!(
            metrics.contains(&format!("balance_failing{{provider=\"mysmpp\",source=\"{reason}\"}} 1\n")),
            "{reason}: {metrics}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn redirects_within_the_origin_are_followed_with_the_credentials() {
    let exchange = Exchange::new(TOKEN, "1");
    exchange.set(Wallet { balance: 9.0, id: 1, ..Wallet::default() });
    let stand_in = StandIn::start(exchange).await.expect("a port");
    stand_in.then([redirect("/moved".to_owned()), redirect(stand_in.url("/v1.0/balance"))]);
    let url = stand_in.url("/v1.0/balance");
    let configured = Configured::new(&format!(
        "sources: [{{name: a, provider: {{atisu: {{url: \"{url}\", token: {TOKEN}, ati_code: 1}}}}}}]\n"
    ));
    let daemon = Daemon::start(&configured);
    daemon.metrics_with("balance_available_amount{provider=\"atisu\",source=\"a\",account=\"1\",currency=\"ATIS\"} 9").await;
    let targets: Vec<String> = stand_in.requests().into_iter().map(|request| request.target).collect();
    assert_eq!(targets, ["/v1.0/balance", "/moved", "/v1.0/balance"]);

    let circle = StandIn::start(|_: &_| Reply::new(301, "").header("location", "/again")).await.expect("a port");
    let url = circle.url("/");
    let configured = Configured::new(&format!(
        "sources: [{{name: a, provider: {{atisu: {{url: \"{url}\", token: {TOKEN}, ati_code: 1}}}}}}]\n"
    ));
    Daemon::start(&configured).metrics_with("balance_failing{provider=\"atisu\",source=\"a\",reason=\"redirect\"} 1").await;
    assert_eq!(circle.requests().len(), 6);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn every_accepted_coding_is_decoded() {
    let body = b"{\"balance\":3,\"walletId\":1}";
    let mut brotli = Vec::new();
    brotli::CompressorWriter::new(&mut brotli, 4096, 5, 20).write_all(body).expect("memory");
    let mut deflate = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    deflate.write_all(body).expect("memory");
    for (coding, body) in [("gzip", gzip(body)), ("br", brotli), ("deflate", deflate.finish().expect("memory"))] {
        let reply = move |_: &_| Reply::new(200, body.clone()).header("content-encoding", coding);
        let stand_in = StandIn::start(reply).await.expect("a port");
        let url = stand_in.url("/");
        let configured =
            Configured::new(&format!("sources: [{{name: a, provider: {{atisu: {{url: \"{url}\", token: x, ati_code: 1}}}}}}]\n"));
        let daemon = Daemon::start(&configured);
        daemon.metrics_with("balance_available_amount{provider=\"atisu\",source=\"a\",account=\"1\",currency=\"ATIS\"} 3").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_html_page_instead_of_json_is_reported_in_the_log_the_status_page_and_by_poll() {
    let says = "an HTML page where JSON was expected; is the URL right?";
    let page = |_: &_| Reply::new(200, "<!DOCTYPE html>\n<html><title>Log in</title></html>").header("content-type", "text/html");
    let stand_in = StandIn::start(page).await.expect("a port");
    let (url, token) = (stand_in.url("/"), format!("token: {TOKEN}"));
    let configured = Configured::new(&format!(
        "sources:\n  - {{name: a, provider: {{atisu: {{url: \"{url}\", {token}, ati_code: 1}}}}}}
  - {{name: b, provider: {{mysmpp: {{url: \"{url}\", {token}}}}}}}
  - {{name: c, provider: {{adstat: {{url: \"{url}\", {token}}}}}}}\n"
    ));
    let mut daemon = Daemon::start(&configured);
    daemon.metrics_where("all sources fail", |metrics| lines_with(metrics, "balance_failing{").len() == 3).await;
    let status_page = daemon.get("/").await.text();
    assert_eq!(status_page.matches(says).count(), 3, "{status_page}");
    for _ in ["a", "b", "c"] {
        daemon.wait_for_log(&["polls fail", says]);
    }
    let polled = tokio::task::spawn_blocking(move || {
        binary().args(["poll", "--config.file", configured.path()]).output().expect("the binary runs")
    });
    let polled = polled.await.expect("no panic");
    let polled = text(&polled.stdout);
    assert_eq!(polled.matches(says).count(), 3, "{polled}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn every_oddity_of_an_answer_is_logged() {
    // Two rows are equal as they come, and two more once the token is masked in them.
    let rows =
        ["Tele2", "Tele2 ", TOKEN, "TOKEN of a liar"].map(|area| serde_json::json!({"type_sms": "sms", "area": area, "sms": 1}));
    let answer = serde_json::json!({"money": 1, "information": rows});
    let stand_in = StandIn::start(move |_: &_| Reply::json(200, &answer)).await.expect("a port");
    let configured = Configured::new(&format!(
        "sources: [{{name: a, provider: {{mysmpp: {{url: \"{}\", token: {TOKEN}}}}}}}]\n",
        stand_in.url("/")
    ));
    let mut daemon = Daemon::start(&configured);
    for area in ["Tele2", "***"] {
        daemon.wait_for_log(&["an odd answer", &format!("area \\\"{area}\\\" is stated twice")]);
    }
}
