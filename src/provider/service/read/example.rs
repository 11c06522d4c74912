//! The examples of a description.

use super::cursor::{Cursor, Mistakes};
use crate::domain::{Figure, Label, Quantity, Reading, Reason, Timestamp};
use crate::provider::document::Value;
use crate::provider::service::description::Parameter;
use crate::provider::service::example::{CannedAnswer, Example, Expected};
use crate::provider::service::time::{Zone, timestamp};
use crate::yaml::Kind;

const FIGURES: [&str; 10] =
    ["available", "active", "total", "credit_limit", "units", "sms", "expires", "resets", "forbidden", "name"];
const LABELS: [&str; 5] = ["account", "currency", "unit", "area", "sms_type"];

pub(super) fn read(cursor: &Cursor<'_>, parameters: &[Parameter], mistakes: &mut Mistakes) -> Option<Example> {
    cursor.only(&["answers", "expect", "reason", "parameters"], mistakes)?;
    let given = cursor.key("parameters").map_or(Some(Vec::new()), |map| values(&map, parameters, mistakes));
    let Some(answers) = cursor.key("answers") else { return mistakes.note(cursor, "lacks answers; add one for each request") };
    let answers: Vec<_> = answers.list(mistakes)?.iter().map(|item| answer(item, mistakes)).collect();
    let expected = match (cursor.key("expect"), cursor.key("reason")) {
        (Some(list), None) => expected(&list, mistakes).map(Expected::Readings),
        (None, Some(reason)) => {
            let words: Vec<(&str, Reason)> = Reason::ALL.into_iter().map(|reason| (reason.as_str(), reason)).collect();
            reason.word(&words, mistakes).map(Expected::Failure)
        }
        (Some(_), Some(reason)) => mistakes.note(&reason, "an example has expect or reason; drop one"),
        (None, None) => mistakes.note(cursor, "has no outcome; add expect or reason"),
    };
    Some(Example { parameters: given?, answers: answers.into_iter().collect::<Option<_>>()?, expected: expected? })
}

type Values = Vec<(Box<str>, Vec<String>)>;

fn values(cursor: &Cursor<'_>, parameters: &[Parameter], mistakes: &mut Mistakes) -> Option<Values> {
    let known: Vec<&str> = parameters.iter().map(|parameter| &*parameter.name).collect();
    cursor.only(&known, mistakes)?;
    let values: Vec<_> = cursor
        .map(mistakes)?
        .into_iter()
        .map(|(name, value)| {
            let texts = if value.node.items().is_some() {
                value.list(mistakes)?.iter().map(|item| item.text(mistakes).map(str::to_owned)).collect::<Option<_>>()?
            } else {
                vec![value.text(mistakes)?.to_owned()]
            };
            Some((Box::from(name), texts))
        })
        .collect();
    values.into_iter().collect()
}

fn answer(cursor: &Cursor<'_>, mistakes: &mut Mistakes) -> Option<CannedAnswer> {
    cursor.only(&["status", "headers", "body"], mistakes)?;
    let status = cursor.key("status").map_or(Some(200), |status| status.whole(100, 599, mistakes))?;
    let mut headers = Vec::new();
    if let Some(map) = cursor.key("headers") {
        for (name, value) in map.map(mistakes)? {
            if value.node.items().is_some() {
                for item in value.list(mistakes)? {
                    headers.push((name.to_owned(), item.text(mistakes)?.to_owned()));
                }
            } else {
                headers.push((name.to_owned(), value.text(mistakes)?.to_owned()));
            }
        }
    }
    let body = match cursor.key("body") {
        None => String::new(),
        Some(body) => match &body.node.kind {
            Kind::Quoted(text) => text.clone(),
            Kind::Plain(text) if !body.node.is_null() => text.clone(),
            _ => json(&body, mistakes)?,
        },
    };
    Some(CannedAnswer { status: u16::try_from(status).ok()?, headers, body: body.into_bytes() })
}

/// YAML as the JSON that it stands for.
fn json(cursor: &Cursor<'_>, mistakes: &mut Mistakes) -> Option<String> {
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    Some(match &cursor.node.kind {
        _ if cursor.node.is_null() => "null".to_owned(),
        Kind::Plain(text) if serde_json::from_str::<serde_json::Number>(text).is_ok() || text == "true" || text == "false" => {
            text.clone()
        }
        Kind::Plain(text) | Kind::Quoted(text) => quoted(text),
        Kind::List(_) => {
            let items: Option<Vec<String>> = cursor.list(mistakes)?.iter().map(|item| json(item, mistakes)).collect();
            format!("[{}]", items?.join(","))
        }
        Kind::Map(_) => {
            let entries = cursor.map(mistakes)?;
            let entries: Option<Vec<String>> =
                entries.iter().map(|(key, value)| Some(format!("{}:{}", quoted(key), json(value, mistakes)?))).collect();
            format!("{{{}}}", entries?.join(","))
        }
    })
}

fn expected(cursor: &Cursor<'_>, mistakes: &mut Mistakes) -> Option<Vec<Reading>> {
    let mut readings = Vec::new();
    for item in cursor.list(mistakes)? {
        let known: Vec<&str> = FIGURES.into_iter().chain(LABELS).collect();
        item.only(&known, mistakes)?;
        let label = |key: &str| item.key(key).and_then(|label| label.node.text()).unwrap_or_default().to_owned();
        let account = Label::new(&label("account"));
        let currency = Label::currency(&label("currency"));
        for key in FIGURES {
            let Some(value) = item.key(key) else { continue };
            readings.push(match key {
                "available" => Reading::available_amount(account.clone(), currency.clone(), amount(&value, mistakes)?),
                "active" => Reading::active_amount(account.clone(), currency.clone(), amount(&value, mistakes)?),
                "total" => Reading::total_amount(account.clone(), currency.clone(), amount(&value, mistakes)?),
                "credit_limit" => Reading::credit_limit_amount(account.clone(), currency.clone(), amount(&value, mistakes)?),
                "units" => Reading::units_available(account.clone(), Label::new(&label("unit")), count(&value, mistakes)?),
                "sms" => {
                    let sms_type = item.key("sms_type").map_or_else(|| "sms".to_owned(), |_| label("sms_type"));
                    Reading::sms_available(Label::new(&sms_type), Label::new(&label("area")), count(&value, mistakes)?)
                }
                "expires" => Reading::expiry_timestamp(account.clone(), date(&value, mistakes)?),
                "resets" => Reading::reset_timestamp(account.clone(), date(&value, mistakes)?),
                "forbidden" => Reading::operations_forbidden(account.clone(), value.flag(mistakes)?),
                _ => Reading::account_info(account.clone(), Label::new(value.text(mistakes)?)),
            });
        }
    }
    Some(readings)
}

fn amount(cursor: &Cursor<'_>, mistakes: &mut Mistakes) -> Option<Figure> {
    let figure = cursor.node.text().and_then(|text| text.parse().ok()).and_then(Figure::new);
    figure.or_else(|| mistakes.note(cursor, "is a number"))
}

fn count(cursor: &Cursor<'_>, mistakes: &mut Mistakes) -> Option<Quantity> {
    match cursor.node.text() {
        Some("unlimited" | "+Inf" | ".inf") => Some(Quantity::Unlimited),
        _ => amount(cursor, mistakes).map(Quantity::Limited),
    }
}

fn date(cursor: &Cursor<'_>, mistakes: &mut Mistakes) -> Option<Timestamp> {
    let text = cursor.text(mistakes)?;
    let read = timestamp(&Value::Text(text.into()), &Zone::utc());
    read.map_or_else(|_| mistakes.note(cursor, "is a date, such as \"2026-12-17T00:00:00Z\""), Some)
}
