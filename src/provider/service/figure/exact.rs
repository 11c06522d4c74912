//! Numbers of any length that are multiplied exactly and rounded once, to the nearest float.
//!
//! A `Decimal` alone is too short: wei have 256 bits, and it rounds without a word where a product has more than 28 decimal places.

use crate::provider::document::decimal;
use rust_decimal::Decimal;

/// The most digits of a hexadecimal number: 256 bits.
const HEXADECIMAL_DIGITS: usize = 64;
/// Digits are multiplied in groups of nine: a group times the 96 bits of a `Decimal` fits 128 bits, also with a carry.
const GROUP: usize = 9;

/// ± digits × 10^exponent. Equal numbers have equal fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Exact {
    negative: bool,
    /// Neither the first nor the last one is a zero. Zero has none, no sign and the exponent 0.
    digits: String,
    exponent: i64,
}

impl Exact {
    /// `digits` × 10^`exponent`. The digits are ASCII digits.
    pub(super) fn new(negative: bool, digits: &str, exponent: i64) -> Self {
        let significant = digits.trim_start_matches('0');
        let short = significant.trim_end_matches('0');
        if short.is_empty() {
            return Self { negative: false, digits: String::new(), exponent: 0 };
        }
        let zeros = i64::try_from(significant.len() - short.len()).unwrap_or(i64::MAX);
        Self { negative, digits: short.to_owned(), exponent: exponent.saturating_add(zeros) }
    }

    /// The number in a text that holds one decimal number, in the range of a float, and nothing else.
    pub(super) fn decimal(text: &str) -> Option<Self> {
        let text = text.trim();
        // Refuses what is not a number, so that what follows only cuts.
        decimal(text)?;
        let (negative, unsigned) = match text.as_bytes().first()? {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        let (digits, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let places = i64::try_from(fraction.len()).ok()?;
        let digits = [whole, fraction].concat();
        match exponent.parse::<i64>() {
            Ok(exponent) => Some(Self::new(negative, &digits, exponent.saturating_sub(places))),
            // `0e99999999999999999999`: in the range of a float, only zero has such an exponent.
            Err(_) => digits.bytes().all(|digit| digit == b'0').then(|| Self::new(false, "", 0)),
        }
    }

    /// The number in a text such as `0x1F`, of at most 256 bits.
    pub(super) fn hexadecimal(text: &str) -> Option<Self> {
        let text = text.trim();
        let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"))?;
        if digits.is_empty() || digits.len() > HEXADECIMAL_DIGITS {
            return None;
        }
        // In groups of nine decimal digits, the lowest first.
        let mut groups: Vec<u64> = Vec::new();
        for digit in digits.chars() {
            let mut carry = u64::from(digit.to_digit(16)?);
            for group in &mut groups {
                let shifted = *group * 16 + carry;
                *group = shifted % 1_000_000_000;
                carry = shifted / 1_000_000_000;
            }
            if carry > 0 {
                groups.push(carry);
            }
        }
        let decimal: Vec<String> = groups.iter().rev().map(|group| format!("{group:09}")).collect();
        Some(Self::new(false, &decimal.concat(), 0))
    }

    /// The exact product.
    pub(super) fn times(&self, factor: Decimal) -> Self {
        let multiplier = factor.mantissa().unsigned_abs();
        let mut groups: Vec<String> = Vec::with_capacity(self.digits.len() / GROUP + 4);
        let mut carry = 0;
        for group in self.digits.as_bytes().rchunks(GROUP) {
            let group = group.iter().fold(0, |number, digit| number * 10 + u128::from(digit - b'0'));
            let product = group * multiplier + carry;
            groups.push(format!("{:09}", product % 1_000_000_000));
            carry = product / 1_000_000_000;
        }
        groups.push(carry.to_string());
        groups.reverse();
        let negative = self.negative != factor.is_sign_negative();
        Self::new(negative, &groups.concat(), self.exponent.saturating_sub(factor.scale().into()))
    }

    /// The nearest float; none outside the range of floats, also where only 0 would be near.
    pub(super) fn nearest(&self) -> Option<f64> {
        decimal(&self.to_string())
    }

    /// The same number as a `Decimal`; none if it has too many digits.
    pub(super) fn to_decimal(&self) -> Option<Decimal> {
        if self.digits.is_empty() {
            return Some(Decimal::ZERO);
        }
        let zeros = usize::try_from(self.exponent.max(0)).ok().filter(|zeros| *zeros < 29)?;
        let mantissa: i128 = format!("{}{}", self.digits, "0".repeat(zeros)).parse().ok()?;
        let scale = u32::try_from(self.exponent.min(0).unsigned_abs()).ok()?;
        Decimal::try_from_i128_with_scale(if self.negative { -mantissa } else { mantissa }, scale).ok()
    }
}

impl std::fmt::Display for Exact {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sign = if self.negative { "-" } else { "" };
        let digits = if self.digits.is_empty() { "0" } else { &self.digits };
        write!(f, "{sign}{digits}e{}", self.exponent)
    }
}
