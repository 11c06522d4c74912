//! `check`: everything that a start would find wrong, without a start.

use super::{Failed, load, print};
use crate::commands::cli::Options;
use crate::poll::assemble::assemble;
use crate::server::access::Web;
use crate::transport::client::Clients;

pub(super) fn run(options: &Options) -> Result<(), Failed> {
    let config = load(options, &[])?;
    let count = config.sources.len();
    assemble(config, &mut Clients::default())?;
    Web::open(options.web_config_file.as_deref())?;
    let sources = if count == 1 { "source" } else { "sources" };
    print(&format!("{}: good, {count} {sources}\n", options.config_file.display()))?;
    options.web_config_file.iter().try_for_each(|path| print(&format!("{}: good\n", path.display())))
}
