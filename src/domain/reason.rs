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

            /// The reason in labels and logs.
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
    /// The connection failed or broke.
    Connect = "connect",
    /// No trusted TLS session could be made.
    Tls = "tls",
    /// One HTTP call took longer than the source's timeout.
    Timeout = "timeout",
    /// The credentials are wrong or have expired.
    Auth = "auth",
    /// The credentials are right but lack the permission.
    Forbidden = "forbidden",
    /// The provider has blocked the account.
    Blocked = "blocked",
    /// The provider demands payment.
    PaymentRequired = "payment_required",
    /// The address or the account does not exist.
    NotFound = "not_found",
    /// Too many requests.
    RateLimited = "rate_limited",
    /// The provider refuses the request for another reason.
    Rejected = "rejected",
    /// An error on the provider's side.
    Server = "server",
    /// A redirect that is not followed.
    Redirect = "redirect",
    /// A body over 1 MiB after decompression.
    TooLarge = "too_large",
    /// An answer that is unreadable or incomplete.
    Decode = "decode",
    /// A bug in this program.
    Internal = "internal",
}

/// The upper bound of a `Retry-After`, and of the backoff after refusals where the interval is shorter.
pub const LONGEST_WAIT: Duration = Duration::from_secs(60 * 60);

/// When a provider asks for the next poll: the two forms of the `Retry-After` header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryAfter {
    /// This long after the answer.
    Delay(Duration),
    /// At this wall-clock time.
    At(SystemTime),
}

impl RetryAfter {
    /// The longer of two wishes. A delay and a date cannot be compared without a clock; then the first counts.
    #[must_use]
    pub fn longer(first: Option<Self>, second: Option<Self>) -> Option<Self> {
        match (first, second) {
            (Some(Self::Delay(first)), Some(Self::Delay(second))) => Some(Self::Delay(first.max(second))),
            (Some(Self::At(first)), Some(Self::At(second))) => Some(Self::At(first.max(second))),
            (first, second) => first.or(second),
        }
    }
}

impl Reason {
    /// Whether the provider has refused: a person must act, and asking again soon can do harm.
    #[must_use]
    pub const fn is_refusal(self) -> bool {
        matches!(self, Self::Auth | Self::Forbidden | Self::Blocked | Self::PaymentRequired | Self::NotFound | Self::Rejected)
    }
}

/// A failed poll.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What callers match on and count.
    pub reason: Reason,
    /// For people. It may quote the provider, so it is masked and truncated before it is shown.
    pub detail: String,
    /// When the provider asks for the next poll; absent where it does not.
    pub retry_after: Option<RetryAfter>,
}

impl Failure {
    /// A failure without `retry_after`.
    pub fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into(), retry_after: None }
    }
}
