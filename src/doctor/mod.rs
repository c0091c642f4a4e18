//! `lunette doctor`: what works and what does not, each with what helps.
//!
//! Each part reads what there is to read, within a few seconds, and judges it by functions that know nothing but what
//! was read. Nothing is changed: no identity is made, no folder, and a running daemon goes on.

pub mod broker;
pub mod choice;
pub mod finding;
pub mod ice;
pub mod machine;
pub mod nodes;
pub mod picture;
pub mod storage;

use std::io::{self, IsTerminal, Write};
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde::Serialize;

use crate::board::{self, Board};
use crate::config::{Camera, Config, ConfigError, Loaded};
use crate::identity::Identity;
use finding::{Area, Finding, Verdict};

/// A device or a file system that hangs is given up after so long.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is told while it goes on.
#[derive(Clone, Copy, Debug)]
pub enum Told<'a> {
    /// This is looked at now, which can take seconds.
    Looking(&'a str),
    /// This was found.
    Found(&'a Finding),
}

/// Where findings go as they come.
pub struct Report<'a> {
    findings: Vec<Finding>,
    tell: &'a mut dyn FnMut(Told<'_>),
}

impl std::fmt::Debug for Report<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.findings.fmt(f)
    }
}

impl Report<'_> {
    fn add(&mut self, findings: impl IntoIterator<Item = Finding>) {
        for finding in findings {
            (self.tell)(Told::Found(&finding));
            self.findings.push(finding);
        }
    }

    fn look(&mut self, at: &str) {
        (self.tell)(Told::Looking(at));
    }

    /// Adds what `look` finds, on a thread of its own, since nothing else ends a call that hangs in the kernel.
    fn within(&mut self, id: &'static str, area: Area, look: impl FnOnce() -> Vec<Finding> + Send + 'static) {
        let (found, wait) = std::sync::mpsc::channel();
        std::thread::spawn(move || found.send(look()));
        let findings = wait.recv_timeout(PATIENCE).unwrap_or_else(|_| {
            let text = format!("no answer within {} s: a driver or a file system hangs", PATIENCE.as_secs());
            vec![Finding::fail(id, area, text, "dmesg names it; unplug what was plugged in last")]
        });
        self.add(findings);
    }
}

/// All findings, for programs.
#[derive(Debug, Serialize)]
struct Sheet<'a> {
    version: &'a str,
    board: &'a str,
    verdict: Verdict,
    findings: &'a [Finding],
}

/// Looks at everything, shows it, and returns the worst of it. `root`: where `/dev`, `/proc`, `/sys` and `/run` are.
///
/// # Errors
/// When standard output cannot be written.
pub fn run(loaded: &Result<Loaded, ConfigError>, root: &Path, json: bool) -> io::Result<Verdict> {
    let mut out = io::stdout();
    let color = out.is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let mut failed = Ok(());
    let progress = !json && io::stderr().is_terminal() && out.is_terminal();
    let mut tell = |told: Told<'_>| match told {
        // Overwritten by what comes next.
        Told::Looking(at) if progress => eprint!("\x1b[2K  looking at {at} …\r"),
        Told::Found(finding) if !json && failed.is_ok() => {
            let clear = if progress { "\x1b[2K" } else { "" };
            failed = io::stdout().write_all(format!("{clear}{}", finding.line(color)).as_bytes());
        }
        _ => {}
    };
    let findings = examine(loaded, root, &mut tell);
    failed?;
    let verdict = finding::worst(&findings);
    if json {
        let board = &board::this().name;
        let sheet = Sheet { version: env!("CARGO_PKG_VERSION"), board, verdict, findings: &findings };
        writeln!(out, "{}", serde_json::to_string_pretty(&sheet)?)?;
    } else {
        writeln!(out, "\n{}", finding::summary(&findings))?;
    }
    Ok(verdict)
}

/// Looks at everything, in an order in which the reason comes before what follows from it.
pub fn examine(loaded: &Result<Loaded, ConfigError>, root: &Path, tell: &mut dyn FnMut(Told<'_>)) -> Vec<Finding> {
    let mut report = Report { findings: Vec::new(), tell };
    let board = board::find(&board::compatible(root));
    report.add([machine_kind(&board)]);
    report.add(user());
    report.add(machine::examine(root, SystemTime::now()));
    report.look("the devices");
    let devices = root.to_owned();
    let needed = loaded.as_ref().is_ok_and(|l| matches!(l.config.camera, Camera::Auto | Camera::V4l2(_)));
    report.within("nodes", Area::Devices, move || nodes::examine(&devices, needed));
    match loaded {
        Ok(loaded) => {
            report.add(config(loaded, &board));
            configured(&loaded.config, &board, &mut report);
        }
        Err(error) => {
            let fix = "lunette check points at it; nothing that needs the config was looked at";
            report.add([Finding::fail("config", Area::Config, error.to_string(), fix)]);
        }
    }
    report.findings
}

fn machine_kind(board: &Board) -> Finding {
    let tested = board.tested_on.as_str();
    let text = match board.notes.first() {
        _ if board.compatible.is_empty() => {
            "none that Lunette knows by name; openh264 encodes what no device does".to_owned()
        }
        Some(note) => format!("{}, tested on: {tested}; {note}", board.name),
        None => format!("{}, tested on: {tested}", board.name),
    };
    if board.compatible.is_empty() {
        Finding::ok("board", Area::Board, text)
    } else {
        Finding::note("board", Area::Board, text)
    }
}

/// Root may do what the unit's user may not.
fn user() -> Option<Finding> {
    let is_root = std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0);
    let text = "run as root, who may open everything: what the unit's user may, it does not say";
    let fix = "sudo -u lunette lunette doctor";
    is_root.then(|| Finding::note("user", Area::State, text).with_fix(fix))
}

fn config(loaded: &Loaded, board: &Board) -> Vec<Finding> {
    let warnings = loaded.warnings.iter().chain(&board.warnings(&loaded.config)).cloned().collect::<Vec<_>>();
    if warnings.is_empty() {
        let files: Vec<_> = loaded.files.iter().map(|file| file.display().to_string()).collect();
        let text = if files.is_empty() { "all is default".to_owned() } else { format!("good: {}", files.join(", ")) };
        return vec![Finding::ok("config", Area::Config, text)];
    }
    let finding = |text| Finding { verdict: Verdict::Warn, ..Finding::ok("config", Area::Config, text) };
    warnings.into_iter().map(finding).collect()
}

/// What a good config makes it possible to look at.
fn configured(config: &Config, board: &Board, report: &mut Report<'_>) {
    let mut camera_id = None;
    match config.state.path() {
        Err(error) => report.add([Finding::fail("state", Area::State, error.to_string(), "--state DIR")]),
        Ok(folder) => {
            report.look("the disk");
            let state = folder.clone();
            report.within("state", Area::State, move || storage::examine(&state));
            match Identity::look(&folder) {
                Ok(id) => camera_id = id,
                Err(error) => {
                    let fix = "as the error says; or run it as the user that owns the folder";
                    report.add([Finding::fail("identity", Area::State, error.to_string(), fix)]);
                }
            }
        }
    }
    report.look("the cameras");
    let (camera, video, of) = (config.camera.clone(), config.video.clone(), board.clone());
    report.within("choice", Area::Camera, move || choice::examine(&camera, &video, &of));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            let fix = "too many open files? ulimit -n";
            return report.add([Finding::fail("runtime", Area::Config, format!("cannot start: {error}"), fix)]);
        }
    };
    report.look("a second of pictures");
    report.add(picture::judge(&runtime.block_on(picture::watch(config.camera.clone(), config.video.clone()))));
    report.look("the broker");
    report.add(runtime.block_on(broker::examine(config.signal.mqtt.as_ref(), camera_id)));
    report.look("STUN and TURN servers");
    report.add(runtime.block_on(ice::examine(&config.ice)));
    report.add([port(config)]);
    // A camera's thread that hangs must not hold us up.
    runtime.shutdown_background();
}

/// Whether `run --local` could listen.
fn port(config: &Config) -> Finding {
    let listen = config.local.listen;
    let fix = format!("ss -ltnp 'sport = :{}' names the program; --listen takes another port", listen.port());
    match TcpListener::bind(listen) {
        Ok(_) => Finding::ok("port", Area::Local, format!("{listen} is free for `run --local`")),
        // That is as it should be when a Lunette runs there, and no matter when it never will.
        Err(e) if e.kind() == io::ErrorKind::AddrInUse => {
            let text = format!("{listen} is in use, by a Lunette that runs or by another program");
            Finding::note("port", Area::Local, text).with_fix(fix)
        }
        Err(e) if config.signal.mqtt.is_some() => {
            Finding::note("port", Area::Local, format!("`run --local` could not listen on {listen}: {e}"))
        }
        Err(e) => Finding::fail("port", Area::Local, format!("`run --local` cannot listen on {listen}: {e}"), fix),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_config_is_said_with_the_rest() {
        let error = Config::parse("[video]\nfps = 500").unwrap_err();
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/boards/pi-zero-2-w-weak");
        let mut told = Vec::new();
        let findings = examine(&Err(error), &root, &mut |now| {
            if let Told::Found(finding) = now {
                told.push(finding.id);
            }
        });
        told.retain(|id| *id != "user");
        assert_eq!(told, ["board", "clock", "power", "temperature", "nodes", "config"]);
        assert!(findings[0].text.starts_with("Raspberry Pi Zero 2 W, tested on: nothing"), "{}", findings[0].text);
        let last = findings.last().unwrap();
        assert_eq!(last.verdict, Verdict::Fail);
        assert!(last.text.contains("lunette.toml:2"), "{}", last.text);
    }

    #[test]
    fn what_hangs_is_given_up() {
        let mut tell = |_: Told<'_>| {};
        let mut report = Report { findings: Vec::new(), tell: &mut tell };
        report.within("nodes", Area::Devices, || vec![Finding::ok("nodes", Area::Devices, "fine")]);
        let (never, hangs) = std::sync::mpsc::channel::<()>();
        let began = std::time::Instant::now();
        report.within("nodes", Area::Devices, move || {
            let _ = hangs.recv();
            Vec::new()
        });
        drop(never);
        let verdicts: Vec<_> = report.findings.iter().map(|f| f.verdict).collect();
        assert_eq!(verdicts, [Verdict::Ok, Verdict::Fail]);
        assert!(began.elapsed() >= PATIENCE);
    }

    #[test]
    fn a_port_that_is_taken_is_said() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let with = |address: std::net::SocketAddr| {
            let mut config = Config::default();
            config.local.listen = address;
            port(&config)
        };
        assert_eq!(with(taken.local_addr().unwrap()).verdict, Verdict::Note);
        // 192.0.2.0/24 is nobody's (RFC 5737).
        assert_eq!(with(([192, 0, 2, 1], 8080).into()).verdict, Verdict::Fail);
        let address = taken.local_addr().unwrap();
        drop(taken);
        assert_eq!(with(address).verdict, Verdict::Ok);
    }
}
