//! Work that hangs: files on a disk of no return, and threads that somebody else keeps. Everything else goes on.

use crate::ending::{daemon, listener};
use crate::kept::value;
use crate::simulated::{good, source, standing_still};
use crate::support::{Configured, Daemon, PATIENCE, binary, client, lines_with};
use balance_exporter::server::access::Web;
use balance_exporter::server::reload::NotReloaded;
use balance_exporter::standin::StandIn;
use balance_exporter::standin::mysmpp::{Account, Gateway};
use balance_exporter::state::clock::Moment;
use balance_exporter::state::disk::Storage;
use futures_util::FutureExt;
use reqwest::Method;
use rustix::process::Signal;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

/// A daemon with a source that is polled each second, and one whose token is in a file.
struct Reading {
    daemon: Daemon,
    configured: Configured,
    token: PathBuf,
    _stand_in: StandIn,
}

impl Reading {
    async fn start() -> Self {
        let gateway = Gateway::with_token("token of a test");
        gateway.set(Account { money: "5".to_owned(), currency: "RUB".to_owned(), ..Account::default() });
        let stand_in = StandIn::start(gateway).await.expect("a port");
        let configured = Configured::new("");
        let token = configured.directory.path().join("token");
        std::fs::write(&token, "token of a test\n").expect("a file");
        let url = stand_in.url("/json/balance.php");
        let file = format!(
            "sources:
  - {{name: steady, interval: 1s, provider: {{mysmpp: {{url: \"{url}\", token: token of a test}}}}}}
  - {{name: b, provider: {{mysmpp: {{url: \"{url}\", token: {{file: \"{}\"}}}}}}}}\n",
            token.display()
        );
        std::fs::write(&configured.file, file).expect("a file");
        let daemon = Daemon::start_with(configured.path(), &["--web.enable-lifecycle"], &mut binary());
        daemon.metrics_where("both are up", |metrics| lines_with(metrics, "balance_up{").len() == 2).await;
        Self { daemon, configured, token, _stand_in: stand_in }
    }

    /// Puts a pipe that nobody writes to in the place of the token's file: whoever reads it hangs.
    fn hang(&self) {
        let pipe = self.configured.directory.path().join("pipe");
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, mode).expect("a pipe");
        std::fs::rename(pipe, &self.token).expect("it takes the place");
    }

    /// Asks for a reload in a task of its own.
    fn reload(&self) -> tokio::task::JoinHandle<(u16, String)> {
        let request = client().request(Method::POST, format!("http://{}/-/reload", self.daemon.address));
        tokio::spawn(async move {
            let answer = request.send().await.expect("an answer");
            (answer.status().as_u16(), answer.text().await.expect("a text"))
        })
    }

    /// Waits until somebody reads the pipe, and returns its other end.
    async fn held(&self) -> std::fs::File {
        use std::os::unix::fs::OpenOptionsExt;
        let deadline = Instant::now() + PATIENCE;
        loop {
            // Without a reader, a pipe cannot be opened so.
            let nonblocking = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).expect("small");
            if let Ok(pipe) = std::fs::OpenOptions::new().write(true).custom_flags(nonblocking).open(&self.token) {
                return pipe;
            }
            assert!(Instant::now() < deadline, "nobody reads the file");
            tokio::task::yield_now().await;
        }
    }
}

const POLLS: &str = "balance_polls_total{provider=\"mysmpp\",source=\"steady\"}";
const RELOADED: &str = "balance_exporter_config_last_reload_successful";

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_reload_whose_files_hang_is_refused_and_everything_else_goes_on() {
    let mut reading = Reading::start().await;
    let threads = value(&reading.daemon.metrics().await, "process_threads").expect("a number");
    reading.hang();
    let (asked, refused) = (Instant::now(), reading.reload());
    let pipe = reading.held().await;
    let polls = value(&reading.daemon.metrics().await, POLLS).expect("a count");
    let go_on = |metrics: &str| value(metrics, POLLS) >= Some(polls + 3.0);
    let metrics = reading.daemon.metrics_where("polls go on", go_on).await;
    assert_eq!(value(&metrics, RELOADED), Some(1.0), "nothing is decided yet");
    assert_eq!(reading.daemon.get("/-/healthy").await.status, 200);

    let (status, message) = refused.await.expect("no panic");
    assert!((9..25).contains(&asked.elapsed().as_secs()), "{:?}", asked.elapsed());
    let expected = "the configuration, or a file that it names, cannot be read within 10 s; see whether a disk or a mount hangs, for this reload or for an earlier one that still waits, and reload again\n";
    assert_eq!((status, message.as_str()), (500, expected));
    reading.daemon.wait_for_log(&["ERROR configuration not reloaded; the old one stays", "cannot be read within 10 s"]);
    let metrics = reading.daemon.metrics().await;
    assert_eq!(value(&metrics, RELOADED), Some(0.0));
    assert!(value(&metrics, "process_threads") <= Some(threads + 1.0), "one thread hangs, and no other");

    // The disk comes back, and what was read too late is not put into force by itself.
    std::fs::remove_file(&reading.token).expect("it is there");
    std::fs::write(&reading.token, "token of a test\n").expect("a file");
    drop(pipe);
    assert_eq!(reading.reload().await.expect("no panic"), (200, "reloaded\n".to_owned()));
    let metrics = reading.daemon.metrics().await;
    assert_eq!(value(&metrics, RELOADED), Some(1.0));
    assert!(value(&metrics, POLLS) >= Some(polls + 3.0), "the source that is the same has gone on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn terminated_in_the_middle_of_a_reload_it_ends_with_0() {
    let reading = Reading::start().await;
    reading.hang();
    reading.daemon.signal(Signal::HUP);
    let _pipe = reading.held().await;
    let signalled = Instant::now();
    reading.daemon.signal(Signal::TERM);
    // Signals of an impatient person, which change nothing.
    for signal in [Signal::HUP, Signal::TERM, Signal::INT] {
        reading.daemon.signal(signal);
    }
    let (status, log) = reading.daemon.wait();
    assert_eq!(status.code(), Some(0));
    assert!(signalled.elapsed() < Duration::from_secs(8), "{:?}", signalled.elapsed());
    assert!(!log.iter().any(|line| line.contains("not reloaded")), "{log:?}");
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_for_a_reload_at_the_end_is_told_so_at_once() {
    let (mut daemon, reloader) = daemon(vec![listener().await]);
    let (release, hang) = channel::<()>();
    let (begun, begins) = oneshot::channel();
    let once = Mutex::new(Some((begun, hang)));
    daemon.load = Arc::new(move || {
        let (begun, hang) = once.lock().expect("no panic").take().expect("one reading");
        begun.send(()).expect("somebody waits");
        let _ = hang.recv();
        Ok(Vec::new())
    });
    let (end, ended) = oneshot::channel::<()>();
    let clock = tokio::time::Instant::now();
    let asking = async {
        let first = tokio::spawn({
            let reloader = reloader.clone();
            async move { reloader.reload().await }
        });
        standing_still(begins).await.expect("it is read");
        let second = reloader.reload();
        end.send(()).expect("it runs");
        [first.await.expect("no panic"), second.await]
    };
    let (ended, answers) = tokio::join!(daemon.run(ended.map(drop)), asking);
    assert!(ended.is_ok());
    assert!(answers.iter().all(|result| matches!(result, Err(NotReloaded::ShuttingDown))), "{answers:?}");
    assert_eq!(clock.elapsed(), Duration::ZERO);
    drop(release);
}

#[tokio::test(start_paused = true)]
async fn reloads_while_one_hangs_are_refused_as_soon_and_share_its_thread() {
    let (mut daemon, reloader) = daemon(vec![listener().await]);
    let (release, hang) = channel::<()>();
    let (hang, loads) = (Mutex::new(hang), Arc::new(AtomicU32::new(0)));
    let counted = loads.clone();
    daemon.load = Arc::new(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        // Returns at once from the end of the channel on.
        let _ = hang.lock().expect("no panic").recv();
        Ok(Vec::new())
    });
    let (end, ended) = oneshot::channel::<()>();
    let running = daemon.run(ended.map(drop));
    let asking = async {
        let ask = |after: u64| {
            let reloader = reloader.clone();
            tokio::spawn(async move {
                sleep(Duration::from_millis(after)).await;
                let asked = tokio::time::Instant::now();
                let refused = reloader.reload().await.expect_err("a refusal");
                assert!(refused.to_string().contains("cannot be read within 10 s"), "{refused}");
                asked.elapsed().as_secs()
            })
        };
        let asked = [0, 1_000, 10_500, 15_000].map(ask);
        let crowd: Vec<_> = (0..100).map(|n| ask(16_000 + n)).collect();
        let mut waited = Vec::new();
        for asked in asked {
            waited.push(asked.await.expect("a refusal"));
        }
        assert_eq!(waited, [10, 9, 10, 5]);
        for asked in crowd {
            assert!(asked.await.expect("a refusal") <= 10);
        }
        drop(release);
        assert!(standing_still(reloader.reload()).await.is_ok());
        assert_eq!(loads.load(Ordering::Relaxed), 2, "the one that hung, and this one");
        end.send(()).expect("it runs");
    };
    let (ended, ()) = tokio::join!(running, asking);
    assert!(ended.is_ok());
}

/// A file that is as deeply nested as the parser takes it must not end the thread that reads it.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_deeply_nested_file_is_refused_and_no_more() {
    let reading = Reading::start().await;
    for depth in [100, 127, 128, 1000] {
        let file = format!("sources: {}{}\n", "[".repeat(depth), "]".repeat(depth));
        std::fs::write(&reading.configured.file, file).expect("a file");
        assert_eq!(reading.reload().await.expect("no panic").0, 500);
    }
}

/// Everything that a daemon does by itself, where the runtime's pool of blocking threads has no thread to give.
#[test]
fn no_part_of_the_daemon_waits_for_the_shared_pool() {
    let pool = tokio::runtime::Builder::new_multi_thread().worker_threads(2).max_blocking_threads(1).enable_all().build();
    let runtime = pool.expect("a runtime");
    let (release, hang) = channel::<()>();
    let (begun, begins) = channel();
    let hanging = runtime.spawn_blocking(move || {
        begun.send(()).expect("somebody waits");
        hang.recv()
    });
    begins.recv().expect("it hangs");
    let directory = tempfile::tempdir().expect("a directory");
    let served = runtime.block_on(async { timeout(PATIENCE, serve_and_end(directory.path())).await });
    drop(release);
    let _ = runtime.block_on(hanging).expect("no panic");
    served.expect("something waits for the pool");
}

async fn serve_and_end(directory: &Path) {
    let listener = listener().await;
    let address = listener.local_addr().expect("an address");
    let (mut daemon, reloader) = daemon(vec![listener]);
    let web = directory.join("web.yml");
    let hash = bcrypt::hash("correct horse", 4).expect("a hash");
    std::fs::write(&web, format!("basic_auth_users: {{alice: {hash}}}\n")).expect("a file");
    let polled = || vec![source("a", 3600, |_| std::future::ready(good()).boxed())];
    daemon.sources = polled();
    daemon.load = Arc::new(move || Ok(polled()));
    daemon.lifecycle = Some(reloader);
    daemon.web = Arc::new(Web::open(Some(&web)).expect("a good file"));
    daemon.storage = Some(Storage::open(directory, Arc::new(Moment::now)).expect("nobody else is there"));
    let (end, ended) = oneshot::channel::<()>();
    let running = tokio::spawn(daemon.run(ended.map(drop)));
    let ask = |method, path| {
        let request = client().request(method, format!("http://{address}{path}"));
        async move { request.basic_auth("alice", Some("correct horse")).send().await.expect("an answer").status().as_u16() }
    };
    while ask(Method::GET, "/-/ready").await != 200 {
        tokio::task::yield_now().await;
    }
    assert_eq!(ask(Method::POST, "/-/reload").await, 200);
    end.send(()).expect("it runs");
    running.await.expect("no panic").expect("no fault");
    let (_, mut kept) = Storage::open(directory, Arc::new(Moment::now)).expect("nobody is there any more");
    let about = source("a", 3600, |_| std::future::ready(good()).boxed()).about;
    assert_eq!(kept.take(&about, Moment::now()).map(|state| state.polls), Some(1));
}
