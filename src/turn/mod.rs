//! STUN and TURN servers: which there are, and credentials for them that are made for one session and end by themselves.
//!
//! [`Ice`] is the door: [`Ice::mint`] gives the servers as they are now, [`Ice::changed`] says when there are others.
//! Secrets stay in here; what leaves is good for minutes, or is what the config or a service gives to everyone.

pub mod ask;
pub mod delivered;
pub mod dial;
pub mod fetch;
pub mod frame;
mod rest;
mod stun;
pub mod tunnel;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use rustls::ClientConfig;
use tokio::sync::watch;
use tracing::{info, warn};

use crate::config::{self, IceLogin, IceScheme, IceUrl, RootsError, Secret, SecretError, Ttl};
use crate::signal::message::IceServer;
use crate::trust::{SessionId, ViewerId};
use delivered::Delivered;
use fetch::{FetchError, Fetcher};

/// The servers, and what makes credentials for them. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Ice(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    services: Vec<Service>,
    /// Counts deliveries.
    changed: watch::Sender<u64>,
}

/// One `[[ice]]`.
#[derive(Debug)]
struct Service {
    source: Source,
    tls: Option<Tls>,
}

#[derive(Debug)]
enum Source {
    Named {
        urls: Vec<IceUrl>,
        credentials: Credentials,
    },
    /// Comes, and is renewed, from elsewhere.
    Delivered(watch::Receiver<Option<Arc<Delivery>>>),
}

#[derive(Debug)]
enum Credentials {
    None,
    Static(Login),
    Rest(Secret, Ttl),
}

/// What was delivered, and how long it is good: by a clock that runs evenly, and by the clock on the wall.
#[derive(Debug)]
pub(crate) struct Delivery {
    servers: Vec<(Vec<IceUrl>, Option<Login>)>,
    until: Option<Instant>,
    expires: Option<u64>,
}

/// How a `turns:` server's certificate is judged.
pub type Tls = Arc<ClientConfig>;

/// A user name and a password. `Debug` shows neither.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// User name.
    pub user: String,
    /// Password.
    pub password: Secret,
}

/// For whom credentials are minted; a TURN server's log has a part of the id.
#[derive(Clone, Copy, Debug)]
pub enum Who {
    /// The camera's end of a session.
    Camera(SessionId),
    /// A viewer.
    Viewer(ViewerId),
}

/// Servers that share a login.
#[derive(Clone, Debug)]
pub struct Server {
    /// At least one.
    pub urls: Vec<IceUrl>,
    /// Present where a URL is one of a TURN server.
    pub login: Option<Login>,
    /// Present where a URL is `turns:`.
    pub tls: Option<Tls>,
}

/// Servers, with credentials for one session.
#[derive(Clone, Debug, Default)]
pub struct Minted {
    /// In the config's order.
    pub servers: Vec<Server>,
    /// So long the credentials are good; `None`: for good.
    pub ttl: Option<Duration>,
    /// When to mint again, if [`Ice::changed`] says nothing before: at half their life. `None`: never.
    pub renew: Option<Duration>,
}

/// What [`Ice::list`] finds.
#[derive(Debug)]
pub enum Listed {
    /// At least one.
    Servers(Vec<Server>),
    /// They come by the broker, which is not asked.
    ByBroker,
}

/// Why [`Ice::list`] finds nothing.
#[derive(Debug, thiserror::Error)]
pub enum Asked {
    /// The config's files.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The service.
    #[error(transparent)]
    Fetch(#[from] FetchError),
}

/// Why `[[ice]]` cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A file with a secret.
    #[error("[[ice]] {key}: {error}")]
    Secret {
        /// The config's key.
        key: &'static str,
        /// Why.
        error: SecretError,
    },
    /// Certificates.
    #[error("[[ice]] ca_file: {0}")]
    Roots(#[from] RootsError),
}

impl Ice {
    /// Reads what the config names, and asks services from then on; needs a tokio runtime. `broker`: what is published on the camera's topic `ice`, as it comes.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn open(config: &[config::Ice], broker: Option<watch::Receiver<Vec<u8>>>) -> Result<Self, OpenError> {
        let mut system = None;
        let (changed, _) = watch::channel(0);
        let mut services = Vec::new();
        for ice in config {
            let tls = tls(ice, &mut system)?;
            let source = match ice {
                config::Ice::Servers { urls, login, .. } => {
                    Source::Named { urls: urls.clone(), credentials: credentials(login)? }
                }
                config::Ice::Fetched(fetch) => match tls.clone() {
                    Some(tls) => Source::Delivered(Fetcher::open(fetch, tls)?.keep(changed.clone())),
                    None => continue,
                },
                config::Ice::Broker { .. } => match broker.clone() {
                    Some(payloads) => Source::Delivered(by_broker(payloads, changed.clone())),
                    None => continue,
                },
            };
            services.push(Service { source, tls });
        }
        Ok(Self(Arc::new(Inner { services, changed })))
    }

    /// The servers of one `[[ice]]`, with credentials for a camera, to be looked at; a service is asked for them once.
    ///
    /// # Errors
    /// When a file cannot be read, or a service gives none.
    pub async fn list(config: &config::Ice) -> Result<Listed, Asked> {
        let tls = tls(config, &mut None).map_err(OpenError::from)?;
        match (config, tls) {
            (config::Ice::Fetched(fetch), Some(tls)) => {
                let delivered = Fetcher::open(fetch, tls.clone())?.fetch().await?;
                let servers = delivered.servers.into_iter();
                let server = |(urls, login)| Server { urls, login, tls: Some(tls.clone()) };
                Ok(Listed::Servers(servers.map(server).collect()))
            }
            (config::Ice::Broker { .. }, _) => Ok(Listed::ByBroker),
            (named, _) => {
                let session = SessionId::random().map_err(|e| FetchError::from(dial::cause(&e)))?;
                Ok(Listed::Servers(Self::open(std::slice::from_ref(named), None)?.mint(Who::Camera(session)).servers))
            }
        }
    }

    /// No servers at all.
    pub fn none() -> Self {
        Self(Arc::new(Inner { services: Vec::new(), changed: watch::channel(0).0 }))
    }

    /// The servers as they are now, with credentials for one session.
    pub fn mint(&self, who: Who) -> Minted {
        self.mint_at(who, Instant::now(), unix_now())
    }

    /// Wakes when other servers, or other credentials for them, were delivered: mint again.
    pub fn changed(&self) -> watch::Receiver<u64> {
        self.0.changed.subscribe()
    }

    fn mint_at(&self, who: Who, now: Instant, unix: u64) -> Minted {
        let name = who.name();
        let mut minted = Minted::default();
        for Service { source, tls } in &self.0.services {
            match source {
                Source::Named { urls, credentials } => {
                    let login = match credentials {
                        Credentials::None => None,
                        Credentials::Static(login) => Some(login.clone()),
                        Credentials::Rest(secret, ttl) => {
                            let ttl = ttl.get();
                            minted.lasts(ttl);
                            minted.renew = least(minted.renew, ttl / 2);
                            Some(rest::login(secret, &name, unix.saturating_add(ttl.as_secs())))
                        }
                    };
                    minted.add(urls, login, tls.as_ref());
                }
                Source::Delivered(latest) => {
                    let Some(delivery) = latest.borrow().clone() else { continue };
                    match delivery.rest(now, unix) {
                        Some(Duration::ZERO) => continue,
                        Some(rest) => minted.lasts(rest),
                        None => {}
                    }
                    delivery.servers.iter().for_each(|(urls, login)| minted.add(urls, login.clone(), tls.as_ref()));
                }
            }
        }
        minted
    }
}

impl Minted {
    /// As a viewer's peer connection takes them.
    pub fn for_viewer(&self) -> Vec<IceServer> {
        let one = |server: &Server| IceServer {
            urls: server.urls.iter().map(ToString::to_string).collect(),
            username: server.login.as_ref().map(|login| login.user.clone()),
            credential: server.login.as_ref().map(|login| login.password.expose().to_owned()),
        };
        self.servers.iter().map(one).collect()
    }

    /// What a message says: whole seconds.
    pub fn ttl_seconds(&self) -> Option<u64> {
        self.ttl.map(|ttl| ttl.as_secs())
    }

    fn add(&mut self, urls: &[IceUrl], login: Option<Login>, tls: Option<&Tls>) {
        let tls = tls.filter(|_| urls.iter().any(|url| url.scheme == IceScheme::TurnTls));
        self.servers.push(Server { urls: urls.to_vec(), login, tls: tls.cloned() });
    }

    fn lasts(&mut self, time: Duration) {
        self.ttl = least(self.ttl, time);
    }
}

impl Who {
    /// A part of the id: it tells one session from another in a server's log, and says no more.
    fn name(self) -> String {
        let (role, id) = match &self {
            Self::Camera(session) => ("camera", session.as_str()),
            Self::Viewer(viewer) => ("viewer", viewer.as_str()),
        };
        format!("{role}-{}", id.get(..8).unwrap_or_default())
    }
}

impl Delivery {
    fn new(delivered: Delivered, now: Instant) -> Self {
        let until = delivered.ttl.and_then(|ttl| now.checked_add(ttl));
        Self { servers: delivered.servers, until, expires: delivered.expires }
    }

    /// How long it is good; `None`: for good.
    fn rest(&self, now: Instant, unix: u64) -> Option<Duration> {
        let even = self.until.map(|until| until.saturating_duration_since(now));
        let wall = self.expires.map(|expires| Duration::from_secs(expires.saturating_sub(unix)));
        even.into_iter().chain(wall).min()
    }
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Login(***)")
    }
}

fn least(a: Option<Duration>, b: Duration) -> Option<Duration> {
    Some(a.map_or(b, |a| a.min(b)))
}

fn unix_now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn credentials(login: &IceLogin) -> Result<Credentials, OpenError> {
    Ok(match login {
        IceLogin::None => Credentials::None,
        IceLogin::Static { user, password_file } => {
            let password = secret("password_file", password_file)?;
            Credentials::Static(Login { user: user.clone(), password })
        }
        IceLogin::Rest { secret_file, ttl } => Credentials::Rest(secret("secret_file", secret_file)?, *ttl),
    })
}

fn secret(key: &'static str, path: &Path) -> Result<Secret, OpenError> {
    config::read_secret_file(path).map_err(|error| OpenError::Secret { key, error })
}

/// Where it may be needed; the system's certificates are read once.
fn tls(ice: &config::Ice, system: &mut Option<Tls>) -> Result<Option<Tls>, RootsError> {
    let (needed, ca_file) = match ice {
        config::Ice::Servers { urls, ca_file, .. } => {
            (urls.iter().any(|url| url.scheme == IceScheme::TurnTls), ca_file)
        }
        config::Ice::Fetched(fetch) => (true, &fetch.ca_file),
        config::Ice::Broker { ca_file } => (true, ca_file),
    };
    if !needed {
        return Ok(None);
    }
    if let Some(path) = ca_file {
        return config::tls_client(Some(path)).map(Some);
    }
    if system.is_none() {
        *system = Some(config::tls_client(None)?);
    }
    Ok(system.clone())
}

/// What is published on the topic `ice`, read. An empty message takes the servers away; one that cannot be read is said,
/// and the one before it stays.
fn by_broker(
    mut payloads: watch::Receiver<Vec<u8>>,
    changed: watch::Sender<u64>,
) -> watch::Receiver<Option<Arc<Delivery>>> {
    let (latest, receiver) = watch::channel(None);
    tokio::spawn(async move {
        loop {
            let payload = payloads.borrow_and_update().clone();
            let delivered = match payload.as_slice() {
                b"" => Ok(None),
                json => delivered::parse(json).map(Some),
            };
            match delivered {
                Ok(None) if latest.borrow().is_none() => {}
                Ok(delivered) => {
                    let servers = delivered.as_ref().map_or(0, |delivered| delivered.servers.len());
                    info!("ice: the broker has {servers} servers for this camera");
                    latest.send_replace(delivered.map(|d| Arc::new(Delivery::new(d, Instant::now()))));
                    changed.send_modify(|count| *count += 1);
                }
                Err(error) => warn!("ice: what is published on this camera's topic `ice` cannot be used: {error}"),
            }
            tokio::select! {
                heard = payloads.changed() => if heard.is_err() { break },
                () = latest.closed() => break,
            }
        }
    });
    receiver
}

#[cfg(test)]
#[path = "mod_tests.rs"]
mod tests;
