//! Why a poll failed.

use std::time::{Duration, SystemTime};

macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// The closed set of why a poll failed.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Reason { $($(#[$doc])* $variant,)* }

        impl Reason {
            /// Every reason, in the order of the contract.
            pub const ALL: [Self; [$($name),*].len()] = [$(Self::$variant),*];

            /// The reason as it stands in labels and logs.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

reasons! {
    /// The host name could not be resolved.
    Dns = "dns",
    /// No connection, or one that broke.
    Connect = "connect",
    /// No trusted TLS session.
    Tls = "tls",
    /// One HTTP call took longer than the source's timeout.
    Timeout = "timeout",
    /// The credentials are wrong or have expired.
    Auth = "auth",
    /// The credentials are right, the permission is missing.
    Forbidden = "forbidden",
    /// The provider has blocked the account.
    Blocked = "blocked",
    /// The provider wants to be paid first.
    PaymentRequired = "payment_required",
    /// There is no such address or account.
    NotFound = "not_found",
    /// Too many requests.
    RateLimited = "rate_limited",
    /// The provider refuses the request for another cause.
    Rejected = "rejected",
    /// A fault on the provider's side.
    Server = "server",
    /// A redirect that is not followed.
    Redirect = "redirect",
    /// A body over 1 MiB after decompression.
    TooLarge = "too_large",
    /// An unreadable or incomplete answer.
    Decode = "decode",
    /// A fault of this program.
    Internal = "internal",
}

/// No `Retry-After` is honoured for longer, and no refusal puts a short interval off for longer.
pub const LONGEST_WAIT: Duration = Duration::from_secs(60 * 60);

/// When a provider asks to be polled again, in the two forms of the `Retry-After` header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryAfter {
    /// After this time, counted from the answer.
    Delay(Duration),
    /// At this time of the wall clock.
    At(SystemTime),
}

/// A failed poll.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What callers branch on and count.
    pub reason: Reason,
    /// For people. It may quote the provider, so it is masked and cut before it is shown anywhere.
    pub detail: String,
    /// The provider's wish, where it stated one.
    pub retry_after: Option<RetryAfter>,
}

impl Failure {
    /// A failure without a wish for the next poll.
    pub fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into(), retry_after: None }
    }
}
