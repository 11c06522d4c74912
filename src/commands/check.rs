//! `check`: everything that a start would find wrong, without a start.

use super::{Failed, load, print};
use crate::assemble::assemble;
use crate::cli::Options;

pub(super) fn run(options: &Options) -> Result<(), Failed> {
    let config = load(options, &[])?;
    let count = config.sources.len();
    assemble(config)?;
    let sources = if count == 1 { "source" } else { "sources" };
    print(&format!("{}: good, {count} {sources}\n", options.config_file.display()))
}
