//! One poll of one source: asks the provider, turns a panic into a failure, and masks every text.
//!
//! Both the scheduler and the `poll` command poll through [`Target`]. It makes no decision about time.

pub mod assemble;
pub mod explain;
mod journal;
pub mod schedule;
pub mod scheduler;
pub mod shard;

use crate::domain::{Answer, Failure, Reading, Reason};
use crate::provider::Provider;
use crate::secret::{Mask, Secret};
use crate::transport::Http;
use futures_util::FutureExt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

/// What a poll needs.
pub struct Target {
    /// Sends the requests and parses the answers.
    pub provider: Arc<dyn Provider>,
    /// The HTTP client of the source.
    pub http: Box<dyn Http>,
    /// The source's configured secrets.
    pub secrets: Vec<Secret>,
    /// The longest that a poll with many calls may take; `None` for a provider that limits its calls itself.
    pub limit: Option<Duration>,
}

impl Target {
    /// Polls once. Answers and failures contain no secret, and a panic in the provider is a failure.
    ///
    /// # Errors
    /// Why there are no readings.
    pub async fn poll(&self) -> Result<Answer, Failure> {
        self.poll_through(&*self.http).await
    }

    async fn poll_through(&self, http: &dyn Http) -> Result<Answer, Failure> {
        // After a panic only the provider's session is used again, and its locks hold no partial state.
        let polled = AssertUnwindSafe(self.in_time(http)).catch_unwind();
        let polled =
            polled.await.unwrap_or_else(|_| Err(Failure::new(Reason::Internal, "a panic in the poll; the log says where")));
        self.masked(polled)
    }

    async fn in_time(&self, http: &dyn Http) -> Result<Answer, Failure> {
        let poll = self.provider.poll(http);
        let Some(limit) = self.limit else { return poll.await };
        tokio::time::timeout(limit, poll).await.unwrap_or_else(|_| {
            let limit = humantime::format_duration(limit);
            Err(Failure::new(Reason::Timeout, format!("the calls of the poll took longer than its interval, {limit}")))
        })
    }

    fn masked(&self, result: Result<Answer, Failure>) -> Result<Answer, Failure> {
        let secrets = [self.secrets.as_slice(), &self.provider.session_secrets()].concat();
        let mut answer = result.map_err(|failure| {
            let mask = Mask::new(&[secrets.as_slice(), &self.provider.kept_texts()].concat());
            Failure { detail: mask.provider_text(&failure.detail), ..failure }
        })?;
        let mask = Mask::new(&secrets);
        for label in answer.readings.iter_mut().flat_map(Reading::labels_mut) {
            if let Some(masked) = mask.label(label) {
                *label = masked;
            }
        }
        // Masking can make labels equal and change their order.
        answer.settle();
        answer.remarks.iter_mut().for_each(|remark| *remark = mask.provider_text(remark));
        Ok(answer)
    }
}
