//! The cost of services by description: to compile the catalogue, to hold 1,000 sources of one service, and to poll them, beside a
//! provider that is written in Rust. The memory of a source is what its column `max alloc` says, divided by 1,000.
#![expect(clippy::expect_used, reason = "a benchmark whose setup fails must stop")]

use balance_exporter::config::Config;
use balance_exporter::domain::{Failure, Timestamp};
use balance_exporter::poll::assemble::{Assembled, assemble};
use balance_exporter::provider::service::bench::compile_catalogue;
use balance_exporter::transport::client::Clients;
use balance_exporter::transport::{Http, Request, Response, StatusCode};
use divan::{AllocProfiler, Bencher};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::fmt::Write;
use std::path::Path;

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

const SOURCES: usize = 1_000;
/// The settings of one source of each kind, and an answer.
const MYSMPP: (&str, &str) = ("mysmpp: {token: a-token}", r#"{"money":"19023.9","currency":"RUR","information":[]}"#);
const OPENROUTER: (&str, &str) = ("openrouter: {token: a-token}", r#"{"data":{"total_credits":100.10,"total_usage":0.20}}"#);
const SELECTEL: (&str, &str) =
    ("selectel: {account: '1', username: u, password: a-password}", r#"{"data":{"settings":{"currency":"rub"},"billings":[]}}"#);

fn main() {
    divan::main();
}

#[divan::bench]
fn compile_the_catalogue() -> usize {
    compile_catalogue()
}

fn assembled(settings: &str) -> Assembled {
    let mut text = String::from("sources:\n");
    for n in 0..SOURCES {
        writeln!(text, "  - {{name: s{n}, provider: {{{settings}}}}}").expect("a text");
    }
    let config = Config::from_text(Path::new("bench.yaml"), &text).expect("a configuration");
    assemble(config, &mut Clients::default()).expect("sources")
}

/// Reads a configuration of 1,000 sources, and keeps them.
#[divan::bench(args = [MYSMPP.0, OPENROUTER.0, SELECTEL.0])]
fn thousand_sources(settings: &str) -> Assembled {
    assembled(settings)
}

/// Answers every request at once.
struct Answering(&'static str);

impl Http for Answering {
    fn send(&self, _: Request) -> BoxFuture<'_, Result<Response, Failure>> {
        let (body, received) = (self.0.as_bytes().to_vec(), self.now());
        let (headers, received_at) = (reqwest::header::HeaderMap::new(), Timestamp { millis: 0 });
        std::future::ready(Ok(Response { status: StatusCode::OK, headers, retry_after: None, body, received, received_at }))
            .boxed()
    }
}

/// Polls 1,000 sources once, without a network.
#[divan::bench(args = [MYSMPP, OPENROUTER])]
fn thousand_polls(bencher: Bencher, (settings, answer): (&'static str, &'static str)) {
    let (sources, http) = (assembled(settings).sources, Answering(answer));
    bencher.bench_local(|| {
        for source in &sources {
            source.target.provider.poll(&http).now_or_never().expect("no wait").expect("readings");
        }
    });
}
