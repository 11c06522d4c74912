//! `check`: everything that the daemon checks when it starts, without starting it.

use super::{Failed, assemble, print};
use crate::commands::cli::Options;
use crate::config::Config;
use crate::server::access::Web;
use crate::transport::client::Clients;

pub(super) fn run(options: &Options) -> Result<(), Failed> {
    let config = Config::check(&options.config_file)?;
    let count = config.sources.len();
    assemble(config, &mut Clients::default())?;
    Web::open(options.web_config_file.as_deref())?;
    let sources = if count == 1 { "source" } else { "sources" };
    print(&format!("{}: good, {count} {sources}\n", options.config_file.display()))?;
    options.web_config_file.iter().try_for_each(|path| print(&format!("{}: good\n", path.display())))
}
