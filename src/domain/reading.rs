//! Readings, and the answer of a poll that consists of them.

use super::{Label, Measure, Role, Value};
use std::cmp::Ordering;

/// One fact from one poll. The constructors are those of the [table of measures](Measure).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    measure: Measure,
    /// One for each label of the measure, in its order.
    labels: Box<[Label]>,
    /// Of the measure's kind.
    value: Value,
}

impl Reading {
    /// Unchecked: the generated constructors take the labels and the kind of value that the table names.
    pub(super) const fn made(measure: Measure, labels: Box<[Label]>, value: Value) -> Self {
        Self { measure, labels, value }
    }

    /// A reading from stored parts; none where the labels or the kind of value do not fit the measure.
    #[must_use]
    pub fn from_parts(measure: Measure, labels: Box<[Label]>, value: Value) -> Option<Self> {
        let row = measure.definition();
        (labels.len() == row.labels.len() && row.value.fits(value)).then_some(Self { measure, labels, value })
    }

    /// Which fact it states.
    #[must_use]
    pub const fn measure(&self) -> Measure {
        self.measure
    }

    /// What it says.
    #[must_use]
    pub const fn value(&self) -> Value {
        self.value
    }

    /// The labels with their names and roles, in the order of the table.
    pub fn labels(&self) -> impl Iterator<Item = (&'static str, Role, &Label)> {
        self.measure.definition().labels.iter().zip(&self.labels).map(|((name, role), label)| (*name, *role, label))
    }

    /// The labels, to mask them: any of them can be a text from the provider.
    pub fn labels_mut(&mut self) -> &mut [Label] {
        &mut self.labels
    }

    /// The label of this name; none where the measure has no such label.
    #[must_use]
    pub fn label(&self, name: &str) -> Option<&Label> {
        self.labels().find(|(found, ..)| *found == name).map(|(.., label)| label)
    }

    /// The label with this role; empty where the measure has none.
    #[must_use]
    pub fn text(&self, role: Role) -> &str {
        self.labels().find(|(_, found, _)| *found == role).map_or("", |(.., label)| label.as_str())
    }

    /// The labels that identify it among the readings of its measure.
    pub fn identity(&self) -> impl Iterator<Item = &Label> {
        self.labels().filter(|(_, role, _)| role.identifies()).map(|(.., label)| label)
    }

    /// Compares by measure, then by identifying labels. Equal readings state the same fact.
    fn order(&self, other: &Self) -> Ordering {
        self.measure.cmp(&other.measure).then_with(|| self.identity().cmp(other.identity()))
    }

    /// The reading without its value, for messages.
    fn subject(&self) -> String {
        let mut subject = self.measure.definition().subject.to_owned();
        for (name, _, label) in self.labels() {
            subject = subject.replace(&format!("{{{name}}}"), &format!("\"{label}\""));
        }
        subject
    }
}

/// The outcome of a good poll.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Answer {
    /// Sorted; each fact once.
    pub readings: Vec<Reading>,
    /// What was odd but not wrong. Each is one line of the log.
    pub remarks: Vec<String>,
}

impl Answer {
    /// Sorts and deduplicates: of readings that state the same fact the first stays. One remark covers all duplicates.
    #[must_use]
    pub fn new(readings: Vec<Reading>) -> Self {
        let mut answer = Self { readings, remarks: Vec::new() };
        answer.settle();
        answer
    }

    /// Sorts and deduplicates again after labels have changed. Earlier remarks stay.
    pub fn settle(&mut self) {
        let mut dropped = 0;
        let mut first_dropped = None;
        // A stable sort keeps the first of the duplicates first.
        self.readings.sort_by(Reading::order);
        self.readings.dedup_by(|later, first| {
            let same = later.order(first).is_eq();
            if same {
                dropped += 1;
                first_dropped.get_or_insert_with(|| first.subject());
            }
            same
        });
        if let Some(subject) = first_dropped {
            self.remarks.push(format!("the {subject} is stated twice; kept the first of each such rows, dropped {dropped}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::domain::{Figure, Quantity};

    fn sms(area: &str, available: i32) -> Reading {
        Reading::sms_available(Label::new("sms"), Label::new(area), Quantity::Limited(Figure::from(available)))
    }

    #[test]
    fn keeps_the_first_of_equal_rows_with_one_remark() {
        let answer = Answer::new(vec![sms("МТС", 1), sms("Tele2", 5), sms("МТС ", 2), sms("МТС", 3)]);
        assert_eq!(answer.readings, [sms("Tele2", 5), sms("МТС", 1)]);
        let remark = "the count of type \"sms\" in area \"МТС\" is stated twice; kept the first of each such rows, dropped 2";
        assert_eq!(answer.remarks, [remark]);
    }

    #[test]
    fn a_remark_leaves_earlier_ones_as_they_are() {
        let mut answer = Answer::new(vec![sms("a", 1), sms("a", 2), sms("b", 3), sms("c", 4)]);
        answer.settle();
        assert_eq!(answer.remarks.len(), 1, "nothing new is nothing to remark");
        for label in answer.readings.iter_mut().skip(1).flat_map(Reading::labels_mut) {
            *label = Label::new("x");
        }
        answer.settle();
        let remarks = [
            "the count of type \"sms\" in area \"a\" is stated twice; kept the first of each such rows, dropped 1",
            "the count of type \"x\" in area \"x\" is stated twice; kept the first of each such rows, dropped 1",
        ];
        assert_eq!(answer.remarks, remarks);
    }

    #[test]
    fn parts_that_do_not_fit_the_measure_are_no_reading() {
        let labels = |count| vec![Label::default(); count].into_boxed_slice();
        let amount = Value::Amount(Figure::from(1));
        assert!(Reading::from_parts(Measure::AvailableAmount, labels(2), amount).is_some());
        assert_eq!(Reading::from_parts(Measure::AvailableAmount, labels(1), amount), None);
        assert_eq!(Reading::from_parts(Measure::AvailableAmount, labels(2), Value::Count(Quantity::Unlimited)), None);
    }
}
