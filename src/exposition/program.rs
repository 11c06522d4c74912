//! The program's own metrics: build, configuration, storage, log and process. They are gathered at most once a second, and again when the
//! program changes one.

use super::gzip::Ending;
use super::render::epoch_seconds;
use crate::state::Failures;
use crate::state::health::Health;
use crate::system::stderr;
use bytes::Bytes;
use procfs::WithCurrentSystemInfo;
use procfs::process::{LimitValue, Process};
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{Counter, Gauge, IntCounter, IntCounterVec, IntGauge, Opts, Registry, TextEncoder};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};
use tokio::time::Instant;

/// The commit that the program was built from.
pub const REVISION: &str = env!("BALANCE_EXPORTER_REVISION");

/// How long the metrics of the process are served after they were read. Reading them costs more than the rest of a scrape.
const GATHERED: Duration = Duration::from_secs(1);

/// The metrics as they were gathered.
pub(super) struct Gathered {
    /// In the text format.
    pub(super) plain: Bytes,
    gzip: OnceLock<Ending>,
    version: u64,
    until: Instant,
}

impl Gathered {
    /// As the end of a gzip stream; compressed once.
    pub(super) fn gzip(&self) -> &Ending {
        self.gzip.get_or_init(|| Ending::new(&self.plain))
    }
}

/// The registry of the metrics that are not those of a source.
pub(super) struct ProgramMetrics {
    registry: Registry,
    /// What was gathered last.
    gathered: Mutex<Option<Arc<Gathered>>>,
    /// Incremented when the program changes a metric.
    version: AtomicU64,
    reload_successful: Gauge,
    reload_success_timestamp: Gauge,
    sources: IntGauge,
    poll_failures: IntCounterVec,
}

impl ProgramMetrics {
    /// `loaded` is when the running configuration was read.
    pub(super) fn new(loaded: SystemTime) -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let build = Opts::new("balance_exporter_build_info", "The version and the commit of this program.");
        registry
            .register(gauge(build.const_label("version", env!("CARGO_PKG_VERSION")).const_label("revision", REVISION), 1.0)?)?;
        let successful = "balance_exporter_config_last_reload_successful";
        let reload_successful = gauge(Opts::new(successful, "Whether the last load of the configuration succeeded."), 1.0)?;
        registry.register(reload_successful.clone())?;
        let timestamp = "balance_exporter_config_last_reload_success_timestamp_seconds";
        let loaded = epoch_seconds(loaded);
        let reload_success_timestamp = gauge(Opts::new(timestamp, "When the running configuration was loaded."), loaded)?;
        registry.register(reload_success_timestamp.clone())?;
        let sources = IntGauge::new("balance_exporter_sources", "Configured sources that this process polls.")?;
        registry.register(Box::new(sources.clone()))?;
        let help = "Failed polls of all sources together, by reason; counted on after a restart where there is a storage.";
        let poll_failures = IntCounterVec::new(Opts::new("balance_exporter_poll_failures_total", help), &["reason"])?;
        registry.register(Box::new(poll_failures.clone()))?;
        registry.register(Box::new(LogLines::new()?))?;
        registry.register(Box::new(ThisProcess))?;
        let (reload_successful, reload_success_timestamp) = (*reload_successful, *reload_success_timestamp);
        let (gathered, version) = (Mutex::default(), AtomicU64::new(0));
        let metrics = Self { registry, gathered, version, reload_successful, reload_success_timestamp, sources, poll_failures };
        metrics.set_failures(&Failures::default());
        Ok(metrics)
    }

    /// Sets the number of configured sources.
    pub(super) fn set_sources(&self, sources: usize) {
        let sources = i64::try_from(sources).unwrap_or(i64::MAX);
        if self.sources.get() != sources {
            self.sources.set(sources);
            self.changed();
        }
    }

    /// Raises the counts of failed polls to these.
    pub(super) fn set_failures(&self, failures: &Failures) {
        for (reason, count) in failures.iter() {
            let counter = self.poll_failures.with_label_values(&[reason.as_str()]);
            counter.inc_by(count.saturating_sub(counter.get()));
        }
        self.changed();
    }

    /// Records a reload of the configuration; none where it was refused and the running one stays.
    pub(super) fn reloaded(&self, loaded: Option<SystemTime>) {
        self.reload_successful.set(if loaded.is_some() { 1.0 } else { 0.0 });
        if let Some(loaded) = loaded {
            self.reload_success_timestamp.set(epoch_seconds(loaded));
        }
        self.changed();
    }

    /// Adds the metrics of the storage.
    pub(super) fn watch_storage(&self, health: Arc<Health>) -> Result<(), prometheus::Error> {
        let up = Gauge::new("balance_exporter_storage_up", "Whether state is kept on disk.")?;
        let name = "balance_exporter_storage_damaged_files";
        let damaged = Gauge::new(name, "Damaged files that were set aside and still lie in the storage directory.")?;
        self.registry.register(Box::new(StorageHealth { health, up, damaged }))?;
        self.changed();
        Ok(())
    }

    /// What is gathered is out of date.
    fn changed(&self) {
        self.version.fetch_add(1, Ordering::Release);
    }

    /// The metrics, gathered within the last second and since the last change.
    pub(super) fn gathered(&self, now: Instant) -> Arc<Gathered> {
        let lock = || self.gathered.lock().unwrap_or_else(PoisonError::into_inner);
        // Read first: a change while the metrics are gathered makes them out of date.
        let version = self.version.load(Ordering::Acquire);
        if let Some(gathered) = lock().as_ref().filter(|gathered| gathered.version == version && now < gathered.until) {
            return gathered.clone();
        }
        let plain = self.text().into();
        let gathered = Arc::new(Gathered { plain, gzip: OnceLock::new(), version, until: now + GATHERED });
        *lock() = Some(gathered.clone());
        gathered
    }

    /// The metrics in the text format.
    fn text(&self) -> String {
        let mut text = String::new();
        // The encoder fails only on a family without series, and every family here has some.
        if let Err(error) = TextEncoder::new().encode_utf8(&self.registry.gather(), &mut text) {
            tracing::error!(%error, "cannot encode the program's own metrics");
        }
        text
    }
}

fn gauge(opts: Opts, value: f64) -> Result<Box<Gauge>, prometheus::Error> {
    let gauge = Gauge::with_opts(opts)?;
    gauge.set(value);
    Ok(Box::new(gauge))
}

/// Counts dropped log lines.
struct LogLines {
    dropped: IntCounter,
    counted: AtomicU64,
}

impl LogLines {
    fn new() -> Result<Self, prometheus::Error> {
        let help = "Log lines that were dropped because nobody read them in time.";
        Ok(Self { dropped: IntCounter::new("balance_exporter_log_lines_dropped_total", help)?, counted: AtomicU64::new(0) })
    }
}

impl Collector for LogLines {
    fn desc(&self) -> Vec<&Desc> {
        self.dropped.desc()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let dropped = stderr::dropped();
        self.dropped.inc_by(dropped.saturating_sub(self.counted.fetch_max(dropped, Ordering::Relaxed)));
        self.dropped.collect()
    }
}

/// Reads the health of the storage when it is collected.
struct StorageHealth {
    health: Arc<Health>,
    up: Gauge,
    damaged: Gauge,
}

impl Collector for StorageHealth {
    fn desc(&self) -> Vec<&Desc> {
        [self.up.desc(), self.damaged.desc()].concat()
    }

    #[expect(clippy::cast_precision_loss, reason = "gauges are f64; 2^53 files are out of reach")]
    fn collect(&self) -> Vec<MetricFamily> {
        self.up.set(if self.health.is_up() { 1.0 } else { 0.0 });
        self.damaged.set(self.health.damaged() as f64);
        [self.up.collect(), self.damaged.collect()].concat()
    }
}

/// The usual process metrics. The collector of the `prometheus` crate counts CPU time in whole seconds only.
struct ThisProcess;

impl Collector for ThisProcess {
    fn desc(&self) -> Vec<&Desc> {
        // None to check for conflicts: the metrics are created at each collection.
        Vec::new()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let metrics = Process::myself().ok().map(|process| process_metrics(&process)).unwrap_or_default();
        metrics.iter().flat_map(|metric| metric.collect()).collect()
    }
}

/// The process metrics that can be read; the others are left out.
#[expect(clippy::cast_precision_loss, reason = "gauges are f64")]
fn process_metrics(process: &Process) -> Vec<Box<dyn Collector>> {
    let mut metrics: Vec<Box<dyn Collector>> = Vec::new();
    let mut add = |name: &str, help: &str, value: Option<f64>| {
        let metric = value.and_then(|value| gauge(Opts::new(name, help), value).ok());
        metrics.extend(metric.map(|gauge| -> Box<dyn Collector> { gauge }));
    };
    let stat = process.stat().ok();
    let ticks = procfs::ticks_per_second() as f64;
    add("process_open_fds", "Number of open file descriptors.", process.fd_count().ok().map(|n| n as f64));
    let limit = process.limits().ok().map(|limits| match limits.max_open_files.soft_limit {
        LimitValue::Value(limit) => limit as f64,
        LimitValue::Unlimited => f64::INFINITY,
    });
    add("process_max_fds", "Maximum number of open file descriptors.", limit);
    add("process_virtual_memory_bytes", "Virtual memory size in bytes.", stat.as_ref().map(|stat| stat.vsize as f64));
    let resident = stat.as_ref().map(|stat| stat.rss_bytes().get() as f64);
    add("process_resident_memory_bytes", "Resident memory size in bytes.", resident);
    add("process_threads", "Number of threads.", stat.as_ref().map(|stat| stat.num_threads as f64));
    let boot = procfs::boot_time_secs().ok().map(|secs| secs as f64);
    let started = stat.as_ref().zip(boot).map(|(stat, boot)| boot + stat.starttime as f64 / ticks);
    add("process_start_time_seconds", "Start time of the process since the epoch, in seconds.", started);
    if let (Some(stat), Ok(seconds)) =
        (&stat, Counter::new("process_cpu_seconds_total", "User and system processor time, in seconds."))
    {
        seconds.inc_by((stat.utime + stat.stime) as f64 / ticks);
        metrics.push(Box::new(seconds));
    }
    metrics
}
