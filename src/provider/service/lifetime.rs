//! How long a session's token can be used, as an answer states it.

use super::time::{self, Zone};
use crate::domain::Timestamp;
use crate::provider::document::Value;
use std::time::Duration;

/// A number of seconds, or the date of the end.
///
/// # Errors
/// What is wrong, without the value.
pub(super) fn read(value: &Value, received_at: Timestamp) -> Result<Duration, String> {
    if let Ok(seconds) = time::seconds(value) {
        return Ok(seconds);
    }
    let end = time::timestamp(value, &Zone::utc())
        .map_err(|_| format!("yields {} where seconds or a date are wanted", value.kind()))?;
    Ok(Duration::from_millis(u64::try_from(end.millis - received_at.millis).unwrap_or_default()))
}
