//! The `lunette` daemon: arguments, log, what was asked for, exit code.

use std::process::ExitCode;

use lunette::cli::{self, Command};
use lunette::config::ConfigError;
use lunette::keeper::StoreError;
use lunette::signal::broker::BrokerError;
use lunette::turn::OpenError;

fn main() -> ExitCode {
    let cli = cli::parse();
    match run(&cli) {
        Ok(code) => ExitCode::from(code),
        Err(e) => {
            // Once, in one line for each cause; `{:#}` would put them in one.
            eprintln!("lunette: {e}");
            for cause in e.chain().skip(1) {
                eprintln!("  because: {cause}");
            }
            ExitCode::from(if is_config(&e) { cli::EXIT_USAGE } else { cli::EXIT_FAILURE })
        }
    }
}

/// Whether the config is wrong, or a file that it names: what trying again does not mend.
fn is_config(e: &anyhow::Error) -> bool {
    e.is::<ConfigError>()
        || e.is::<BrokerError>()
        || e.is::<OpenError>()
        || e.downcast_ref().is_some_and(|e| matches!(e, StoreError::Damaged { .. }))
}

/// The exit code, unless something failed.
fn run(cli: &cli::Cli) -> anyhow::Result<u8> {
    // For the libraries that ask for the process's own; an error says that there is one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match &cli.command {
        Command::Run(run) => {
            lunette::log::init(&cli.log_filter())?;
            lunette::camera::gst::prepare();
            lunette::daemon::run(run)?;
        }
        Command::Check(check) => {
            print!("{}", check.run()?);
        }
        Command::Probe(probe) => {
            print!("{}", probe.run()?);
        }
        Command::Pair(pair) => print!("{}", pair.run()?),
        Command::Viewers(viewers) => print!("{}", viewers.run()?),
        Command::Revoke(revoke) => print!("{}", revoke.run()?),
        Command::Reset(reset) => print!("{}", reset.run()?),
        Command::Status(status) => print!("{}", status.run()?),
        Command::Audit(audit) => print!("{}", audit.run()?),
        Command::Doctor(doctor) => {
            // What the daemon would log is found, and said, here; but who asks for the log gets it too.
            if cli.verbose > 0 || cli.log.is_some() {
                lunette::log::init(&cli.log_filter())?;
            }
            return Ok(doctor.run()?);
        }
        Command::Acl(acl) => {
            let (rules, beside) = acl.run()?;
            eprint!("{beside}");
            print!("{rules}");
        }
    }
    Ok(0)
}
