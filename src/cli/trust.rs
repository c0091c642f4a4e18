//! The commands about who may watch: `pair`, `viewers`, `revoke`, `reset`, `status`, `audit`.

use std::fmt::Write as _;
use std::io::{self, BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;

use super::{ConfigFile, Run, table};
use crate::audit::chain::{Entry, Line};
use crate::audit::{What, log};
use crate::clock::Wall;
use crate::config::{Loaded, PageUrl};
use crate::control::client::{self, AskError};
use crate::control::{Ask, Invitation, Known, Reply};
use crate::identity::{self, Identity};
use crate::invite::{Link, qr};
use crate::keeper::{self, Kept, Lock, StoreError};
use crate::trust::{Actor, Role};

/// Where the packaged daemon keeps its state; a person who asks has another place by default.
const PACKAGED: &str = "/var/lib/lunette";

/// Which camera is meant.
#[derive(Args, Clone, Debug, Default)]
pub struct Place {
    /// Where the config is.
    #[command(flatten)]
    pub file: ConfigFile,
    /// The daemon's state folder: /var/lib/lunette/front for lunette@front
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
}

/// `lunette pair`
#[derive(Args, Clone, Debug, Default)]
pub struct Pair {
    /// Which camera.
    #[command(flatten)]
    pub place: Place,
    /// What whoever uses the link may do: view, talk, admin, owner [default: owner for the first, then view]
    #[arg(long)]
    pub role: Option<Role>,
    /// The viewer page's address [default: [signal] page, or that of `run --local`]
    #[arg(long, value_name = "URL")]
    pub page: Option<PageUrl>,
    /// The broker's address for browsers, wss://…, when the page does not know it
    #[arg(long, value_name = "URL")]
    pub broker: Option<String>,
}

/// `lunette viewers`
#[derive(Args, Clone, Debug, Default)]
pub struct Viewers {
    /// Which camera.
    #[command(flatten)]
    pub place: Place,
    /// For programs: JSON
    #[arg(long)]
    pub json: bool,
}

/// `lunette revoke`
#[derive(Args, Clone, Debug, Default)]
pub struct Revoke {
    /// Which camera.
    #[command(flatten)]
    pub place: Place,
    /// The viewer's id, or its label where only one has it
    pub viewer: String,
}

/// `lunette reset`
#[derive(Args, Clone, Debug, Default)]
pub struct Reset {
    /// Which camera.
    #[command(flatten)]
    pub place: Place,
    /// Make it another camera: forget its keys too, and with them its id and every link to it
    #[arg(long)]
    pub identity: bool,
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
}

/// `lunette status`
#[derive(Args, Clone, Debug, Default)]
pub struct State {
    /// Which camera.
    #[command(flatten)]
    pub place: Place,
    /// For programs: JSON
    #[arg(long)]
    pub json: bool,
}

/// `lunette audit`
#[derive(Args, Clone, Debug, Default)]
pub struct Audit {
    /// Which camera.
    #[command(flatten)]
    pub place: Place,
    /// For programs: the lines as they are kept
    #[arg(long)]
    pub json: bool,
    /// Say only whether all lines are those that were written
    #[arg(long)]
    pub verify: bool,
}

impl Place {
    /// The config, and the state folder.
    fn load(&self) -> Result<(Loaded, PathBuf)> {
        let run = Run { file: self.file.clone(), state: self.state.clone(), ..Run::default() };
        let loaded = run.load()?;
        let folder = loaded.config.state.path()?;
        Ok((loaded, folder))
    }
}

/// What helps where no daemon was found.
fn start_it(loaded: &Loaded, folder: &Path) -> String {
    let packaged = Path::new(PACKAGED);
    if loaded.config.state.dir.is_none() && folder != packaged && packaged.exists() {
        return format!("the packaged one keeps its state in {PACKAGED}: say `sudo lunette …`, or --state {PACKAGED}");
    }
    "start it: `sudo systemctl start lunette`, or `lunette run --local`".into()
}

/// Asks the daemon, which must run.
fn must_ask(loaded: &Loaded, folder: &Path, ask: &Ask) -> Result<Reply> {
    match client::ask(folder, ask) {
        Ok(Reply::Refused { text }) => bail!("{text}"),
        Ok(reply) => Ok(reply),
        Err(e @ AskError::NotRunning { .. }) => bail!("{e}; {}", start_it(loaded, folder)),
        Err(e) => Err(e.into()),
    }
}

/// Asks the daemon; `None`: none runs, and what is kept may be read and written by this command, which has the lock.
fn ask(folder: &Path, question: &Ask) -> Result<Result<Reply, Option<Lock>>> {
    match client::ask(folder, question) {
        Ok(Reply::Refused { text }) => bail!("{text}"),
        Ok(reply) => Ok(Ok(reply)),
        Err(AskError::NotRunning { .. }) if !folder.exists() => Ok(Err(None)),
        Err(AskError::NotRunning { .. }) => match Lock::take(folder) {
            Ok(lock) => Ok(Err(Some(lock))),
            Err(e @ StoreError::Locked(_)) => {
                Err(anyhow::Error::from(e)).context("a Lunette runs there, but it cannot be asked; restart it")
            }
            Err(e) => Err(e.into()),
        },
        Err(e) => Err(e.into()),
    }
}

fn unexpected() -> anyhow::Error {
    anyhow::anyhow!("the Lunette that runs is of another version; restart it")
}

impl Pair {
    /// Has the daemon open a window, and shows the link.
    ///
    /// # Errors
    /// When the daemon does not run.
    pub fn run(&self) -> Result<String> {
        let (loaded, folder) = self.place.load()?;
        let Reply::Invitation(invitation) = must_ask(&loaded, &folder, &Ask::Pair { role: self.role })? else {
            return Err(unexpected());
        };
        let configured = loaded.config.signal.page.as_ref();
        let page = self.page.as_ref().or(configured).map(ToString::to_string).or(invitation.page.clone());
        Ok(show(&invitation, page.as_deref(), self.broker.as_deref(), io::stdout().is_terminal()))
    }
}

/// The link, for people; on a terminal with its QR code.
pub fn show(invitation: &Invitation, page: Option<&str>, broker: Option<&str>, terminal: bool) -> String {
    let Invitation { camera, name, words, role, secret, minutes, .. } = invitation;
    let fragment = Link { camera: camera.as_str(), secret: Some(secret), name, broker }.fragment();
    let mut text = String::new();
    let Some(page) = page else {
        let _ = write!(
            text,
            "\n  Where the page is, is not known: give --page, or set it in the config ([signal] page). Whoever opens it with this \
             after its address, within {minutes} minutes, is paired ({role}):\n\n  {fragment}\n\n"
        );
        return text;
    };
    let link = format!("{page}{fragment}");
    let _ = writeln!(
        text,
        "\n  Open this within {minutes} minutes. The first who does is paired, as {role}; nobody else.\n"
    );
    if let Some(code) = terminal.then(|| qr(&link, true)).flatten() {
        let _ = writeln!(text, "{code}");
    }
    let _ = write!(text, "  {link}\n\n  This camera's words, which the page shows too:  {words}\n\n");
    text
}

impl Viewers {
    /// The list.
    ///
    /// # Errors
    /// When neither the daemon nor its folder can be asked.
    pub fn run(&self) -> Result<String> {
        let (_, folder) = self.place.load()?;
        let viewers = match ask(&folder, &Ask::Viewers)? {
            Ok(Reply::Viewers { viewers }) => viewers,
            Ok(_) => return Err(unexpected()),
            Err(None) => Vec::new(),
            Err(Some(_lock)) => Kept::read(&folder)?.roll.viewers().map(|known| Known::of(known, 0)).collect(),
        };
        if self.json {
            return Ok(serde_json::to_string_pretty(&viewers)? + "\n");
        }
        if viewers.is_empty() {
            return Ok(
                "Nobody is paired yet. `lunette pair` makes a link for the first viewer, who becomes the owner.\n"
                    .into(),
            );
        }
        Ok(table::viewers(&viewers))
    }
}

impl Revoke {
    /// Forgets a viewer.
    ///
    /// # Errors
    /// When there is none of that name, or several.
    pub fn run(&self) -> Result<String> {
        let (_, folder) = self.place.load()?;
        match ask(&folder, &Ask::Revoke { viewer: self.viewer.clone() })? {
            Ok(Reply::Done { text }) => Ok(text + "; its sessions end now\n"),
            Ok(_) => Err(unexpected()),
            Err(None) => bail!("nobody is paired yet"),
            Err(Some(lock)) => {
                let mut kept = Kept::read(&folder)?;
                let viewer = keeper::find(&kept.roll, &self.viewer).map_err(anyhow::Error::msg)?;
                let gone = kept.roll.revoke(Actor::Board, &viewer)?;
                let (label, role) = (Some(gone.label.clone()), Some(gone.role.to_string()));
                let entry = Entry { viewer: Some(viewer), label, role, ..Entry::new(What::Revoke) };
                write(&folder, &lock, &kept, &entry)?;
                Ok(format!("“{}” ({viewer}) is revoked\n", gone.label))
            }
        }
    }
}

impl Reset {
    /// Forgets everybody.
    ///
    /// # Errors
    /// When it is not wanted after all, or cannot be done.
    pub fn run(&self) -> Result<String> {
        let (_, folder) = self.place.load()?;
        let what = if self.identity {
            "This camera's keys and all viewers are forgotten: no link to it works any more, and it is another camera to everybody."
        } else {
            "All viewers are forgotten: everybody must be paired again."
        };
        if !self.yes && !confirmed(what)? {
            bail!("nothing was changed");
        }
        if self.identity {
            let credential = Identity::place(&folder);
            if credential != folder.join(identity::FILE) {
                bail!(
                    "the key is the systemd credential {}, and only whoever gives that can change it",
                    identity::CREDENTIAL
                );
            }
            if client::ask(&folder, &Ask::Status).is_ok() {
                bail!("stop the Lunette that runs first: `sudo systemctl stop lunette`");
            }
        }
        let lock = match (self.identity, ask(&folder, &Ask::Reset)?) {
            (_, Ok(Reply::Done { text })) => return Ok(text + "; make a link with `lunette pair`\n"),
            (_, Ok(_)) => return Err(unexpected()),
            (_, Err(None)) => bail!("there is no state folder {}, so there is nothing to forget", folder.display()),
            (_, Err(Some(lock))) => lock,
        };
        // What is damaged can be forgotten too. A generation that is kept is never used again.
        let generation = Kept::read(&folder).map_or(0, |kept| if self.identity { 0 } else { kept.generation });
        if self.identity {
            for name in [identity::FILE, "dtls.pem"] {
                match std::fs::remove_file(folder.join(name)) {
                    Err(e) if e.kind() != io::ErrorKind::NotFound => {
                        return Err(e).with_context(|| format!("cannot remove {}", folder.join(name).display()));
                    }
                    _ => {}
                }
            }
        }
        let why = self.identity.then(|| "identity".to_owned());
        write(&folder, &lock, &Kept { generation, ..Kept::default() }, &Entry { why, ..Entry::new(What::Reset) })?;
        Ok("Nobody is known any more. Start Lunette, and make a link with `lunette pair`.\n".into())
    }
}

/// Writes down what a command changed while no daemon runs.
fn write(folder: &Path, _lock: &Lock, kept: &Kept, entry: &Entry) -> Result<()> {
    let wall = Wall::new(kept.written.map_or(0, |at| at.0)).now();
    keeper::write(folder, kept.generation, wall.or(kept.written), &kept.roll.to_json())?;
    let mut audit = log::Log::new(folder, None);
    audit
        .append(std::slice::from_ref(entry), wall.map(|at| at.0))
        .context("it is done, but the audit log cannot be written")
}

fn confirmed(what: &str) -> Result<bool> {
    if !io::stdin().is_terminal() {
        bail!("{what} Say --yes if that is meant");
    }
    print!("{what}\nGo on? [y/N] ");
    io::stdout().flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

impl State {
    /// How the daemon is.
    ///
    /// # Errors
    /// When none runs.
    pub fn run(&self) -> Result<String> {
        let (loaded, folder) = self.place.load()?;
        let Reply::Status(status) = must_ask(&loaded, &folder, &Ask::Status)? else { return Err(unexpected()) };
        if self.json { Ok(serde_json::to_string_pretty(&status)? + "\n") } else { Ok(table::status(&status)) }
    }
}

impl Audit {
    /// The log, or whether it holds.
    ///
    /// # Errors
    /// When it cannot be read, or does not hold.
    pub fn run(&self) -> Result<String> {
        let (_, folder) = self.place.load()?;
        let context = || format!("cannot read {}", folder.join(log::FILE).display());
        if self.verify {
            let report = log::verify(&folder).with_context(context)?;
            return match report.broken {
                None if report.lines == 0 => Ok("There is nothing in it yet.\n".into()),
                None => Ok(format!("All {} lines are those that were written, in their order.\n", report.lines)),
                Some((at, why)) => {
                    bail!("{}: {why}; the {} lines before it hold", folder.join(at).display(), report.lines)
                }
            };
        }
        let mut text = String::new();
        log::read(&folder, |_, line| {
            let raw = String::from_utf8_lossy(line);
            match serde_json::from_slice::<Line>(line) {
                Ok(line) if !self.json => text += &table::entry(&line),
                _ => text += &format!("{raw}\n"),
            }
            true
        })
        .with_context(context)?;
        if text.is_empty() && !self.json {
            text =
                "Nothing has happened yet. Whoever is paired, watches, is refused or revoked will stand here.\n".into();
        }
        Ok(text)
    }
}
