//! The log: to standard error, one line an event, in color on a terminal, without a time under systemd, which adds it.

use std::io::IsTerminal;

use anyhow::{Context, Result};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::time::Uptime;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Libraries whose warnings are about every closed tab, and some of whose errors have addresses in them; what matters of
/// them we say ourselves.
const QUIET: [&str; 5] = ["webrtc=off", "rtc=off", "rtc_ice=off", "rmqtt=error", "rumqttc=error"];

/// Starts logging.
///
/// # Errors
/// When the filter is wrong.
pub fn init(filter: &str) -> Result<()> {
    // The user's own directives come last, and win.
    let directives = QUIET.join(",") + "," + filter;
    let filter = EnvFilter::try_new(directives).with_context(|| {
        format!("“{filter}” is no log filter; write for example --log debug or --log lunette=debug")
    })?;
    let terminal = std::io::stderr().is_terminal();
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(terminal).with_target(false);
    let registry = tracing_subscriber::registry().with(filter);
    if std::env::var_os("JOURNAL_STREAM").is_some() {
        registry.with(layer.without_time()).try_init()
    } else {
        registry.with(layer.with_timer(Uptime::default())).try_init()
    }
    .context("logging was started twice")
}
