//! The `lunette` daemon: arguments, log, what was asked for, exit code.

use std::process::ExitCode;

use lunette::cli::{self, Command};
use lunette::config::ConfigError;

fn main() -> ExitCode {
    let cli = cli::parse();
    match run(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            // Once, in one line for each cause; `{:#}` would put them in one.
            eprintln!("lunette: {e}");
            for cause in e.chain().skip(1) {
                eprintln!("  because: {cause}");
            }
            ExitCode::from(if e.is::<ConfigError>() { cli::EXIT_USAGE } else { cli::EXIT_FAILURE })
        }
    }
}

fn run(cli: &cli::Cli) -> anyhow::Result<()> {
    // For the libraries that ask for the process's own; an error says that there is one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match &cli.command {
        Command::Run(run) => {
            lunette::log::init(&cli.log_filter())?;
            lunette::daemon::run(run)
        }
        Command::Check(check) => {
            print!("{}", check.run()?);
            Ok(())
        }
        Command::Probe(probe) => {
            print!("{}", probe.run()?);
            Ok(())
        }
    }
}
