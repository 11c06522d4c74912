//! The work that the expressions over one answer may do.
//!
//! Everything that the evaluator does is paid here: each part of an expression that it follows, each element that it visits, each byte
//! that it builds. An answer can therefore make an expression neither run long nor fill the memory. Nothing else may bound the work.

use std::cell::Cell;

/// The steps of an answer: the work of all expressions over it.
const STEPS: u64 = 1_000_000;
/// One step in units. A byte that is built costs two, so that 1,000,000 steps build 16 MB at most; while a list grows, its elements are
/// in memory up to three times.
const STEP: u64 = 32;

/// The work that is left for an answer. All expressions over it share one.
#[derive(Debug)]
pub(crate) struct Meter {
    /// In units. A cell, because the closures of an evaluation share it.
    left: Cell<u64>,
}

/// Why an evaluation stops.
#[derive(Debug)]
pub(super) enum Stop {
    /// An error: `?` and `try` catch it.
    Failed(String),
    /// A refusal that nothing catches.
    Refused(String),
    /// Whoever waits with this number has all that it wants.
    Enough(usize),
    /// A consumer has stopped; whoever called it knows why.
    Consumer,
}

/// The result of a part of an evaluation.
pub(super) type Flow<T = ()> = Result<T, Stop>;

impl Meter {
    /// The work for one answer.
    pub(crate) const fn new() -> Self {
        Self { left: Cell::new(STEPS * STEP) }
    }

    /// Pays for following one part of an expression.
    pub(super) fn step(&self) -> Flow {
        self.spend(STEP)
    }

    /// Pays for building values of so many bytes.
    pub(super) fn build(&self, bytes: usize) -> Flow {
        self.spend(STEP / 2 + 2 * bytes as u64)
    }

    /// Pays for looking at so many things that are next to each other, such as the keys of an object.
    pub(super) fn look(&self, things: usize) -> Flow {
        self.spend(1 + things as u64 / 2)
    }

    /// Pays for visiting a value among others.
    pub(super) fn visit(&self) -> Flow {
        self.spend(STEP / 4)
    }

    fn spend(&self, units: u64) -> Flow {
        let left = self.left.get().checked_sub(units);
        self.left.set(left.unwrap_or(0));
        left.map(drop).ok_or_else(|| {
            Stop::Refused("too much work for one answer: its expressions took more than 1,000,000 steps together".to_owned())
        })
    }

    /// The steps that were taken.
    #[cfg(test)]
    pub(crate) fn steps(&self) -> u64 {
        (STEPS * STEP - self.left.get()) / STEP
    }
}
