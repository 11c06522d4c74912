//! One poll of one source: the provider is asked, a panic becomes a reason, and every text is masked.
//!
//! It decides nothing about time; the scheduler and the `poll` command both come through here.

pub mod assemble;
mod journal;
pub mod schedule;
pub mod scheduler;

use crate::domain::{Answer, Failure, Reading, Reason};
use crate::provider::Provider;
use crate::secret::{Mask, Secret};
use crate::transport::Http;
use futures_util::FutureExt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

/// What is asked in a poll.
pub struct Target {
    /// Whom to ask.
    pub provider: Arc<dyn Provider>,
    /// By which way.
    pub http: Box<dyn Http>,
    /// The source's configured secrets.
    pub secrets: Vec<Secret>,
}

impl Target {
    /// Polls once. Whatever happens in the provider ends here, as an answer or as a failure without a secret in it.
    ///
    /// # Errors
    /// Why there are no readings.
    pub async fn poll(&self) -> Result<Answer, Failure> {
        // After a panic nothing of the poll is used again but the provider's session, whose locks hold no half-made state.
        let polled = AssertUnwindSafe(async { self.masked(self.provider.poll(&*self.http).await) }).catch_unwind().await;
        polled.unwrap_or_else(|_| Err(Failure::new(Reason::Internal, "a panic in the poll; its place is in the log")))
    }

    fn masked(&self, result: Result<Answer, Failure>) -> Result<Answer, Failure> {
        let mask = Mask::new(&[self.secrets.as_slice(), &self.provider.session_secrets()].concat());
        let mut answer = result.map_err(|failure| Failure { detail: mask.provider_text(&failure.detail), ..failure })?;
        for label in answer.readings.iter_mut().flat_map(Reading::labels_mut) {
            if let Some(masked) = mask.label(label) {
                *label = masked;
            }
        }
        // Masking can make two labels equal and changes their order.
        answer.settle();
        answer.remarks.iter_mut().for_each(|remark| *remark = mask.provider_text(remark));
        Ok(answer)
    }
}
