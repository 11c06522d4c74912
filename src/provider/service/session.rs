//! The token of a session: kept in memory between the polls of one source.

use super::evaluate::Token;
use crate::secret::Secret;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// The number of earlier tokens kept for the mask.
const REMEMBERED: usize = 4;

/// The token of a source, and those before it.
#[derive(Default)]
pub(super) struct Sessions(Mutex<Tokens>);

#[derive(Default)]
struct Tokens {
    current: Option<(Token, Instant)>,
    /// An answer may quote one that was replaced. The latest comes last.
    previous: Vec<Secret>,
}

/// What to do for a token.
pub(super) enum Use {
    Token(Secret),
    LogIn,
}

impl Sessions {
    /// The token, unless there is none or nine tenths of its lifetime are over.
    pub(super) fn usable(&self, now: Instant) -> Use {
        let tokens = self.tokens();
        match &tokens.current {
            Some((token, received)) => {
                let age = now.saturating_duration_since(*received);
                let spent = token.lifetime.is_some_and(|lifetime| age >= lifetime.mul_f64(0.9));
                if spent { Use::LogIn } else { Use::Token(token.text.clone()) }
            }
            None => Use::LogIn,
        }
    }

    /// Replaces the token.
    pub(super) fn keep(&self, token: Token, received: Instant) {
        let mut tokens = self.tokens();
        tokens.forget();
        tokens.current = Some((token, received));
    }

    /// Drops the token.
    pub(super) fn forget(&self) {
        self.tokens().forget();
    }

    /// The token and those before it, for the mask.
    pub(super) fn secrets(&self) -> Vec<Secret> {
        let tokens = self.tokens();
        tokens.current.iter().map(|(token, _)| token.text.clone()).chain(tokens.previous.iter().cloned()).collect()
    }

    fn tokens(&self) -> MutexGuard<'_, Tokens> {
        // No code panics while it holds the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tokens {
    fn forget(&mut self) {
        if let Some((token, _)) = self.current.take() {
            self.previous.push(token.text);
        }
        let surplus = self.previous.len().saturating_sub(REMEMBERED);
        self.previous.drain(..surplus);
    }
}
