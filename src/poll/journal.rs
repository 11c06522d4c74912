//! Deduplicates log lines about a source: a failure is logged when it begins, when its reason changes and when it ends.
//!
//! It outlives the task of the source, so that a reload that adjusts the source repeats no line.

use crate::domain::{About, Answer, Failure, Reason};
use crate::state::SourceState;
use std::collections::BTreeSet;

/// What was logged about a source.
#[derive(Default)]
pub(crate) struct Journal {
    /// A poll has succeeded.
    succeeded: bool,
    /// Why polls fail; absent while they succeed.
    failing: Option<Reason>,
    /// The last answer had remarks.
    remarked: bool,
    /// Thresholds that matched nothing.
    unmatched: BTreeSet<String>,
}

impl Journal {
    /// What the previous process has logged about a source.
    pub(crate) fn of(state: &SourceState) -> Self {
        let failing = state.failure.as_ref().map(|failure| failure.reason);
        Self { succeeded: state.last_success.is_some(), failing, ..Self::default() }
    }

    pub(crate) fn note(&mut self, about: &About, result: &Result<Answer, Failure>) {
        let (source, provider) = (&*about.name, &*about.provider);
        match result {
            Ok(answer) => {
                let readings = answer.readings.len();
                match self.failing.take() {
                    Some(reason) => tracing::info!(source, provider, readings, after = reason.as_str(), "polls succeed again"),
                    None if !self.succeeded => tracing::info!(source, provider, readings, "first poll succeeded"),
                    None => tracing::debug!(source, provider, readings, "poll succeeded"),
                }
                self.succeeded = true;
                self.note_oddities(about, answer);
            }
            Err(Failure { reason, detail, .. }) => {
                let before = self.failing.replace(*reason);
                let reason = reason.as_str();
                match before {
                    None => tracing::warn!(source, provider, reason, detail, "polls fail"),
                    Some(before) if before.as_str() != reason => {
                        tracing::warn!(
                            source,
                            provider,
                            reason,
                            before = before.as_str(),
                            detail,
                            "polls fail for another reason"
                        );
                    }
                    Some(_) => tracing::debug!(source, provider, reason, detail, "poll failed again"),
                }
            }
        }
    }

    fn note_oddities(&mut self, about: &About, answer: &Answer) {
        let (source, provider) = (&*about.name, &*about.provider);
        let before = std::mem::replace(&mut self.remarked, !answer.remarks.is_empty());
        for remark in answer.remarks.iter().filter(|_| !before) {
            tracing::warn!(source, provider, remark, "an odd answer");
        }
        for key in about.low.unmatched(&answer.readings) {
            if self.unmatched.insert(key.clone()) {
                tracing::warn!(source, provider, key, "a threshold applies to nothing in the answer; is it misspelt?");
            }
        }
    }
}
