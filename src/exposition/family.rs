//! The table of metric families: name, type and help in one place, in the order of the page.

/// Whether a family's series live as long as readings, or as long as the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Life {
    /// They go when the readings are too old.
    Readings,
    /// They stay.
    Source,
}

macro_rules! families {
    ($($family:ident, $name:literal, $kind:literal, $life:ident, $help:literal;)*) => {
        /// A metric family of the sources.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Family { $($family,)* }

        impl Family {
            pub(super) const ALL: [Self; [$($name),*].len()] = [$(Self::$family),*];

            pub(super) const fn name(self) -> &'static str {
                match self { $(Self::$family => $name,)* }
            }

            pub(super) const fn life(self) -> Life {
                match self { $(Self::$family => Life::$life,)* }
            }

            /// The `HELP` and `TYPE` lines.
            pub(super) const fn header(self) -> &'static str {
                match self {
                    $(Self::$family => concat!("# HELP ", $name, " ", $help, "\n# TYPE ", $name, " ", $kind, "\n"),)*
                }
            }
        }
    };
}

families! {
    AvailableAmount, "balance_available_amount", "gauge", Readings, "Money or units that can be spent now, as last polled.";
    ActiveAmount, "balance_active_amount", "gauge", Readings, "Money that is committed and not spent yet, as last polled.";
    TotalAmount, "balance_total_amount", "gauge", Readings, "The whole balance as the provider reports it, as last polled.";
    SmsAvailable, "balance_sms_available", "gauge", Readings, "Messages that can be sent to an area, as last polled; +Inf when unlimited.";
    AccountInfo, "balance_account_info", "gauge", Readings, "The human name of an account, as last polled.";
    WalletInfo, "balance_wallet_info", "gauge", Readings, "Whose wallet it is, as last polled.";
    OperationsForbidden, "balance_operations_forbidden", "gauge", Readings, "Whether this user may not spend from the account, as last polled.";
    LowAmount, "balance_low_amount", "gauge", Readings, "The configured threshold below which an available amount is low.";
    SmsLow, "balance_sms_low", "gauge", Readings, "The configured threshold below which an SMS count is low.";
    WithdrawnAmount, "balance_withdrawn_amount_total", "counter", Source, "Sum of the falls of the available amount seen between polls.";
    DepositedAmount, "balance_deposited_amount_total", "counter", Source, "Sum of the rises of the available amount seen between polls.";
    Up, "balance_up", "gauge", Source, "Whether the last poll succeeded.";
    Failing, "balance_failing", "gauge", Source, "Present while the last poll failed, with its reason.";
    LastSuccess, "balance_last_success_timestamp_seconds", "gauge", Source, "When the readings were taken, in seconds since the epoch.";
    PollInterval, "balance_poll_interval_seconds", "gauge", Source, "The configured interval between two polls.";
    PollDuration, "balance_poll_duration_seconds", "gauge", Source, "How long the last poll took.";
    Polls, "balance_polls_total", "counter", Source, "Polls that have ended.";
    PollFailures, "balance_poll_failures_total", "counter", Source, "Polls that have failed.";
}
