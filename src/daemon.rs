//! The wiring and the stopping order; reads as a recipe.

#[cfg(feature = "local")]
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::audit::Audit;
use crate::clock::Wall;
use crate::config::{Config, ConfigError, Loaded};
use crate::control::Asked;
#[cfg(feature = "local")]
use crate::control::Invitation;
use crate::desk::Desk;
use crate::hub::Rates;
use crate::identity::Identity;
use crate::interfaces::Own;
#[cfg(feature = "local")]
use crate::keeper;
use crate::keeper::{Keeper, Kept, Lock};
#[cfg(feature = "local")]
use crate::local::{self, Listed};
use crate::media::stream::PerStream;
use crate::signal::Outbox;
use crate::signal::mqtt::Broker;
use crate::trust::BootId;
#[cfg(feature = "local")]
use crate::trust::Role;
use crate::viewer::rtc::{Certificate, PortOptions, Scope, Transport};
use crate::{board, camera, cli, config, control, herald, hub, lobby, service, turn, viewer};

/// A driver may hold a call for seconds when its device hangs.
const CAMERA_GOODBYE: Duration = Duration::from_secs(3);
/// A disk may hang as well.
const AUDIT_GOODBYE: Duration = Duration::from_secs(2);
/// Questions of commands that wait.
const QUESTIONS: usize = 4;

/// Who this camera is, and who is known to it.
#[derive(Debug)]
pub struct Trusted {
    /// Who is known.
    pub keeper: Keeper,
    /// What the camera's DTLS handshakes prove.
    pub certificate: Certificate,
    /// Where commands ask; `None`: it could not be made.
    pub control: Option<control::Server>,
}

impl Trusted {
    /// Reads what the state folder has, and makes what it has not. Nobody else may use the folder till the last part of it is gone.
    ///
    /// # Errors
    /// When the folder is in use, or something in it is damaged or cannot be written.
    pub fn open(state: &Path) -> Result<Self> {
        let lock = Lock::take(state)?;
        let identity = Identity::load(state).context("cannot load this camera's identity")?;
        let kept = Kept::read(state)?;
        let boot = BootId::random().context("no random bits for the boot id")?;
        let latest = kept.written.max(kept.roll.latest());
        let wall = Arc::new(Wall::new(latest.map_or(0, |at| at.0)));
        let (audit, _) = Audit::start(state, boot, wall.clone());
        let keeper = Keeper::open(state, lock, kept, identity.key, boot, (wall, audit))?;
        let control = control::Server::open(state)
            .map_err(|e| warn!("commands like `lunette pair` cannot ask this daemon: {}: {e}", control::SOCKET))
            .ok();
        Ok(Self { keeper, certificate: identity.certificate, control })
    }
}

/// A camera at work. [`Daemon::stop`] ends it in the reverse order of its start.
pub struct Daemon {
    keeper: Keeper,
    outbox: Outbox,
    camera: std::thread::JoinHandle<()>,
    lobby: JoinHandle<()>,
    herald: JoinHandle<()>,
    service: JoinHandle<()>,
    control: JoinHandle<()>,
    /// Cancelled when the lobby ends, by whatever.
    broken: CancellationToken,
    stop_lobby: CancellationToken,
    stop_camera: CancellationToken,
}

impl Daemon {
    /// Starts everything: camera thread, broker connection, lobby, status, control socket. `page`: where the page is, if that is known.
    ///
    /// # Errors
    /// When a thread cannot be started, or the viewers' port not opened. A camera or a broker that is not there yet is no error: both are waited for.
    pub fn start(
        config: &Config,
        trusted: Trusted,
        broker: Broker,
        scope: Scope,
        page: Option<String>,
    ) -> Result<Self> {
        let Trusted { keeper, certificate, control } = trusted;
        let transport = Transport::open(port_options(&config.rtc, scope))?;
        let boot = keeper.boot();
        let (floors, ceilings) = (config.video.floors(), config.video.bitrates());
        let rates = PerStream::from_fn(|stream| Rates::new(floors[stream], ceilings[stream]));
        let (publisher, hub, demand) = hub::open(rates);

        let stop_camera = CancellationToken::new();
        let camera = camera::spawn(config.camera.clone(), config.video.clone(), demand, publisher, stop_camera.clone())
            .context("cannot start the camera thread")?;

        let by_broker = config.ice.iter().any(|ice| matches!(ice, config::Ice::Broker { .. }));
        let (deliver, delivered) = watch::channel(Vec::new());
        let deliver = by_broker.then_some(deliver);
        let ice = turn::Ice::open(&config.ice, by_broker.then_some(delivered))?;
        let (requests, outbox) = crate::signal::mqtt::open(broker, keeper.clone(), deliver);
        let stop_lobby = CancellationToken::new();
        let (name, present) = (config.name.clone(), lobby::Present::default());
        let herald = tokio::spawn(herald::run(name.clone(), boot, outbox.clone(), hub.status(), stop_lobby.clone()));
        let desk = Desk {
            name: name.clone(),
            page: page.or_else(|| config.signal.page.as_ref().map(ToString::to_string)),
            keeper: keeper.clone(),
            present: present.clone(),
            hub: hub.clone(),
            outbox: outbox.clone(),
        };
        let control = tokio::spawn(commands(control, desk, stop_lobby.clone()));
        let settings = lobby::Settings { name, max_viewers: config.viewers.max, present };
        let context =
            viewer::Context { hub, outbox: outbox.clone(), certificate, transport, ice, keeper: keeper.clone() };
        let roaming = roam(context.transport.addresses(), outbox.clone());
        tokio::spawn(stop_lobby.clone().run_until_cancelled_owned(roaming));
        let service = service::run(context.hub.clone(), outbox.clone(), stop_lobby.clone());
        let broken = CancellationToken::new();
        let guard = broken.clone().drop_guard();
        let lobby = lobby::run(settings, context, requests, stop_lobby.clone());
        let lobby = tokio::spawn(async move {
            let _guard = guard;
            lobby.await;
        });
        let service = tokio::spawn(service);
        Ok(Self { keeper, outbox, camera, lobby, herald, service, control, broken, stop_lobby, stop_camera })
    }

    /// Who is known.
    pub fn keeper(&self) -> &Keeper {
        &self.keeper
    }

    /// Waits for `stop`, or for a failure after which nobody could be served; [`Daemon::stop`] says which.
    pub async fn serve(&self, stop: &CancellationToken) {
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.broken.cancelled() => {}
        }
    }

    /// Says goodbye to viewers, then to the broker, then stops the camera.
    ///
    /// # Errors
    /// When a part of the daemon panicked.
    pub async fn stop(self) -> Result<()> {
        self.stop_lobby.cancel();
        let lobby = self.lobby.await.context("the lobby failed");
        let herald = self.herald.await.context("the status failed");
        let service = self.service.await.context("the watchdog failed");
        let control = self.control.await.context("the control socket failed");
        self.outbox.close().await;
        if tokio::time::timeout(AUDIT_GOODBYE, self.keeper.audit().flush()).await.is_err() {
            warn!("the disk does not answer; the end of the audit log may be missing");
        }
        self.stop_camera.cancel();
        let joined = tokio::task::spawn_blocking(move || self.camera.join());
        let camera = match tokio::time::timeout(CAMERA_GOODBYE, joined).await {
            Ok(joined) => joined?.map_err(|_| anyhow::anyhow!("the camera thread panicked")),
            Err(_) => {
                warn!("the camera's driver does not answer; stopping without it");
                Ok(())
            }
        };
        lobby.and(herald).and(service).and(control).and(camera)
    }
}

/// The control socket, and who answers there.
async fn commands(server: Option<control::Server>, desk: Desk, stop: CancellationToken) {
    let Some(server) = server else { return };
    let (asked, questions) = mpsc::channel::<Asked>(QUESTIONS);
    tokio::join!(server.run(asked, stop), desk.run(questions));
}

/// Connects anew to the broker when an address of this machine is gone, since the connection may have been by that one.
async fn roam(mut addresses: tokio::sync::watch::Receiver<Vec<Own>>, outbox: Outbox) {
    let mut before: Vec<_> = addresses.borrow_and_update().iter().map(|own| own.ip).collect();
    while addresses.changed().await.is_ok() {
        let now: Vec<_> = addresses.borrow_and_update().iter().map(|own| own.ip).collect();
        if before.iter().any(|ip| !now.contains(ip)) {
            outbox.reconnect();
        }
        before = now;
    }
}

/// `lunette run`: until SIGINT or SIGTERM; a second one ends the process at once.
///
/// # Errors
/// When the config is wrong or something cannot be started.
pub fn run(run: &cli::Run) -> Result<()> {
    let loaded = run.load()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .thread_name("lunette")
        // See docs/decisions/0003-one-worker.md.
        .worker_threads(1)
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let served = runtime.block_on(serve(loaded, run.local));
    // Nothing that is left may hold up the exit.
    runtime.shutdown_timeout(Duration::from_secs(1));
    served
}

async fn serve(loaded: Loaded, local: bool) -> Result<()> {
    let Loaded { config, files, warnings, .. } = loaded;
    let board = board::this();
    for warning in warnings.into_iter().chain(board.warnings(&config)) {
        warn!("{warning}");
    }
    let stop = stop_on_signals()?;
    info!("Lunette {} ({})", env!("CARGO_PKG_VERSION"), origin(&files));
    info!("board: {}", board.name);
    let state = config.state.open()?;
    if local {
        return serve_local(&config, &state, stop).await;
    }
    let mqtt = config.signal.mqtt.as_ref().ok_or(ConfigError::NoBroker)?;
    let broker = Broker::open(mqtt)?;
    let daemon = Daemon::start(&config, Trusted::open(&state)?, broker, Scope::Network, None)?;
    info!("camera id {}", daemon.keeper().camera());
    if daemon.keeper().roll().is_empty() {
        info!("nobody is paired yet: run `lunette pair`");
    }
    daemon.serve(&stop).await;
    daemon.stop().await
}

/// With a broker and a page of our own, on one port.
#[cfg(feature = "local")]
async fn serve_local(config: &Config, state: &Path, stop: CancellationToken) -> Result<()> {
    let trusted = Trusted::open(state)?;
    let listed = Listed { id: trusted.keeper.camera().to_string(), name: config.name.clone() };
    let local = local::open(&config.local, state, &[listed]).await?;
    let login = local.login();
    let broker = Broker { url: login.url, login: Some((login.user, login.password)), tls: None };
    // A browser on this machine can be reached even when there is no network.
    let scope = if config.local.is_loopback() { Scope::Everywhere } else { Scope::Network };
    let page = local.links().into_iter().next();
    let daemon = Daemon::start(config, trusted, broker, scope, page)?;
    welcome(&local, &config.name, daemon.keeper());
    let stop_local = CancellationToken::new();
    let serving = tokio::spawn(local.run(stop_local.clone()));
    daemon.serve(&stop).await;
    // The pages must hear the goodbye before their broker goes.
    let stopped = daemon.stop().await;
    stop_local.cancel();
    serving.await.context("the page server failed").and(stopped)
}

/// For the person at the terminal, and for scripts: the links are on standard output, the best first. As long as there is no owner,
/// the first one is a link that makes one.
#[cfg(feature = "local")]
fn welcome(local: &local::Local, name: &str, keeper: &Keeper) {
    let links = local.links();
    let role = keeper.roll().first_role();
    // Under systemd standard output is the journal, which others read, and which is kept.
    let kept = std::env::var_os("JOURNAL_STREAM").is_some() && !std::io::stdout().is_terminal();
    let invited = (role == Role::Owner && !kept).then(|| keeper.invite(role).ok()).flatten();
    match invited {
        Some(secret) => {
            let invitation = Invitation {
                camera: keeper.camera(),
                name: name.to_owned(),
                words: keeper.words().to_owned(),
                role,
                secret,
                page: None,
                minutes: keeper::MINUTES,
            };
            let page = links.first().map(String::as_str);
            print!("{}", cli::show_invitation(&invitation, page, None, std::io::stdout().is_terminal()));
            println!(
                "  After that, and here when it has been used: {}",
                links.join("\n                                              ")
            );
        }
        None => {
            println!("\n  Watch here:  {}", links.join("\n               "));
            if role == Role::Owner {
                println!("  Nobody is paired yet: `lunette pair` makes a link.");
            } else {
                println!("  For somebody who is not paired: `lunette pair` makes a link.");
            }
        }
    }
    if let Some(fingerprint) = local.fingerprint() {
        println!("  The browser will warn once: the certificate is this camera's own, SHA-256\n  {fingerprint}");
    }
    if local.wants_password() {
        println!("  User: viewer; the password is the one in [local] password_file.");
    }
    println!("  Ctrl-C ends it.\n");
}

#[cfg(not(feature = "local"))]
async fn serve_local(_: &Config, _: &Path, _: CancellationToken) -> Result<()> {
    anyhow::bail!("this lunette was built without the feature `local`; name a broker in [signal.mqtt] url")
}

fn port_options(rtc: &config::Rtc, scope: Scope) -> PortOptions {
    PortOptions {
        port: rtc.port.unwrap_or(0),
        scope,
        interfaces: rtc.choice(),
        hide_host: rtc.hide_host,
        relay_only: rtc.policy == config::Policy::Relay,
    }
}

fn origin(files: &[PathBuf]) -> String {
    match files {
        [] => "no config file; all is default".into(),
        files => {
            format!("config from {}", files.iter().map(|f| f.display().to_string()).collect::<Vec<_>>().join(", "))
        }
    }
}

/// A token that SIGINT or SIGTERM cancels. The second signal ends the process.
fn stop_on_signals() -> Result<CancellationToken> {
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let stop = CancellationToken::new();
    let cancel = stop.clone();
    tokio::spawn(async move {
        for first in [true, false] {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if !first {
                std::process::exit(130);
            }
            info!("stopping; once more to stop at once");
            cancel.cancel();
        }
    });
    Ok(stop)
}
