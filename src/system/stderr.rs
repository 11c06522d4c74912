//! Standard error, written by a dedicated thread, so that a slow reader blocks nothing else.
//!
//! Lines go into a bounded queue. Lines that arrive while it is full are dropped and counted, and one line in their place states the
//! count. The queue is our own because that of `tracing-appender` writes no such line and has no bound in bytes.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Capacity of the queue in bytes: some thousands of lines.
const CAPACITY: usize = 1024 * 1024;
/// How long the program waits for the reader when it exits, and a command for room in the queue.
const PATIENCE: Duration = Duration::from_secs(1);

static QUEUE: Queue = Queue::new(CAPACITY);

thread_local! {
    /// Log lines of the writing thread itself; `None` in all other threads.
    static NOTICE: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

/// The writer of log lines: each write is one line.
pub struct Line;

impl Write for Line {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let own = NOTICE.with_borrow_mut(|notice| notice.as_mut().map(|notice| notice.extend_from_slice(line)));
        if own.is_none() {
            write(line.to_vec());
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Queues a line, or drops it if the queue is full.
pub fn write(line: Vec<u8>) {
    start();
    QUEUE.push(line, false);
}

/// Queues the last line of the program, even if the queue is full.
pub fn write_last(line: Vec<u8>) {
    start();
    QUEUE.push(line, true);
}

/// From now on, waits for room in a full queue while the reader makes progress: the log of a command is part of its result.
pub fn wait_for_room() {
    QUEUE.lock().waits = true;
}

/// Waits until the queue is written, or for [`PATIENCE`] if the reader makes no progress.
pub fn flush() {
    QUEUE.flush(PATIENCE);
}

/// Lines dropped since the start.
#[must_use]
pub fn dropped() -> u64 {
    QUEUE.dropped.load(Ordering::Relaxed)
}

/// Starts the thread with the first line. Before that, the process has a single thread and can change its environment.
fn start() {
    let mut state = QUEUE.lock();
    if state.thread == Thread::None {
        let spawned = std::thread::Builder::new().name("stderr".to_owned()).spawn(|| QUEUE.run(write_all, notice));
        state.thread = if spawned.is_ok() { Thread::Runs } else { Thread::Impossible };
    }
}

/// The queue between loggers and the writing thread.
struct Queue {
    state: Mutex<State>,
    changed: Condvar,
    dropped: AtomicU64,
    capacity: usize,
}

struct State {
    entries: VecDeque<Entry>,
    /// Total of the lines in the queue.
    bytes: usize,
    thread: Thread,
    /// Entries taken from the queue so far, and how many of them are written.
    taken: u64,
    written: u64,
    /// Whether the last line found no room.
    dropping: bool,
    /// Whether loggers wait for room.
    waits: bool,
    /// A logger has timed out waiting for room, and nothing has been written since.
    stuck: bool,
}

#[derive(PartialEq)]
enum Thread {
    None,
    Runs,
    /// The system refused to create one. Loggers then write their lines themselves.
    Impossible,
}

enum Entry {
    Line(Vec<u8>),
    /// This many lines were dropped here.
    Gap(u64),
}

impl Queue {
    const fn new(capacity: usize) -> Self {
        let state = State {
            entries: VecDeque::new(),
            bytes: 0,
            thread: Thread::None,
            taken: 0,
            written: 0,
            dropping: false,
            waits: false,
            stuck: false,
        };
        Self { state: Mutex::new(state), changed: Condvar::new(), dropped: AtomicU64::new(0), capacity }
    }

    fn push(&self, line: Vec<u8>, always: bool) {
        let mut state = self.lock();
        if state.thread == Thread::Impossible {
            drop(state);
            let _ = write_all(&line);
            return;
        }
        // After a drop, wait until the queue is half empty: otherwise gaps that follow each other closely would fill it.
        let most = |state: &State| if state.dropping { self.capacity / 2 } else { self.capacity };
        let room = |state: &State| always || state.bytes.saturating_add(line.len()) <= most(state);
        if state.waits && !room(&state) && !state.stuck {
            state = self.wait(state, PATIENCE, |state| room(state));
            state.stuck = !room(&state);
        }
        state.dropping = !room(&state);
        if state.dropping {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            match state.entries.back_mut() {
                Some(Entry::Gap(lines)) => *lines += 1,
                _ => state.entries.push_back(Entry::Gap(1)),
            }
        } else {
            state.bytes += line.len();
            state.entries.push_back(Entry::Line(line));
        }
        self.changed.notify_all();
    }

    /// Writes entries as they come. It never returns.
    fn run(&self, write: impl Fn(&[u8]) -> io::Result<()>, notice: impl Fn(u64) -> Vec<u8>) {
        let mut missing = 0;
        loop {
            let entry = self.next();
            if let Entry::Gap(lines) = entry {
                missing += lines;
            }
            if missing > 0 && write(&notice(missing)).is_ok() {
                missing = 0;
            }
            if let Entry::Line(line) = entry
                && write(&line).is_err()
            {
                missing += 1;
                self.dropped.fetch_add(1, Ordering::Relaxed);
            }
            let mut state = self.lock();
            state.written = state.taken;
            state.stuck = false;
            self.changed.notify_all();
        }
    }

    fn next(&self) -> Entry {
        let mut state = self.lock();
        loop {
            if let Some(entry) = state.entries.pop_front() {
                state.taken += 1;
                if let Entry::Line(line) = &entry {
                    state.bytes -= line.len();
                }
                self.changed.notify_all();
                return entry;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn flush(&self, patience: Duration) {
        let state = self.lock();
        if state.thread == Thread::Runs {
            drop(self.wait(state, patience, |state| state.entries.is_empty() && state.taken == state.written));
        }
    }

    /// Waits until the condition holds or `patience` is over. If loggers wait for room, each written line restarts the time.
    fn wait<'a>(
        &self,
        mut state: MutexGuard<'a, State>,
        patience: Duration,
        condition: impl Fn(&State) -> bool,
    ) -> MutexGuard<'a, State> {
        let (mut deadline, mut written) = (Instant::now() + patience, state.written);
        while !condition(&state) {
            if state.waits && state.written > written {
                (deadline, written) = (Instant::now() + patience, state.written);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The line that states how many lines are missing, in the log's format.
fn notice(lines: u64) -> Vec<u8> {
    NOTICE.set(Some(Vec::new()));
    let text = "log lines were dropped: nobody read them in time";
    if tracing::enabled!(tracing::Level::WARN) {
        tracing::warn!(lines, "{text}");
    } else {
        tracing::error!(lines, "{text}");
    }
    NOTICE.take().unwrap_or_default()
}

/// Writes all bytes. It blocks until the reader takes them.
fn write_all(mut bytes: &[u8]) -> io::Result<()> {
    let mut stderr = io::stderr();
    while !bytes.is_empty() {
        match stderr.write(bytes) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // Another process that shares the pipe or the terminal can have made it non-blocking.
            Err(error) if error.kind() == ErrorKind::WouldBlock => writable(&stderr)?,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn writable(stderr: &io::Stderr) -> io::Result<()> {
    use rustix::event::{PollFd, PollFlags, poll};
    match poll(&mut [PollFd::new(stderr, PollFlags::OUT)], None) {
        Err(rustix::io::Errno::INTR) | Ok(_) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

    fn missing(lines: u64) -> Vec<u8> {
        format!("{lines} missing").into_bytes()
    }

    /// A queue of this capacity, and what its thread writes: each write blocks until the line is received.
    fn queue(capacity: usize) -> (Arc<Queue>, Receiver<String>) {
        let queue = Arc::new(Queue::new(capacity));
        queue.lock().thread = Thread::Runs;
        let (read, written): (SyncSender<String>, _) = sync_channel(0);
        let write =
            move |line: &[u8]| read.send(String::from_utf8_lossy(line).into_owned()).map_err(|_| ErrorKind::BrokenPipe.into());
        let running = queue.clone();
        std::thread::spawn(move || running.run(write, missing));
        (queue, written)
    }

    /// Pushes a line and waits until the thread writes it.
    fn push_first(queue: &Queue, line: &str) {
        queue.push(line.into(), true);
        let state = queue.lock();
        drop(queue.wait(state, Duration::from_secs(30), |state| state.taken > state.written));
    }

    #[test]
    fn dropped_lines_are_counted_in_their_place() {
        let (queue, written) = queue(4);
        push_first(&queue, "first");
        for line in ["a", "bbb", "cc", "d", "e", "f"] {
            queue.push(line.into(), false);
        }
        queue.push("last".into(), true);
        assert_eq!(queue.dropped.load(Ordering::Relaxed), 4, "all from cc on: the queue is more than half full");
        let lines: Vec<String> = written.iter().take(5).collect();
        assert_eq!(lines, ["first", "a", "bbb", "4 missing", "last"]);
        queue.flush(Duration::from_secs(30));
        queue.push("room".into(), false);
        assert_eq!(written.recv().as_deref(), Ok("room"));
    }

    #[test]
    fn a_flush_waits_for_a_reader_for_a_bounded_time() {
        let (queue, written) = queue(3);
        push_first(&queue, "stuck");
        queue.flush(Duration::from_millis(1));
        assert_eq!(queue.lock().written, 0);
        assert_eq!(written.recv().as_deref(), Ok("stuck"));
        queue.flush(Duration::from_secs(30));
        assert_eq!(queue.lock().written, 1);
    }

    #[test]
    fn a_command_waits_for_room_while_the_reader_makes_progress() {
        let (queue, written) = queue(3);
        queue.lock().waits = true;
        let lines: Vec<String> = (0..100).map(|n| format!("{n}")).collect();
        let reading = std::thread::spawn({
            let count = lines.len();
            move || written.iter().take(count).collect::<Vec<_>>()
        });
        for line in &lines {
            queue.push(line.clone().into(), false);
        }
        assert_eq!(reading.join().expect("no panic"), lines);
        // Without a reader, only the first line waits for room.
        queue.flush(Duration::from_secs(30));
        for _ in 0..100 {
            queue.push(b"abc".to_vec(), false);
        }
        queue.flush(Duration::from_secs(30));
        assert_eq!(queue.dropped.load(Ordering::Relaxed), 100);
    }
}
