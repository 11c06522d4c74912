//! The cost of expressions, beside serde into a struct that knows the answer.
#![expect(clippy::expect_used, reason = "a benchmark whose setup fails must stop")]

use balance_exporter::provider::service::bench::{Document, Expression};
use divan::{Bencher, black_box};
use serde::Deserialize;
use std::fmt::Write;

const SMALL: &str = r#"{"data":{"total_credits":100.10,"total_usage":0.20}}"#;
const SCALE: &str = "({jpy: 1, krw: 1, vnd: 1, clp: 1, bhd: 0.001, jod: 0.001, kwd: 0.001}[.currency] // 0.01)";
/// As four expressions of a reading.
const FIELDS: [&str; 4] = [".id", ".balance.amount", ".currency", ".credit - .used"];
/// As one expression.
const AT_ONCE: &str = "[.accounts[] | {id, amount: .balance.amount, currency, left: (.credit - .used)}] | length";

fn main() {
    divan::main();
}

/// An answer of 1 MB.
fn body(accounts: usize) -> String {
    let padding = "x".repeat((1 << 20) / accounts - 128);
    let mut body = String::from(r#"{"accounts":["#);
    for n in 0..accounts {
        let comma = if n > 0 { "," } else { "" };
        write!(
            body,
            r#"{comma}{{"id":"A{n:06}","note":"{padding}","balance":{{"amount":{n}.25}},"currency":"EUR","credit":100.50,"used":{n}}}"#
        )
        .expect("a text");
    }
    body + "]}"
}

fn expression(text: &str) -> Expression {
    Expression::parse(text).expect("an expression")
}

#[divan::bench(args = [".balance", FIELDS[3], SCALE, AT_ONCE])]
fn parse(text: &str) -> Expression {
    expression(black_box(text))
}

#[divan::bench]
fn small_answer(bencher: Bencher) {
    let (each, figure) = (expression("."), [expression(".data.total_credits - .data.total_usage")]);
    bencher
        .bench(|| Document::read(black_box(SMALL.as_bytes())).expect("a document").evaluate(&each, &figure).expect("a figure"));
}

#[divan::bench(args = [1_000, 5_000])]
fn reading_alone(bencher: Bencher, accounts: usize) {
    let body = body(accounts);
    bencher.bench(|| Document::read(body.as_bytes()).expect("a document"));
}

#[divan::bench(args = [1_000, 5_000])]
fn each_and_four_expressions(bencher: Bencher, accounts: usize) {
    let (body, each, fields) = (body(accounts), expression(".accounts[]"), FIELDS.map(expression));
    bencher.bench(|| Document::read(body.as_bytes()).expect("a document").evaluate(&each, &fields).expect("figures"));
}

#[divan::bench(args = [1_000, 5_000])]
fn one_expression(bencher: Bencher, accounts: usize) {
    let (body, expression) = (body(accounts), expression(AT_ONCE));
    bencher.bench(|| Document::read(body.as_bytes()).expect("a document").evaluate(&expression, &[]).expect("a figure"));
}

#[divan::bench(args = [1_000, 5_000])]
fn serde_into_a_struct(bencher: Bencher, accounts: usize) {
    #[derive(Deserialize)]
    #[expect(dead_code, reason = "only read")]
    struct Account<'a> {
        id: &'a str,
        balance: Balance,
        currency: &'a str,
        credit: f64,
        used: f64,
    }
    #[derive(Deserialize)]
    #[expect(dead_code, reason = "only read")]
    struct Balance {
        amount: f64,
    }
    #[derive(Deserialize)]
    struct Answer<'a> {
        #[serde(borrow)]
        accounts: Vec<Account<'a>>,
    }
    let body = body(accounts);
    bencher.bench(|| serde_json::from_str::<Answer<'_>>(black_box(&body)).expect("an answer").accounts.len());
}
