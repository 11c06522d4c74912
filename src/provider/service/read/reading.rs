//! The readings of a call.

use super::cursor::{Cursor, Mistakes, optional};
use super::text::{self, Names};
use crate::provider::document::{Number, Value};
use crate::provider::service::description::{FigureKind, FigureRule, Missing, Piece, ReadingRule, Scale, TextRule};
use crate::provider::service::expression::Expression;
use crate::provider::service::figure::{Base, FigureFormat, NumberFormat};
use crate::provider::service::time::Zone;
use crate::yaml::Kind;
use rust_decimal::Decimal;

const LABELS: [&str; 6] = ["account", "currency", "name", "unit", "area", "sms_type"];
const OTHERS: [&str; 7] = ["each", "scale", "number", "base", "unlimited", "missing", "timezone"];

pub(super) fn list(cursor: &Cursor<'_>, names: &mut Names<'_>, mistakes: &mut Mistakes) -> Option<Vec<ReadingRule>> {
    let read: Vec<_> = cursor.list(mistakes)?.iter().map(|item| rule(item, names, mistakes)).collect();
    read.into_iter().collect()
}

fn rule(cursor: &Cursor<'_>, names: &mut Names<'_>, mistakes: &mut Mistakes) -> Option<ReadingRule> {
    let figure_keys = FigureKind::ALL.map(FigureKind::key);
    let known: Vec<&str> = figure_keys.into_iter().chain(LABELS).chain(OTHERS).collect();
    cursor.only(&known, mistakes)?;
    let before = mistakes.0.len();
    let each = cursor.key("each").map(|each| each_of(&each, names, mistakes));
    let figures = figures(cursor, names, mistakes);
    let [account, currency, name, unit, area, sms_type] = LABELS.map(|key| {
        let read = cursor.key(key).map(|label| {
            let rule = text::rule(&label, names, mistakes)?;
            fixed(&rule, key, &label, mistakes)?;
            Some(rule)
        });
        optional(read)
    });
    let format = format(cursor, mistakes);
    let scale = cursor.key("scale").map_or(Some(Scale::Fixed(Decimal::ONE)), |scale| scale_of(&scale, names, mistakes));
    let missing = cursor.key("missing").map_or(Some(Missing::Fail), |missing| missing_of(&missing, mistakes));
    let zone = cursor.key("timezone").map_or(Some(Zone::utc()), |zone| match Zone::named(zone.text(mistakes)?) {
        Some(zone) => Some(zone),
        None => mistakes.note(&zone, "is not a time zone of the IANA database, such as Europe/Moscow"),
    });
    let rule = ReadingRule {
        each: optional(each)?,
        figures: figures?,
        account: account?,
        currency: currency?,
        name: name?,
        unit: unit?,
        area: area?,
        sms_type: sms_type?,
        scale: scale?,
        format: format?,
        missing: missing?,
        zone: zone?,
    };
    consistent(cursor, &rule, mistakes);
    (mistakes.0.len() == before).then_some(rule)
}

fn each_of(cursor: &Cursor<'_>, names: &mut Names<'_>, mistakes: &mut Mistakes) -> Option<Expression> {
    let each = text::expression(cursor, names, mistakes)?;
    if each.swallows_errors() {
        return mistakes.note(
            &cursor.clone().at_value(),
            format!("`{}`: ? and try would hide a list that is not there; drop them", each.text()),
        );
    }
    Some(each)
}

fn figures(cursor: &Cursor<'_>, names: &mut Names<'_>, mistakes: &mut Mistakes) -> Option<Vec<FigureRule>> {
    let mut figures = Vec::new();
    let mut whole = true;
    for kind in FigureKind::ALL {
        let Some(figure) = cursor.key(kind.key()) else { continue };
        let Some(expression) = text::expression(&figure, names, mistakes) else {
            whole = false;
            continue;
        };
        if expression.ends_in_literal() {
            let text = "a figure comes from the answer; where a missing one has a documented meaning, say missing: 0";
            mistakes.note::<()>(&figure.at_value(), format!("`{}`: {text}", expression.text()));
            whole = false;
        }
        figures.push(FigureRule { kind, expression });
    }
    if whole && figures.is_empty() {
        return mistakes.note(cursor, format!("has no figure; add one of {}", FigureKind::ALL.map(FigureKind::key).join(", ")));
    }
    whole.then_some(figures)
}

/// Checks a fixed label: a currency or a unit that is no such thing is probably an expression without its dot.
fn fixed(rule: &TextRule, key: &str, cursor: &Cursor<'_>, mistakes: &mut Mistakes) -> Option<()> {
    let TextRule::Fixed(template) = rule else { return Some(()) };
    let [Piece::Text(text)] = &*template.0 else { return Some(()) };
    let at = cursor.clone().at_value();
    let dotted = |what: &str| format!("\"{text}\" is no {what}; an expression begins with a dot: .{text}?");
    let is_currency = (1..=12).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    match key {
        "currency" if !is_currency => mistakes.note(&at, dotted("currency code")),
        "unit" if !is_unit(text) => mistakes.note(&at, dotted("unit")),
        _ => Some(()),
    }
}

/// Whether a text can be the label `unit`.
pub(super) fn is_unit(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    text.len() <= 32 && text.starts_with(|c: char| c.is_ascii_lowercase()) && text.chars().all(plain)
}

fn scale_of(cursor: &Cursor<'_>, names: &mut Names<'_>, mistakes: &mut Mistakes) -> Option<Scale> {
    let text = cursor.text(mistakes)?;
    if text::is_expression(text) {
        return text::expression(cursor, names, mistakes).map(Scale::Read);
    }
    match decimal(text).filter(|scale| !scale.is_zero()) {
        Some(scale) => Some(Scale::Fixed(scale)),
        None => mistakes.note(cursor, "write a number that is not zero, such as 0.01, or an expression"),
    }
}

/// An exact decimal in plain or scientific notation.
fn decimal(text: &str) -> Option<Decimal> {
    Decimal::from_str_exact(text).ok().or_else(|| Decimal::from_scientific(text).ok())
}

fn missing_of(cursor: &Cursor<'_>, mistakes: &mut Mistakes) -> Option<Missing> {
    match cursor.text(mistakes)? {
        "fail" => Some(Missing::Fail),
        "skip" => Some(Missing::Skip),
        text => match decimal(text) {
            Some(number) => Some(Missing::Is(number)),
            None => mistakes.note(cursor, "is fail, skip or a number"),
        },
    }
}

fn format(cursor: &Cursor<'_>, mistakes: &mut Mistakes) -> Option<FigureFormat> {
    let base =
        cursor.key("base").map_or(Some(Base::Ten), |base| base.word(&[("10", Base::Ten), ("16", Base::Sixteen)], mistakes));
    let number = cursor.key("number").map(|number| number_format(&number, mistakes));
    if let (Some(Base::Sixteen), Some(key)) = (base, cursor.key("number")) {
        return mistakes.note(&key, "does not fit base: 16; drop one");
    }
    let unlimited = cursor.key("unlimited").map_or(Some(Vec::new()), |list| {
        let items: Vec<_> = list.list(mistakes)?.iter().map(|item| unlimited_word(item, mistakes)).collect();
        items.into_iter().collect()
    });
    Some(FigureFormat { number: optional(number)?, base: base?, unlimited: unlimited? })
}

fn unlimited_word(cursor: &Cursor<'_>, mistakes: &mut Mistakes) -> Option<Value> {
    match &cursor.node.kind {
        _ if cursor.node.is_null() => Some(Value::Null),
        Kind::Plain(text) => match serde_json::from_str::<f64>(text) {
            Ok(value) => Some(Value::Number(Number { text: text.as_str().into(), value })),
            Err(_) => Some(Value::Text(text.as_str().into())),
        },
        Kind::Quoted(text) if !text.trim().is_empty() => Some(Value::Text(text.as_str().into())),
        _ => mistakes.note(cursor, "is a text, a number or null"),
    }
}

fn number_format(cursor: &Cursor<'_>, mistakes: &mut Mistakes) -> Option<NumberFormat> {
    cursor.only(&["decimal", "group", "unit"], mistakes)?;
    let mark = |key: &str, mistakes: &mut Mistakes| {
        let Some(mark) = cursor.key(key) else { return Some(None) };
        let text = mark.node.text().unwrap_or_default();
        let mut characters = text.chars();
        match (characters.next(), characters.next()) {
            (Some(c), None) => Some(Some(c)),
            _ => mistakes.note(&mark, "is one character, in quotes"),
        }
    };
    let decimal = mark("decimal", mistakes);
    let group = mark("group", mistakes);
    let unit = cursor.key("unit").map(|unit| Some(Box::from(unit.text(mistakes)?.trim())));
    let format = NumberFormat { decimal: decimal?, group: group?, unit: optional(unit)? };
    match format.problem() {
        None => Some(format),
        Some((key, problem)) => mistakes.note(&cursor.key(key).unwrap_or_else(|| cursor.clone()), problem),
    }
}

/// Checks what the keys of a reading say together.
fn consistent(cursor: &Cursor<'_>, rule: &ReadingRule, mistakes: &mut Mistakes) {
    use FigureKind::{Active, Available, CreditLimit, Expires, ExpiresIn, Resets, ResetsIn, Sms, Total, Units};
    let has = |kinds: &[FigureKind]| rule.figures.iter().any(|figure| kinds.contains(&figure.kind));
    let mut note = |key: &str, text: &str| {
        let at = cursor.key(key).unwrap_or_else(|| cursor.clone());
        mistakes.note::<()>(&at, text);
    };
    let money = has(&[Available, Active, Total, CreditLimit]);
    if has(&[Units]) && rule.unit.is_none() {
        note("units", "lacks its unit; add unit, such as requests or credits");
    }
    if !has(&[Units]) && rule.unit.is_some() {
        note("unit", "belongs to units; drop it");
    }
    if !has(&[Sms]) && (rule.area.is_some() || rule.sms_type.is_some()) {
        note(if rule.area.is_some() { "area" } else { "sms_type" }, "belongs to sms; drop it");
    }
    if !money && rule.currency.is_some() {
        note("currency", "belongs to amounts; drop it");
    }
    if !rule.format.unlimited.is_empty() && !has(&[Units, Sms]) {
        note("unlimited", "only units and sms can be unlimited; drop it");
    }
    if matches!(rule.missing, Missing::Is(_)) && !money && !has(&[Units, Sms]) {
        note("missing", "a number is for amounts, units and sms; write skip or fail");
    }
    if has(&[Expires]) && has(&[ExpiresIn]) {
        note("expires_in", "says what expires says; drop one");
    }
    if has(&[Resets]) && has(&[ResetsIn]) {
        note("resets_in", "says what resets says; drop one");
    }
    if let Some(each) = &rule.each {
        let read = |label: &Option<TextRule>| matches!(label, Some(TextRule::Read(_)));
        let told_apart = [&rule.account, &rule.currency, &rule.unit, &rule.area, &rule.sms_type].into_iter().any(read);
        if !told_apart && !each.is_single() {
            note("each", "no label tells its elements apart; add account, currency, unit or area with an expression");
        }
    }
}
