use super::*;
use crate::properties;
use crate::provider::document::Document;
use proptest::prelude::*;

fn json(text: &str) -> Value {
    Document::read(text.as_bytes()).expect("readable").root().clone()
}

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

fn zone(name: &str) -> Zone {
    Zone::named(name).expect("a zone")
}

fn read(value: &Value, zone: &Zone) -> Result<i64, String> {
    timestamp(value, zone).map(|timestamp| timestamp.millis)
}

/// The milliseconds of a date in RFC 3339.
fn millis(rfc3339: &str) -> i64 {
    rfc3339.parse::<jiff::Timestamp>().expect("a timestamp").as_millisecond()
}

#[test]
fn numbers_are_seconds_or_milliseconds_by_their_size() {
    for (number, millis) in [
        ("1767225600", 1_767_225_600_000),
        ("\" 1767225600 \"", 1_767_225_600_000),
        ("1767225600.5", 1_767_225_600_500),
        ("1.7672256e9", 1_767_225_600_000),
        ("1767225600250", 1_767_225_600_250),
        ("\"1767225600250.9\"", 1_767_225_600_250),
        ("946684800", 946_684_800_000),
        ("946684800000", 946_684_800_000),
        ("4294967295", 4_294_967_295_000),
        ("32503680000", 32_503_680_000_000),
        ("253402300799", 253_402_300_799_000),
        ("253402300799999", 253_402_300_799_999),
    ] {
        assert_eq!(read(&json(number), &zone("Asia/Tokyo")), Ok(millis), "{number}");
    }
}

#[test]
fn numbers_that_are_no_date_of_these_millennia_are_refused() {
    let wanted =
        "a number out of range where a number of seconds or milliseconds since 1970 is wanted, in the years 2000 to 9999";
    for number in ["-1", "-1767225600", "253402300800", "946684799999", "253402300800000", "1767225600000000", "1e300", "-1e300"]
    {
        assert_eq!(read(&json(number), &Zone::utc()), Err(wanted.to_owned()), "{number}");
    }
    for small in ["0", "\"0\"", "744", "2592000", "20261231", "0.5", "946684799"] {
        let hint = format!("{wanted}; a time from now is `expires_in` or `resets_in`");
        assert_eq!(read(&json(small), &Zone::utc()), Err(hint), "{small}");
    }
    for compact in ["20261231235959", "\"20261231000000\"", "202612312359"] {
        let error = "a number that may be a date without separators where a date is wanted";
        assert_eq!(read(&json(compact), &Zone::utc()), Err(error.to_owned()), "{compact}");
    }
}

#[test]
fn a_stated_offset_counts_more_than_the_zone() {
    for (written, same) in [
        ("2027-12-31T23:59:59Z", "2027-12-31T23:59:59Z"),
        ("2027-12-31t23:59:59z", "2027-12-31T23:59:59Z"),
        ("2026-12-14T11:19:14.489461-07:00", "2026-12-14T18:19:14.489Z"),
        ("2026-12-14T11:19:14+0530", "2026-12-14T05:49:14Z"),
        ("2026-12-14 11:19:14+14:00", "2026-12-13T21:19:14Z"),
        ("2026-12-14T11:19:14-00:00", "2026-12-14T11:19:14Z"),
        ("2026-12-14T11:19Z", "2026-12-14T11:19:00Z"),
        ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59Z"),
        ("2026-12-14T11:19:14.5Z", "2026-12-14T11:19:14.5Z"),
        ("2026-12-14T11:19:14.123456789012Z", "2026-12-14T11:19:14.123Z"),
    ] {
        assert_eq!(read(&text(written), &zone("Europe/Moscow")), Ok(millis(same)), "{written}");
    }
}

#[test]
fn local_dates_are_read_in_the_zone() {
    let moscow = zone("Europe/Moscow");
    for (written, same) in [
        ("2031-05-25 00:00:00", "2031-05-24T21:00:00Z"),
        ("2026-12-26T04:44:10.514506", "2026-12-26T01:44:10.514Z"),
        ("2026-12-17", "2026-12-16T21:00:00Z"),
        (" 2026-12-17 10:30 ", "2026-12-17T07:30:00Z"),
        ("17.12.2026", "2026-12-16T21:00:00Z"),
        ("17.12.2026 10:30", "2026-12-17T07:30:00Z"),
        ("17.12.2026 10:30:15", "2026-12-17T07:30:15Z"),
        ("29.02.2028", "2028-02-28T21:00:00Z"),
        // Moscow was four hours ahead until 2014.
        ("2012-06-01 12:00:00", "2012-06-01T08:00:00Z"),
    ] {
        assert_eq!(read(&text(written), &moscow), Ok(millis(same)), "{written}");
    }
    assert_eq!(read(&text("2026-12-17"), &Zone::utc()), Ok(millis("2026-12-17T00:00:00Z")));
}

#[test]
fn where_clocks_change_the_offset_from_before_counts() {
    let berlin = zone("Europe/Berlin");
    assert_eq!(read(&text("2026-03-29 02:30:00"), &berlin), Ok(millis("2026-03-29T01:30:00Z")), "skipped: 03:30 in summer");
    assert_eq!(read(&text("2026-10-25 02:30:00"), &berlin), Ok(millis("2026-10-25T00:30:00Z")), "twice: the first time");
    let skipped_midnight = read(&text("2026-09-06"), &zone("America/Santiago"));
    assert_eq!(skipped_midnight, Ok(millis("2026-09-06T01:00:00-03:00")), "the first moment of that day");
}

#[test]
fn the_last_day_of_9999_is_a_date_in_every_zone() {
    let last = 253_402_300_799_999;
    assert_eq!(read(&text("9999-12-31T23:59:59Z"), &Zone::utc()), Ok(last - 999));
    assert_eq!(read(&text("9999-12-31T23:59:59.9999999Z"), &Zone::utc()), Ok(last));
    assert_eq!(read(&text("9999-12-31 23:59:59"), &zone("America/New_York")), Ok(last));
    assert_eq!(read(&text("31.12.9999"), &zone("Asia/Tokyo")), Ok(253_402_300_800_000 - 33 * 3_600_000));
}

#[test]
fn zero_dates_are_errors() {
    for zero in ["0001-01-01T00:00:00Z", "0001-01-01 00:00:00", "01.01.1970", "1970-01-01", "1999-12-31T23:59:59Z", "1900-01-01"]
    {
        let error = "a date before 2000 where a date is wanted; is it a placeholder for no date?";
        assert_eq!(read(&text(zero), &Zone::utc()), Err(error.to_owned()), "{zero}");
    }
    for impossible in
        ["0000-00-00", "0000-00-00 00:00:00", "00.00.0000", "2026-00-10", "2026-10-00", "2026-13-01", "2026-02-29", "31.04.2026"]
    {
        assert!(
            read(&text(impossible), &Zone::utc()).is_err_and(|error| error.starts_with("a text where a date is wanted")),
            "{impossible}"
        );
    }
}

#[test]
fn anything_else_is_no_date() {
    for wrong in [
        "never",
        "∞",
        "2026",
        "2026-12",
        "2026-1-2",
        "1.2.2026",
        "26-12-17",
        "12/17/2026",
        "2026/12/17",
        "2026-12-17T",
        "2026-12-17 10",
        "2026-12-17 24:00:00",
        "2026-12-17 10:60:00",
        "2026-12-17 10:30:61",
        "2026-12-17 10:30:00.",
        "2026-12-17T10:30:00+3",
        "2026-12-17  10:30:00",
        "2026-12-17T10:30:00+24:00",
        "2026-12-17T10:30:00+03:60",
        "2026-12-17T10:30:00 Z",
        "2026-12-17Z",
        "2026-12-17T10:30:00ZZ",
        "17.12.2026T10:30",
        "17.12.2026 10:30Z",
        "17.12.26",
        "2026-12-17 10:30:00 UTC",
        "10000-01-01",
        "+2026-12-17",
        "2026-12-17T10:30:00Europe/Moscow",
        "2026-12-17T10:30:00[UTC]",
        "٢٠٢٦-12-17",
        "2026-12-17\u{0}",
        "-2026-12-17",
        "20é6-12-17",
    ] {
        let read = read(&text(wrong), &Zone::utc());
        assert!(read.is_err(), "{wrong:?}: {read:?}");
    }
    for (wrong, kind) in
        [("null", "null"), ("true", "true or false"), ("[1767225600]", "a list"), ("{}", "an object"), ("\" \"", "an empty text")]
    {
        assert!(
            read(&json(wrong), &Zone::utc()).is_err_and(|error| error.starts_with(&format!("{kind} where a date is wanted"))),
            "{wrong}"
        );
    }
}

#[test]
fn zones_are_found_by_their_names_without_files() {
    for name in ["Europe/Moscow", "europe/moscow", "UTC", "Etc/GMT-3", "Asia/Kolkata", "America/Argentina/Buenos_Aires"] {
        assert!(Zone::named(name).is_some(), "{name}");
    }
    assert_eq!(Zone::named("Europe/Moscow"), Zone::named("europe/moscow"));
    for name in
        ["", "Moscow", "MSK", "+03:00", "Etc/Unknown", "etc/unknown", "../etc/passwd", "/etc/localtime", "EST5EDT,M3.2.0,M11.1.0"]
    {
        assert!(Zone::named(name).is_none(), "{name}");
    }
}

#[test]
fn durations_are_seconds_up_to_ten_years() {
    for (number, millis) in
        [("0", 0), ("-0", 0), ("744", 744_000), ("\" 86400 \"", 86_400_000), ("0.5", 500), ("315576000", 315_576_000_000)]
    {
        assert_eq!(seconds(&json(number)), Ok(Duration::from_millis(millis)), "{number}");
    }
    for number in ["-1", "-0.001", "315576001", "1767225600", "1e300"] {
        let error = "a number out of range where seconds from now are wanted: 0 to ten years";
        assert_eq!(seconds(&json(number)), Err(error.to_owned()), "{number}");
    }
    for (wrong, kind) in [
        ("null", "null"),
        ("\"1h\"", "a text"),
        ("\"NaN\"", "a text"),
        ("\"inf\"", "a text"),
        ("\"\"", "an empty text"),
        ("[]", "a list"),
    ] {
        assert_eq!(seconds(&json(wrong)), Err(format!("{kind} where a number of seconds is wanted")), "{wrong}");
    }
}

#[test]
fn a_time_from_now_is_rounded_to_the_minute() {
    let at = |millis| Timestamp { millis };
    let hour = Duration::from_secs(3600);
    assert_eq!(from_now(at(1_767_225_600_000), hour).millis, 1_767_229_200_000);
    assert_eq!(from_now(at(1_767_225_629_999), hour).millis, 1_767_229_200_000);
    assert_eq!(from_now(at(1_767_225_630_000), hour).millis, 1_767_229_260_000);
    assert_eq!(from_now(at(1_767_225_570_000), hour).millis, 1_767_229_200_000);
    assert_eq!(from_now(at(-61_000), Duration::ZERO).millis, -60_000);
    assert!(from_now(at(i64::MAX / 1000), Duration::MAX).millis > 0, "no overflow");
}

proptest! {
    #![proptest_config(properties::config())]

    #[test]
    fn a_date_is_read_as_it_was_written(seconds in 946_684_800i64..253_402_200_000, name in prop_oneof![Just("UTC"), Just("Europe/Moscow"), Just("America/New_York"), Just("Asia/Kathmandu")]) {
        let zone = zone(name);
        let zoned = jiff::Timestamp::from_second(seconds).expect("in range").to_zoned_datetime(zone.0.clone());
        let offset = zoned.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string();
        prop_assert_eq!(read(&text(&offset), &Zone::utc()), Ok(seconds * 1000), "{}", offset);
        for form in ["%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%d.%m.%Y %H:%M:%S"] {
            let local = zoned.strftime(form).to_string();
            let found = read(&text(&local), &zone).expect("a date");
            let again = jiff::Timestamp::from_millisecond(found).expect("in range").to_zoned_datetime(zone.0.clone());
            prop_assert_eq!(again.strftime(form).to_string(), local, "an hour that comes twice is read as one of the two");
        }
    }

    #[test]
    fn any_text_is_a_date_or_an_error(written in "\\PC*|[-+0-9:. TZ]{0,32}|[0-9]{4}-[0-9]{2}-[0-9]{2}.{0,20}", number: f64) {
        for zone in [Zone::utc(), zone("Australia/Lord_Howe")] {
            if let Ok(millis) = read(&text(&written), &zone) {
                prop_assert!((FIRST_SECOND * 1000..=LAST_SECOND * 1000 + 999).contains(&millis));
            }
        }
        let _ = seconds(&text(&written));
        let _ = epoch(number);
    }
}
