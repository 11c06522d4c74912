//! Standard error, written by a thread of its own, so that nothing waits for whoever reads it.
//!
//! Lines go into a bounded queue. Those that come while it is full are dropped and counted, and a line in their place says how many
//! they were. It is our own queue because that of `tracing-appender` leaves no such line and has no bound in bytes.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How many bytes wait for the reader: some thousands of lines.
const CAPACITY: usize = 1024 * 1024;
/// How long the end of the program waits for the reader, and a command for room in the queue.
const PATIENCE: Duration = Duration::from_secs(1);

static QUEUE: Queue = Queue::new(CAPACITY);

thread_local! {
    /// What the thread that writes has to say itself; none in all other threads.
    static NOTICE: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

/// What a log line is written to: each write is one line.
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

/// Writes a line, or drops it where nobody reads.
pub fn write(line: Vec<u8>) {
    start();
    QUEUE.push(line, false);
}

/// Writes the last line of the program, which is never dropped for want of room.
pub fn write_last(line: Vec<u8>) {
    start();
    QUEUE.push(line, true);
}

/// From now on a full queue is waited for, as long as somebody reads at all: what a command says is part of its result.
pub fn wait_for_room() {
    QUEUE.lock().waits = true;
}

/// Waits until all is written, but for somebody who does not read only [`PATIENCE`].
pub fn flush() {
    QUEUE.flush(PATIENCE);
}

/// Lines that were dropped so far.
#[must_use]
pub fn dropped() -> u64 {
    QUEUE.dropped.load(Ordering::Relaxed)
}

/// Starts the thread with the first line: before that, a process without threads can still change its environment.
fn start() {
    let mut state = QUEUE.lock();
    if state.thread == Thread::None {
        let spawned = std::thread::Builder::new().name("stderr".to_owned()).spawn(|| QUEUE.run(write_all, notice));
        state.thread = if spawned.is_ok() { Thread::Runs } else { Thread::Impossible };
    }
}

/// Lines on their way.
struct Queue {
    state: Mutex<State>,
    changed: Condvar,
    dropped: AtomicU64,
    capacity: usize,
}

struct State {
    entries: VecDeque<Entry>,
    /// Of the lines in the queue.
    bytes: usize,
    thread: Thread,
    /// Entries that were taken from the queue, and those of them that were written.
    taken: u64,
    written: u64,
    /// Whether the last line found no room.
    dropping: bool,
    /// Whether those who write wait for room.
    waits: bool,
    /// Somebody has waited for room in vain, and nothing has been written since.
    stuck: bool,
}

#[derive(PartialEq)]
enum Thread {
    None,
    Runs,
    /// The system has none to give. Lines are then written where they come up.
    Impossible,
}

enum Entry {
    Line(Vec<u8>),
    /// So many lines were dropped here.
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
        // Once lines are dropped, half of the queue is emptied first: gaps that follow each other closely would fill it.
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

    /// Writes what comes, for ever.
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

    /// Waits until it is so, but not for long. Where lines are waited for, each one that is written begins the time anew.
    fn wait<'a>(
        &self,
        mut state: MutexGuard<'a, State>,
        patience: Duration,
        is_so: impl Fn(&State) -> bool,
    ) -> MutexGuard<'a, State> {
        let (mut deadline, mut written) = (Instant::now() + patience, state.written);
        while !is_so(&state) {
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

/// The line that says how many lines are missing, in the form of the others.
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

/// Writes it all, however long that takes.
fn write_all(mut bytes: &[u8]) -> io::Result<()> {
    let mut stderr = io::stderr();
    while !bytes.is_empty() {
        match stderr.write(bytes) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // Whoever shares the pipe or the terminal can have switched it to not blocking.
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

    fn told(lines: u64) -> Vec<u8> {
        format!("{lines} missing").into_bytes()
    }

    /// A queue of so many bytes, and what its thread writes: each line waits until it is received.
    fn queue(capacity: usize) -> (Arc<Queue>, Receiver<String>) {
        let queue = Arc::new(Queue::new(capacity));
        queue.lock().thread = Thread::Runs;
        let (read, written): (SyncSender<String>, _) = sync_channel(0);
        let write =
            move |line: &[u8]| read.send(String::from_utf8_lossy(line).into_owned()).map_err(|_| ErrorKind::BrokenPipe.into());
        let running = queue.clone();
        std::thread::spawn(move || running.run(write, told));
        (queue, written)
    }

    /// Pushes a line and waits until the thread is at it.
    fn push_first(queue: &Queue, line: &str) {
        queue.push(line.into(), true);
        let state = queue.lock();
        drop(queue.wait(state, Duration::from_secs(30), |state| state.taken > state.written));
    }

    #[test]
    fn what_finds_no_room_is_counted_where_it_is_missing() {
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
    fn the_end_waits_for_a_reader_but_not_for_ever() {
        let (queue, written) = queue(3);
        push_first(&queue, "stuck");
        queue.flush(Duration::from_millis(1));
        assert_eq!(queue.lock().written, 0);
        assert_eq!(written.recv().as_deref(), Ok("stuck"));
        queue.flush(Duration::from_secs(30));
        assert_eq!(queue.lock().written, 1);
    }

    #[test]
    fn a_command_waits_for_room_while_somebody_reads() {
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
        // The reader is gone, and so are lines that it would have read; nobody waits for room twice.
        queue.flush(Duration::from_secs(30));
        for _ in 0..100 {
            queue.push(b"abc".to_vec(), false);
        }
        queue.flush(Duration::from_secs(30));
        assert_eq!(queue.dropped.load(Ordering::Relaxed), 100);
    }
}
