//! A service description, compiled: its parameters, its calls, and the rules by which answers become readings.
//!
//! Plain data. Reading makes it from YAML and checks it; polling follows it. Nothing here can fail.

use super::expression::Expression;
use super::figure::FigureFormat;
use super::time::Zone;
use crate::domain::Reason;
use reqwest::header::HeaderName;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

/// A service.
#[derive(Debug)]
pub(crate) struct Description {
    /// `[a-z0-9][a-z0-9-]{0,31}`; also the label `provider`.
    pub(crate) name: Arc<str>,
    /// The description as it is written, without places: two that are equal ask and read the same.
    pub(crate) fingerprint: Arc<str>,
    /// For people.
    pub(crate) title: String,
    /// Where the facts come from: an http or https URL.
    pub(crate) documentation: String,
    /// How often a source may be polled.
    pub(crate) pace: Pace,
    /// The most readings of a poll.
    pub(crate) max_series: usize,
    /// In the order of the description. `url` is always among them.
    pub(crate) parameters: Vec<Parameter>,
    /// A login that is kept between polls.
    pub(crate) session: Option<Session>,
    /// At least one.
    pub(crate) calls: Vec<Call>,
    /// Whether a poll may end without readings.
    pub(crate) empty_allowed: bool,
}

impl Description {
    /// What it reads, for people: the kinds of figures, each once, with the units.
    #[must_use]
    pub(crate) fn reads(&self) -> String {
        let rules = || self.calls.iter().flat_map(|call| &call.readings);
        let has = |kind| rules().any(|rule| rule.figures.iter().any(|figure| figure.kind == kind));
        let kinds = FigureKind::ALL.into_iter().filter(|kind| has(*kind)).map(|kind| match kind {
            FigureKind::Units => {
                let mut units: Vec<String> = rules().filter_map(|rule| rule.unit.as_ref()).map(fixed_or_any).collect();
                units.sort_unstable();
                units.dedup();
                format!("units ({})", units.join(", "))
            }
            FigureKind::ExpiresIn => FigureKind::Expires.key().to_owned(),
            FigureKind::ResetsIn => FigureKind::Resets.key().to_owned(),
            FigureKind::CreditLimit => "credit limit".to_owned(),
            kind => kind.key().to_owned(),
        });
        kinds.collect::<Vec<_>>().join(", ")
    }
}

fn fixed_or_any(rule: &TextRule) -> String {
    match rule {
        TextRule::Fixed(Template(pieces)) => match &**pieces {
            [Piece::Text(text)] => text.to_string(),
            _ => "as configured".to_owned(),
        },
        TextRule::Read(_) => "as answered".to_owned(),
    }
}

/// How often a source may be polled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pace {
    /// The interval of a source that states none; `None` means that of the configuration.
    pub(crate) default: Option<Duration>,
    /// The shortest interval of a source.
    pub(crate) minimum: Duration,
}

/// A value that each source gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parameter {
    /// As in `${NAME}`.
    pub(crate) name: Box<str>,
    /// Whether it is masked everywhere and given as a secret.
    pub(crate) secret: bool,
    /// 1…100 texts instead of one.
    pub(crate) list: bool,
    /// Used where a source gives none; such a parameter is optional.
    pub(crate) default: Option<Box<str>>,
}

/// A login.
#[derive(Debug)]
pub(crate) struct Session {
    /// At least one; the token is in the answer of the last one.
    pub(crate) calls: Vec<Call>,
    /// Over the last answer.
    pub(crate) token: Expression,
    /// How long a token can be used; `None` until it is refused.
    pub(crate) lifetime: Option<Lifetime>,
    /// The reasons that mean that the token is spent.
    pub(crate) refused: Vec<Reason>,
}

/// How long a token can be used.
#[derive(Debug)]
pub(crate) enum Lifetime {
    /// As the description states.
    Fixed(Duration),
    /// As the last answer states: seconds, or a date.
    Stated(Expression),
}

/// One HTTP call.
#[derive(Debug)]
pub(crate) struct Call {
    /// With what it is sent.
    pub(crate) method: Method,
    /// Where it is sent.
    pub(crate) url: Address,
    /// The list whose elements it is repeated for: a list parameter or a kept list.
    pub(crate) repeated: Option<Slot>,
    /// Added to the URL.
    pub(crate) query: Vec<(Box<str>, Template)>,
    /// Added to the headers of every request, or in their place.
    pub(crate) headers: Vec<(HeaderName, Template)>,
    /// What it carries.
    pub(crate) body: Body,
    /// The `Authorization` header.
    pub(crate) authorization: Authorization,
    /// How its answer is read.
    pub(crate) answer: Described,
    /// The statuses that are not failures by themselves.
    pub(crate) accept: Vec<RangeInclusive<u16>>,
    /// How its answer states an error.
    pub(crate) error: ErrorRule,
    /// What later calls use of its answer: the number of the name, the name and its expression. The calls of a login number theirs by
    /// themselves.
    pub(crate) keep: Vec<(usize, Box<str>, Expression)>,
    /// What of its answer is secret.
    pub(crate) private: Vec<Expression>,
    /// What its answer says.
    pub(crate) readings: Vec<ReadingRule>,
}

/// The method of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    Get,
    Post,
    Head,
}

/// How an answer is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Described {
    Json,
    Xml,
    /// The trimmed body is one text.
    Text,
    /// Not at all.
    None,
}

/// The value that stands for `${NAME}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slot {
    /// A parameter, by its index.
    Parameter(usize),
    /// What an earlier call has kept, by its number.
    Kept(usize),
    /// The session's token.
    Session,
    /// The element that a repeated call is made for.
    Element,
}

/// A text with slots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template(pub(crate) Box<[Piece]>);

/// A part of a text with slots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    Text(Box<str>),
    Slot(Slot),
}

/// A URL with slots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    /// The parameter whose value it begins with; `None` where it begins with a fixed `http://` or `https://`.
    pub(crate) base: Option<usize>,
    /// What follows: path, and the query where the description writes one there. Without a base, all of it.
    pub(crate) rest: Template,
}

/// What a call carries.
#[derive(Debug)]
pub(crate) enum Body {
    None,
    Json(Json),
    Form(Vec<(Box<str>, Template)>),
    Text { content_type: Box<str>, text: Template },
}

/// A JSON document with slots.
#[derive(Debug)]
pub(crate) enum Json {
    Null,
    Flag(bool),
    /// In the syntax of JSON.
    Number(Box<str>),
    /// A slot alone becomes the text, or the list where it holds one.
    Text(Template),
    List(Vec<Json>),
    Object(Vec<(Box<str>, Json)>),
}

/// The `Authorization` header of a call.
#[derive(Debug)]
pub(crate) enum Authorization {
    None,
    Bearer(Template),
    Basic { username: Template, password: Template },
}

/// How an answer states an error.
#[derive(Debug)]
pub(crate) enum ErrorRule {
    /// By `error` or `errors` at the root, as for every provider.
    Usual,
    /// Not at all: the answers have harmless ones.
    Off,
    /// As described, and as for every provider.
    Described(Box<Error>),
}

/// A described error.
#[derive(Debug)]
pub(crate) struct Error {
    /// Whether the answer states an error.
    pub(crate) when: Expression,
    /// The vendor's code.
    pub(crate) code: Option<TextRule>,
    /// The vendor's words.
    pub(crate) message: Option<TextRule>,
    /// What each code means, as text.
    pub(crate) reasons: Vec<(Box<str>, Outcome)>,
    /// What any other code means.
    pub(crate) otherwise: Outcome,
}

/// What an error code means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Reason(Reason),
    /// The status decides; `rejected` under an accepted one.
    Status,
}

/// A text of a reading: fixed, or read from the answer.
#[derive(Debug)]
pub(crate) enum TextRule {
    Fixed(Template),
    Read(Expression),
}

/// How one or several readings come from an answer.
#[derive(Debug)]
pub(crate) struct ReadingRule {
    /// One reading for each output; `None` for the whole answer.
    pub(crate) each: Option<Expression>,
    /// At least one, each kind once. In the order of [`FigureKind`].
    pub(crate) figures: Vec<FigureRule>,
    pub(crate) account: Option<TextRule>,
    pub(crate) currency: Option<TextRule>,
    /// The human name of the account.
    pub(crate) name: Option<TextRule>,
    pub(crate) unit: Option<TextRule>,
    pub(crate) area: Option<TextRule>,
    pub(crate) sms_type: Option<TextRule>,
    /// By what amounts, units and messages are multiplied.
    pub(crate) scale: Scale,
    /// How amounts, units and messages are written.
    pub(crate) format: FigureFormat,
    /// What a null figure is.
    pub(crate) missing: Missing,
    /// Of dates that state none.
    pub(crate) zone: Zone,
}

/// By what figures are multiplied.
#[derive(Debug)]
pub(crate) enum Scale {
    Fixed(rust_decimal::Decimal),
    Read(Expression),
}

/// A figure and where it is in the answer.
#[derive(Debug)]
pub(crate) struct FigureRule {
    pub(crate) kind: FigureKind,
    pub(crate) expression: Expression,
}

/// What a figure is. The order is that of the description's reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum FigureKind {
    Available,
    Active,
    Total,
    CreditLimit,
    Units,
    Sms,
    Expires,
    ExpiresIn,
    Resets,
    ResetsIn,
    Forbidden,
}

impl FigureKind {
    /// Every kind.
    pub(crate) const ALL: [Self; 11] = [
        Self::Available,
        Self::Active,
        Self::Total,
        Self::CreditLimit,
        Self::Units,
        Self::Sms,
        Self::Expires,
        Self::ExpiresIn,
        Self::Resets,
        Self::ResetsIn,
        Self::Forbidden,
    ];

    /// The key in a description.
    #[must_use]
    pub(crate) const fn key(self) -> &'static str {
        match self {
            Self::Available => "available",
            Self::Active => "active",
            Self::Total => "total",
            Self::CreditLimit => "credit_limit",
            Self::Units => "units",
            Self::Sms => "sms",
            Self::Expires => "expires",
            Self::ExpiresIn => "expires_in",
            Self::Resets => "resets",
            Self::ResetsIn => "resets_in",
            Self::Forbidden => "forbidden",
        }
    }
}

/// What a null figure is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Missing {
    /// An unreadable answer.
    Fail,
    /// No reading.
    Skip,
    /// This amount or count; not for dates and flags.
    Is(rust_decimal::Decimal),
}
