//! From an answer to readings: one element after another, labels first, then figures.

use super::description::{FigureKind, FigureRule, Missing, ReadingRule, Scale, TextRule};
use super::evaluation::{Evaluation, said};
use super::expression::Expression;
use super::lines::{is_sensitive, shown};
use super::{figure, hint, time};
use crate::domain::{Failure, Figure, Label, Quantity, Reading, Timestamp};
use crate::provider::document::Value;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

/// All readings of the answer.
///
/// # Errors
/// The first thing that is missing or not what it should be: an answer is read whole or not at all.
pub(super) fn read(evaluation: &mut Evaluation<'_>) -> Result<Vec<Reading>, Failure> {
    let call = evaluation.call;
    let mut readings = Vec::new();
    for (i, rule) in call.readings.iter().enumerate() {
        let place = format!("readings[{i}]");
        let elements = elements(evaluation, rule, &place)?;
        for (index, element) in elements.iter().enumerate() {
            Element { evaluation, rule, value: element, place: &place, index }.read(&mut readings)?;
            if readings.len() > evaluation.job.room {
                let most = evaluation.job.compiled.description.max_series;
                return Err(evaluation.decode(&place, &format!("more readings than max_series, {most}, allows")));
            }
        }
    }
    Ok(readings)
}

/// What the rule is applied to: the outputs of `each`, or the whole answer.
fn elements(evaluation: &mut Evaluation<'_>, rule: &ReadingRule, place: &str) -> Result<Vec<Value>, Failure> {
    let Some(each) = &rule.each else { return Ok(vec![evaluation.scope.answer.clone()]) };
    let place = format!("{place}.each");
    let most = evaluation.job.compiled.description.max_series;
    let outputs = evaluation.outputs(each, evaluation.scope.answer, most);
    let outputs = outputs.map_err(|fault| evaluation.decode(&place, &said(each, &fault.message)))?;
    if outputs.contains(&Value::Null) {
        return Err(evaluation.decode(&place, &said(each, "yields null where an element is wanted")));
    }
    evaluation.lines.push(format!("  each      {:<40} {} outputs", each.text(), outputs.len()));
    Ok(outputs)
}

/// One element and the rule that is applied to it.
struct Element<'a, 'e> {
    evaluation: &'a mut Evaluation<'e>,
    rule: &'a ReadingRule,
    value: &'a Value,
    place: &'a str,
    /// Among the elements of the rule.
    index: usize,
}

/// The labels of an element.
struct Labels {
    account: Label,
    currency: Label,
    unit: Label,
    area: Label,
    sms_type: Label,
}

impl Element<'_, '_> {
    fn read(&mut self, readings: &mut Vec<Reading>) -> Result<(), Failure> {
        if self.evaluation.lines.wanted() {
            self.evaluation.lines.push(format!("  [{}]", self.index));
        }
        let rule = self.rule;
        let sms_type = match &rule.sms_type {
            None if rule.figures.iter().any(|figure| figure.kind == FigureKind::Sms) => Label::new("sms"),
            other => self.label(other.as_ref(), "sms_type", Label::new)?,
        };
        let labels = Labels {
            account: self.label(rule.account.as_ref(), "account", Label::new)?,
            currency: self.label(rule.currency.as_ref(), "currency", Label::currency)?,
            unit: self.label(rule.unit.as_ref(), "unit", Label::new)?,
            area: self.label(rule.area.as_ref(), "area", Label::new)?,
            sms_type,
        };
        for figure in &rule.figures {
            readings.extend(self.figure(figure, &labels)?);
        }
        if rule.name.is_some() {
            let name = self.label(rule.name.as_ref(), "name", Label::new)?;
            readings.push(Reading::account_info(labels.account, name));
        }
        Ok(())
    }

    fn label(&mut self, rule: Option<&TextRule>, key: &str, make: fn(&str) -> Label) -> Result<Label, Failure> {
        let place = format!("{}.{key}", self.place);
        match rule {
            None => Ok(Label::default()),
            Some(TextRule::Fixed(template)) => {
                let text = self.evaluation.slots().text(template);
                let text = text.map_err(|unfilled| self.evaluation.decode(&place, &unfilled.what))?;
                let label = make(&figure::cut(&text));
                self.explain(key, "", &format!("\"{label}\""));
                Ok(label)
            }
            Some(TextRule::Read(expression)) => {
                let value = self.one(expression, &place)?;
                let text = figure::label(&value).map_err(|what| self.wrong(&place, expression, &what, &value))?;
                let label = make(&text);
                self.explain(key, expression.text(), &shown_value(expression, &value, &format!("→ {label}")));
                Ok(label)
            }
        }
    }

    fn one(&mut self, expression: &Expression, place: &str) -> Result<Value, Failure> {
        let value = self.evaluation.one(expression, self.value);
        value.map_err(|what| self.evaluation.decode(place, &said(expression, &what)))
    }

    /// The failure of an expression whose output is not what it should be, with the key that was probably meant.
    fn wrong(&self, place: &str, expression: &Expression, what: &str, value: &Value) -> Failure {
        let what = if what.starts_with("yields") { what.to_owned() } else { format!("yields {what}") };
        let meant = if *value == Value::Null { hint::nearest_path(expression.text(), self.value) } else { None };
        let meant = meant.map(|path| format!("; the answer has {path}")).unwrap_or_default();
        self.evaluation.decode(place, &format!("{}{meant}", said(expression, &what)))
    }

    fn figure(&mut self, figure: &FigureRule, labels: &Labels) -> Result<Option<Reading>, Failure> {
        let place = format!("{}.{}", self.place, figure.kind.key());
        let value = self.one(&figure.expression, &place)?;
        let listed =
            matches!(figure.kind, FigureKind::Units | FigureKind::Sms) && self.rule.format.unlimited.contains(&Value::Null);
        if value == Value::Null && !listed {
            return self.missing(figure, &place, labels);
        }
        let (account, currency) = (labels.account.clone(), labels.currency.clone());
        let reading = match figure.kind {
            FigureKind::Available => Reading::available_amount(account, currency, self.amount(figure, &value, &place)?),
            FigureKind::Active => Reading::active_amount(account, currency, self.amount(figure, &value, &place)?),
            FigureKind::Total => Reading::total_amount(account, currency, self.amount(figure, &value, &place)?),
            FigureKind::CreditLimit => Reading::credit_limit_amount(account, currency, self.amount(figure, &value, &place)?),
            FigureKind::Units => Reading::units_available(account, labels.unit.clone(), self.count(figure, &value, &place)?),
            FigureKind::Sms => {
                Reading::sms_available(labels.sms_type.clone(), labels.area.clone(), self.count(figure, &value, &place)?)
            }
            FigureKind::Expires => Reading::expiry_timestamp(account, self.date(figure, &value, &place)?),
            FigureKind::ExpiresIn => Reading::expiry_timestamp(account, self.relative(figure, &value, &place)?),
            FigureKind::Resets => Reading::reset_timestamp(account, self.date(figure, &value, &place)?),
            FigureKind::ResetsIn => Reading::reset_timestamp(account, self.relative(figure, &value, &place)?),
            FigureKind::Forbidden => {
                let Value::Flag(flag) = value else {
                    let what = format!("{} where true or false is wanted", value.kind());
                    return Err(self.wrong(&place, &figure.expression, &what, &value));
                };
                self.explain(figure.kind.key(), figure.expression.text(), if flag { "true" } else { "false" });
                Reading::operations_forbidden(account, flag)
            }
        };
        Ok(Some(reading))
    }

    /// What a null figure is.
    fn missing(&mut self, figure: &FigureRule, place: &str, labels: &Labels) -> Result<Option<Reading>, Failure> {
        let wanted = match figure.kind {
            FigureKind::Expires | FigureKind::Resets => "a date",
            FigureKind::ExpiresIn | FigureKind::ResetsIn => "a number of seconds",
            FigureKind::Forbidden => "true or false",
            _ => "a number",
        };
        let (account, currency) = (labels.account.clone(), labels.currency.clone());
        match self.rule.missing {
            Missing::Skip => {
                self.explain(figure.kind.key(), figure.expression.text(), "null, skipped");
                Ok(None)
            }
            Missing::Is(number) if wanted == "a number" => {
                self.explain(figure.kind.key(), figure.expression.text(), &format!("null, counts as {number}"));
                let amount = nearest(number);
                Ok(Some(match figure.kind {
                    FigureKind::Active => Reading::active_amount(account, currency, amount),
                    FigureKind::Total => Reading::total_amount(account, currency, amount),
                    FigureKind::CreditLimit => Reading::credit_limit_amount(account, currency, amount),
                    FigureKind::Units => Reading::units_available(account, labels.unit.clone(), Quantity::Limited(amount)),
                    FigureKind::Sms => {
                        Reading::sms_available(labels.sms_type.clone(), labels.area.clone(), Quantity::Limited(amount))
                    }
                    _ => Reading::available_amount(account, currency, amount),
                }))
            }
            Missing::Fail | Missing::Is(_) => {
                Err(self.wrong(place, &figure.expression, &format!("null where {wanted} is wanted"), &Value::Null))
            }
        }
    }

    fn amount(&mut self, figure: &FigureRule, value: &Value, place: &str) -> Result<Figure, Failure> {
        match self.count(figure, value, place)? {
            Quantity::Limited(amount) => Ok(amount),
            Quantity::Unlimited => {
                Err(self.wrong(place, &figure.expression, "a word for unlimited where money is wanted", value))
            }
        }
    }

    fn count(&mut self, figure: &FigureRule, value: &Value, place: &str) -> Result<Quantity, Failure> {
        let scale = self.scale()?;
        let read = self.rule.format.read(value, scale);
        let quantity = read.map_err(|what| self.wrong(place, &figure.expression, &what, value))?;
        let scaled = if scale == Decimal::ONE { String::new() } else { format!("  × {scale}") };
        let result = match quantity {
            Quantity::Limited(figure) => format!(" = {}", figure.get()),
            Quantity::Unlimited => " = unlimited".to_owned(),
        };
        let unchanged = scaled.is_empty() && matches!(value, Value::Number(_)) && quantity != Quantity::Unlimited;
        let result = if unchanged { String::new() } else { result };
        self.explain(figure.kind.key(), figure.expression.text(), &format!("{}{scaled}{result}", shown(&value.to_string())));
        Ok(quantity)
    }

    fn scale(&mut self) -> Result<Decimal, Failure> {
        match &self.rule.scale {
            Scale::Fixed(scale) => Ok(*scale),
            Scale::Read(expression) => {
                let place = format!("{}.scale", self.place);
                let value = self.one(expression, &place)?;
                figure::scale(&value).map_err(|what| self.wrong(&place, expression, &what, &value))
            }
        }
    }

    fn date(&mut self, figure: &FigureRule, value: &Value, place: &str) -> Result<Timestamp, Failure> {
        let read = time::timestamp(value, &self.rule.zone);
        let date = read.map_err(|what| self.wrong(place, &figure.expression, &what, value))?;
        self.explain_date(figure, value, date);
        Ok(date)
    }

    /// Rounded to the minute, so that the series does not move with each poll.
    fn relative(&mut self, figure: &FigureRule, value: &Value, place: &str) -> Result<Timestamp, Failure> {
        let seconds = time::seconds(value).map_err(|what| self.wrong(place, &figure.expression, &what, value))?;
        let date = time::from_now(self.evaluation.job.response.received_at, seconds);
        self.explain_date(figure, value, date);
        Ok(date)
    }

    fn explain_date(&mut self, figure: &FigureRule, value: &Value, date: Timestamp) {
        if self.evaluation.lines.wanted() {
            let date = time::shown(date);
            self.explain(figure.kind.key(), figure.expression.text(), &format!("{} = {date}", shown(&value.to_string())));
        }
    }

    fn explain(&mut self, key: &str, expression: &str, result: &str) {
        if self.evaluation.lines.wanted() {
            self.evaluation.lines.push(format!("            {key:<10} {expression:<29} {result}"));
        }
    }
}

/// A value beside its expression, and what became of it where that is not the same text.
fn shown_value(expression: &Expression, value: &Value, became: &str) -> String {
    if matches!(value, Value::Text(_)) && is_sensitive(expression.text()) {
        return "***".to_owned();
    }
    let text = shown(&value.to_string());
    if text.trim_matches('"') == became.trim_start_matches("→ ") { text } else { format!("{text} {became}") }
}

/// The nearest float.
fn nearest(number: Decimal) -> Figure {
    number.to_string().parse().ok().or_else(|| number.to_f64()).and_then(Figure::new).unwrap_or_default()
}
