//! Services by description: a provider whose requests and readings are described in YAML instead of Rust.
//!
//! A [`Description`] is compiled once and shared by all sources that use it. It owns no connection, clock or metric.

mod description;
mod expression;
mod figure;
mod time;

pub(crate) use description::{
    Address, Authorization, Body, Call, Described, Description, Error, ErrorRule, FigureKind, FigureRule, Json, Lifetime, Method,
    Missing, Outcome, Pace, Parameter, Piece, ReadingRule, Scale, Session, Slot, Template, TextRule,
};
