//! Decimal arithmetic and the order of numbers, both exact.
//!
//! A number is calculated with its decimal digits, at most 28 of them. More digits are an error and never a rounding; only a division
//! rounds, to 28 digits. `rust_decimal` is not used here because its sums and products round silently, and because it has at most 28
//! decimal places, which is too few for wei.

use super::meter::{Flow, Stop};
use crate::provider::document::{Number, decimal};
use std::cmp::Ordering;

/// The most significant digits of a number that is calculated with.
const DIGITS: usize = 28;
/// The first whole number with more.
const BEYOND: u128 = 10_u128.pow(28);

/// An arithmetic operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Add,
    Subtract,
    Multiply,
    Divide,
}

impl Operation {
    /// As it is written.
    pub(super) const fn sign(self) -> char {
        match self {
            Self::Add => '+',
            Self::Subtract => '-',
            Self::Multiply => '*',
            Self::Divide => '/',
        }
    }
}

/// Calculates.
pub(super) fn calculate(operation: Operation, left: &Number, right: &Number) -> Flow<Number> {
    let (left, right) = (Exact::of(left)?, Exact::of(right)?);
    let result = match operation {
        Operation::Add => left.plus(right),
        Operation::Subtract => left.plus(Exact { mantissa: -right.mantissa, ..right }),
        Operation::Multiply => left.times(right),
        Operation::Divide => left.over(right)?,
    };
    result.ok_or_else(too_long)?.number()
}

/// The number with the other sign. It keeps its digits.
pub(super) fn negate(number: &Number) -> Number {
    let text = number.text.strip_prefix('-').map_or_else(|| format!("-{}", number.text).into(), Into::into);
    // A negative zero would be a number of its own for whoever prints it.
    if number.value == 0.0 { number.clone() } else { Number { text, value: -number.value } }
}

/// Which number is greater.
pub(super) fn compare(left: &Number, right: &Number) -> Ordering {
    // Decimals of up to 15 digits are in the same order as their nearest floats.
    let short = |number: &Number| number.text.len() <= 15 && !number.text.contains(['e', 'E']);
    if short(left) && short(right) {
        return left.value.partial_cmp(&right.value).unwrap_or(Ordering::Equal);
    }
    Written::of(&left.text).compare(&Written::of(&right.text))
}

fn too_long() -> Stop {
    Stop::Failed(format!("arithmetic is exact, and the result of this one has more than {DIGITS} digits"))
}

/// A number by its digits: `0.DIGITS × 10^point`.
struct Written {
    negative: bool,
    /// Without zeros at either end; empty for zero.
    digits: String,
    point: i64,
}

impl Written {
    /// Of a number in the syntax of JSON.
    fn of(text: &str) -> Self {
        let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = format!("{whole}{fraction}");
        let digits = all.trim_start_matches('0');
        let leading = all.len() - digits.len();
        let point = i64::try_from(whole.len()).unwrap_or(i64::MAX).saturating_sub_unsigned(leading as u64);
        // Only the exponent of a zero can be too large for an integer: every other number fits a float.
        let point = point.saturating_add(exponent.parse().unwrap_or(0));
        let digits = digits.trim_end_matches('0').to_owned();
        Self { negative: negative && !digits.is_empty(), point: if digits.is_empty() { 0 } else { point }, digits }
    }

    fn compare(&self, other: &Self) -> Ordering {
        let sign = |number: &Self| match (number.digits.is_empty(), number.negative) {
            (true, _) => 0,
            (false, true) => -1,
            (false, false) => 1,
        };
        let size = (self.point, &self.digits).cmp(&(other.point, &other.digits));
        sign(self).cmp(&sign(other)).then(if self.negative { size.reverse() } else { size })
    }
}

/// `mantissa × 10^exponent`. The mantissa is no multiple of ten and has at most 28 digits.
#[derive(Clone, Copy)]
struct Exact {
    mantissa: i128,
    exponent: i64,
}

impl Exact {
    fn of(number: &Number) -> Flow<Self> {
        let Written { negative, digits, point } = Written::of(&number.text);
        if digits.is_empty() {
            return Ok(Self { mantissa: 0, exponent: 0 });
        }
        let mantissa: Option<i128> = digits.parse().ok().filter(|_| digits.len() <= DIGITS);
        let mantissa =
            mantissa.ok_or_else(|| Stop::Failed(format!("arithmetic is exact, and a number has more than {DIGITS} digits")))?;
        let exponent = point.saturating_sub_unsigned(digits.len() as u64);
        Ok(Self { mantissa: if negative { -mantissa } else { mantissa }, exponent })
    }

    /// Moves the zeros at the end into the exponent. `None` if more digits are left than a number may have.
    fn normal(mut self) -> Option<Self> {
        if self.mantissa == 0 {
            return Some(Self { mantissa: 0, exponent: 0 });
        }
        while self.mantissa % 10 == 0 {
            self.mantissa /= 10;
            self.exponent += 1;
        }
        (self.mantissa.unsigned_abs() < BEYOND).then_some(self)
    }

    fn plus(self, other: Self) -> Option<Self> {
        if self.mantissa == 0 || other.mantissa == 0 {
            return Some(if self.mantissa == 0 { other } else { self });
        }
        let exponent = self.exponent.min(other.exponent);
        // What does not fit 38 digits here has more than 28 in the end: the last digit of the finer number is not zero.
        let aligned = |number: Self| {
            let power = 10_i128.checked_pow(u32::try_from(number.exponent - exponent).ok()?)?;
            number.mantissa.checked_mul(power)
        };
        Self { mantissa: aligned(self)?.checked_add(aligned(other)?)?, exponent }.normal()
    }

    fn times(self, other: Self) -> Option<Self> {
        let (mut left, mut right, mut exponent) = (self.mantissa, other.mantissa, self.exponent + other.exponent);
        // Twos of the one and fives of the other make zeros, which are no digits. Without them the product ends in none.
        for (two, five) in [(2, 5), (5, 2)] {
            while left != 0 && right != 0 && left % two == 0 && right % five == 0 {
                (left, right, exponent) = (left / two, right / five, exponent + 1);
            }
        }
        Self { mantissa: left.checked_mul(right)?, exponent }.normal()
    }

    fn over(self, other: Self) -> Flow<Option<Self>> {
        let divisor = other.mantissa.unsigned_abs();
        if divisor == 0 {
            return Err(Stop::Failed("a division by zero".to_owned()));
        }
        let dividend = self.mantissa.unsigned_abs();
        let (mut quotient, mut rest, mut exponent) = (dividend / divisor, dividend % divisor, self.exponent - other.exponent);
        while rest != 0 && quotient < BEYOND / 10 {
            quotient = quotient * 10 + rest * 10 / divisor;
            rest = rest * 10 % divisor;
            exponent -= 1;
        }
        quotient += u128::from(rest * 2 >= divisor);
        let negative = (self.mantissa < 0) != (other.mantissa < 0);
        let mantissa = i128::try_from(quotient).ok().map(|quotient| if negative { -quotient } else { quotient });
        Ok(mantissa.and_then(|mantissa| Self { mantissa, exponent }.normal()))
    }

    /// The number in the syntax of JSON.
    fn number(self) -> Flow<Number> {
        let text = self.text();
        let value =
            decimal(&text).ok_or_else(|| Stop::Failed("the result is larger or smaller than any number may be".to_owned()))?;
        Ok(Number { text: text.into(), value })
    }

    fn text(self) -> String {
        let sign = if self.mantissa < 0 { "-" } else { "" };
        let digits = self.mantissa.unsigned_abs().to_string();
        let places = usize::try_from(-self.exponent).unwrap_or(0);
        match self.exponent {
            0..=30 => format!("{sign}{digits}{}", "0".repeat(usize::try_from(self.exponent).unwrap_or(0))),
            -60..=-1 => {
                let digits = format!("{digits:0>width$}", width = places + 1);
                let (whole, fraction) = digits.split_at(digits.len() - places);
                format!("{sign}{whole}.{fraction}")
            }
            exponent => format!("{sign}{digits}e{exponent}"),
        }
    }
}
