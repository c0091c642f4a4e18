//! Arguments.
//!
//! Exit codes: 0 all is well, 1 something failed, 2 the arguments or the config are wrong.

mod table;
mod trust;

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::acl;
use crate::board;
use crate::camera;
use crate::config::{self, Camera, Config, ConfigError, Flag, Gst, Loaded, Sources};
use crate::doctor::{self, finding::Verdict};

pub use trust::show as show_invitation;

/// Exit code when something failed.
pub const EXIT_FAILURE: u8 = 1;
/// Exit code when the arguments or the config are wrong.
pub const EXIT_USAGE: u8 = 2;

const EXAMPLES: &str = "\
Examples:
  lunette run --local                     page and broker included: open the link that it prints
  lunette run --local --camera testcard   the same with a moving test picture
  lunette run                             with the broker in /etc/lunette/lunette.toml
  lunette check                           is the config good, and what would be used?
  lunette probe                           which cameras and encoders are there?
  lunette doctor                          what works, what does not, and what helps
  lunette pair                            a link and a QR code for one more viewer
  lunette viewers                         who may watch

Exit codes: 0 all is well, 1 something failed, 2 the arguments or the config are wrong.";

const RUN_EXAMPLES: &str = "\
Examples:
  lunette run --local
  lunette run --local --camera /dev/video0 --name 'Front door'
  lunette run --local --listen 127.0.0.1:8081
  LUNETTE_LOCAL__PASSWORD_FILE=$HOME/viewer-password lunette run --local --listen 0.0.0.0:8443
  lunette run --config /etc/lunette/lunette.toml

Every key of the config can also be a variable: LUNETTE_VIDEO__SIZE=640x480 is `size` in [video].";

const CHECK_EXAMPLES: &str = "\
Examples:
  lunette check
  lunette check --config ./lunette.toml
  lunette check --print-default > /etc/lunette/lunette.toml";

const DOCTOR_EXAMPLES: &str = "\
Examples:
  sudo -u lunette lunette doctor          as the user that the unit runs as: root may do what it may not
  lunette doctor --camera testcard        everything but the camera
  lunette doctor --json                   for programs; docs/operations.md has the names

It takes a few seconds, opens the camera, and logs in at the broker beside a daemon that runs. Exit codes: 0 all is well
or worth a look, 1 something does not work, 2 the arguments or the config are wrong.";

const PAIR_EXAMPLES: &str = "\
Examples:
  lunette pair                            for the first viewer: the owner; then for somebody who only watches
  lunette pair --role admin               who may invite and revoke others
  lunette pair --page https://page.example.net/ --broker wss://broker.example.net:8884/mqtt
  sudo lunette pair --state /var/lib/lunette/front      of the unit lunette@front

The daemon must run. The link is good for one viewer, for 15 minutes; a new one takes the place of the one before.";

/// A camera's picture in a browser: H.264 over WebRTC, signaled by MQTT.
#[derive(Debug, Parser)]
#[command(name = "lunette", version, after_help = EXAMPLES, max_term_width = 100, disable_help_subcommand = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Log more; twice: still more
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// What to log: a level, or for example `lunette=debug,warn`
    #[arg(long, global = true, value_name = "FILTER", env = "LUNETTE_LOG")]
    pub log: Option<String>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the daemon
    #[command(after_help = RUN_EXAMPLES)]
    Run(Run),
    /// Read the config, and say what would be used or what is wrong
    #[command(after_help = CHECK_EXAMPLES)]
    Check(Check),
    /// List cameras and encoders, and what they can do
    Probe(Probe),
    /// Say what works and what does not, each with what helps
    #[command(after_help = DOCTOR_EXAMPLES)]
    Doctor(Doctor),
    /// Print a broker's access rules: who may publish and read what
    #[command(after_help = acl::EXAMPLES)]
    Acl(acl::Acl),
    /// Make a link, and its QR code, by which one viewer is paired
    #[command(after_help = PAIR_EXAMPLES)]
    Pair(trust::Pair),
    /// List who may watch
    Viewers(trust::Viewers),
    /// Forget a viewer; its sessions end at once
    Revoke(trust::Revoke),
    /// Forget all viewers
    Reset(trust::Reset),
    /// Say how the daemon that runs is, and who watches now
    Status(trust::State),
    /// Show who was paired, watched, was refused or revoked; or check that nobody changed that
    Audit(trust::Audit),
}

/// Where the config is.
#[derive(Args, Clone, Debug, Default)]
pub struct ConfigFile {
    /// The config file; beside `x.toml`, `x.d/*.toml` too [default: /etc/lunette/lunette.toml, if it exists]
    #[arg(short, long, value_name = "FILE", env = "LUNETTE_CONFIG")]
    pub config: Option<PathBuf>,
}

/// `lunette run`
#[derive(Args, Clone, Debug, Default)]
pub struct Run {
    /// Where the config is.
    #[command(flatten)]
    pub file: ConfigFile,
    /// Serve the page and a broker of its own, on one port
    #[arg(long)]
    pub local: bool,
    /// With --local: address and port [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR", requires = "local")]
    pub listen: Option<SocketAddr>,
    /// The folder for identity and certificates
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// Where pictures come from: `auto`, `testcard`, or a device like /dev/video0
    #[arg(long, value_name = "CAMERA")]
    pub camera: Option<String>,
    /// The camera's name, for people
    #[arg(long)]
    pub name: Option<String>,
}

/// `lunette check`
#[derive(Args, Clone, Debug, Default)]
pub struct Check {
    /// Where the config is.
    #[command(flatten)]
    pub file: ConfigFile,
    /// Print the default config, commented, and do nothing else
    #[arg(long)]
    pub print_default: bool,
    /// For the unit: say only whether there is a broker to serve; leave what is wrong for `lunette run` to say
    #[arg(long, conflicts_with = "print_default")]
    pub service: bool,
}

/// `lunette probe`
#[derive(Args, Clone, Debug, Default)]
pub struct Probe {
    /// For programs: JSON
    #[arg(long)]
    pub json: bool,
}

/// `lunette doctor`
#[derive(Args, Clone, Debug, Default)]
pub struct Doctor {
    /// Where the config is.
    #[command(flatten)]
    pub file: ConfigFile,
    /// The folder for identity and certificates
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// Where pictures come from, as with `run`
    #[arg(long, value_name = "CAMERA")]
    pub camera: Option<String>,
    /// For programs: JSON
    #[arg(long)]
    pub json: bool,
    /// Another machine's files: device tree, power, clock, device nodes
    #[arg(long, value_name = "DIR", default_value = "/", hide = true)]
    pub root: PathBuf,
}

/// Reads this process' arguments. Ends the process when they are wrong (2), or ask for help or the version (0).
pub fn parse() -> Cli {
    Cli::parse()
}

impl Cli {
    /// What to log, for `tracing_subscriber::EnvFilter`.
    pub fn log_filter(&self) -> String {
        match (&self.log, self.verbose) {
            (Some(filter), _) => filter.clone(),
            (None, 0) => "lunette=info,warn".to_owned(),
            (None, 1) => "lunette=debug,warn".to_owned(),
            (None, _) => "lunette=trace,info".to_owned(),
        }
    }
}

impl Run {
    /// The config with this command's flags over it.
    ///
    /// # Errors
    /// When the config is wrong.
    pub fn load(&self) -> Result<Loaded, ConfigError> {
        Config::load(&self.sources())
    }

    fn sources(&self) -> Sources {
        let mut flags = Vec::new();
        let mut flag = |name, path, value: Option<String>| flags.extend(value.map(|value| Flag { name, path, value }));
        let camera = match self.camera.as_deref() {
            Some(device) if device.contains('/') => &["camera", "v4l2", "device"][..],
            _ => &["camera"][..],
        };
        flag("--camera", camera, self.camera.clone());
        flag("--listen", &["local", "listen"], self.listen.map(|a| a.to_string()));
        flag("--state", &["state", "dir"], self.state.as_ref().map(|p| p.display().to_string()));
        flag("--name", &["name"], self.name.clone());
        Sources { flags, ..self.file.sources() }
    }
}

impl ConfigFile {
    fn sources(&self) -> Sources {
        Sources {
            defaults: Some(board::this().defaults()),
            file: self.config.clone(),
            variables: std::env::vars_os().collect(),
            flags: Vec::new(),
        }
    }
}

impl Check {
    /// The answer: a few lines for people.
    ///
    /// # Errors
    /// When the config is wrong.
    pub fn run(&self) -> Result<String, ConfigError> {
        if self.print_default {
            return Ok(config::DEFAULT_TOML.to_owned());
        }
        match (Config::load(&self.file.sources()), self.service) {
            (loaded, false) => look_at_pipeline(loaded?).map(|loaded| summary(&loaded)),
            (Ok(loaded), true) if loaded.config.signal.mqtt.is_none() => Err(ConfigError::NoBroker),
            (_, true) => Ok(String::new()),
        }
    }
}

impl Doctor {
    /// Looks at everything, shows it, and says what the exit code is.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub fn run(&self) -> std::io::Result<u8> {
        let Self { file, state, camera, json, root } = self.clone();
        let loaded = Run { file, state, camera, ..Run::default() }.load();
        let worst = doctor::run(&loaded, &root, json)?;
        Ok(match worst {
            _ if loaded.is_err() => EXIT_USAGE,
            Verdict::Fail => EXIT_FAILURE,
            Verdict::Ok | Verdict::Note | Verdict::Warn => 0,
        })
    }
}

impl Probe {
    /// The answer: a table for people, or JSON for programs.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub fn run(&self) -> serde_json::Result<String> {
        let devices = camera::probe::list();
        if self.json {
            Ok(serde_json::to_string_pretty(&devices)? + "\n")
        } else {
            Ok(camera::probe::probe_table(&devices))
        }
    }
}

/// What would be used, a line for each thing.
fn summary(loaded: &Loaded) -> String {
    let Config { name, state, camera, video, signal, rtc, viewers, local, ice } = &loaded.config;
    let mut text = String::from("The config is good.\n\n");
    let mut line = |key: &str, value: String| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{key:<9}{value}");
    };
    line(
        "files",
        match loaded.files.as_slice() {
            [] => format!("none ({} does not exist); all is default", config::DEFAULT_FILE),
            files => files.iter().map(|f| f.display().to_string()).collect::<Vec<_>>().join(", "),
        },
    );
    let board = board::this();
    line("board", board.name.clone());
    line("name", name.clone());
    line(
        "camera",
        match camera {
            Camera::Auto => "the first that is found, else a test picture".to_owned(),
            Camera::V4l2(v4l2) => v4l2.device.display().to_string(),
            Camera::Gst(gst) => describe(gst),
            Camera::TestCard => "a test picture".to_owned(),
        },
    );
    line("video", format!("{}, {}, {}", video.size, video.fps, video.bitrate));
    line(
        "broker",
        match &signal.mqtt {
            Some(mqtt) => match &mqtt.user {
                Some(user) => format!("{} as {user}", mqtt.url),
                None => mqtt.url.to_string(),
            },
            None => "none: only `lunette run --local` works".to_owned(),
        },
    );
    line("port", {
        let port = rtc.port.map_or("UDP, chosen by the system at each start".to_owned(), |port| format!("UDP {port}"));
        port + if rtc.policy == config::Policy::Relay { "; only by a TURN server" } else { "" }
    });
    line("ice", config::describe_ice(ice));
    line("viewers", format!("at most {}", viewers.max));
    let scheme = if local.is_https() { "https" } else { "http" };
    line("--local", format!("{scheme}://{}", local.listen));
    line("state", state.path().map_or_else(|e| e.to_string(), |p| p.display().to_string()));
    for warning in loaded.warnings.iter().chain(&board.warnings(&loaded.config)) {
        let _ = write!(text, "\nwarning: {warning}\n");
    }
    text
}

/// Has GStreamer look at its part of the config, where it has one.
fn look_at_pipeline(mut loaded: Loaded) -> Result<Loaded, ConfigError> {
    let Camera::Gst(gst) = &loaded.config.camera else { return Ok(loaded) };
    match camera::gst::check(gst, &loaded.config.video) {
        Ok(missing) => loaded.warnings.extend(missing.into_iter().map(|what| format!("[camera.gst] {what}"))),
        Err(complaint) => {
            let key = if gst.pipeline.is_some() { "pipeline" } else { "preset" };
            return Err(loaded.wrong(&["camera", "gst", key], complaint.near.as_deref(), &complaint.message));
        }
    }
    Ok(loaded)
}

fn describe(gst: &Gst) -> String {
    match (&gst.pipeline, gst.preset) {
        (Some(pipeline), _) => format!("GStreamer: {pipeline}"),
        (None, Some(preset)) => format!("GStreamer, preset {}", preset.as_str()),
        (None, None) => "GStreamer".to_owned(),
    }
}

#[cfg(test)]
#[path = "cli_tests.rs"]
mod tests;
