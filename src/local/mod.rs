//! `run --local`: page and broker on one origin and one port.
//!
//! - [`open`] binds the port and starts the embedded broker; [`Local::run`] serves until told to stop.
//! - The page is embedded; `/mqtt` is a WebSocket that is carried to the broker.
//! - On loopback it is plain HTTP. Beyond, it is HTTPS, and viewers give a password.

mod access;
mod bridge;
mod broker;
mod certificate;
mod page;
mod server;
mod tries;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{Extension, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use time::OffsetDateTime;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::config::{self, BrokerScheme, BrokerUrl, Secret, SecretError, read_secret_file};
use access::Access;
use bridge::Bridge;
use broker::Broker;
use certificate::Identity;
use page::Page;

pub use broker::BrokerError;
pub use certificate::CertificateError;
pub use page::Listed;

/// Why it cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// The port cannot be had.
    #[error("cannot listen on {address}: {error}{}", way_out(address, error))]
    Bind {
        /// Where.
        address: SocketAddr,
        /// Why.
        error: io::Error,
    },
    /// Beyond loopback without a password.
    #[error("others can reach {0}, so viewers must give a password: set `password_file` in [local]")]
    NoPassword(SocketAddr),
    /// The viewers' password cannot be read.
    #[error(transparent)]
    Password(#[from] SecretError),
    /// No certificate.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// No broker.
    #[error(transparent)]
    Broker(#[from] BrokerError),
    /// No random numbers.
    #[error("the system gives no random numbers: {0}")]
    Random(#[from] getrandom::Error),
    /// The page's config cannot be written down.
    #[error("cannot write config.json: {0}")]
    Page(#[from] serde_json::Error),
}

fn way_out(address: &SocketAddr, error: &io::Error) -> String {
    let mut other = *address;
    other.set_port(address.port().wrapping_add(1).max(1024));
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            format!("; another program has this port. Stop it, or take another: --listen {other}")
        }
        io::ErrorKind::PermissionDenied => format!("; ports below 1024 are for root. Take another: --listen {other}"),
        io::ErrorKind::AddrNotAvailable => "; no network interface of this machine has this address".to_owned(),
        _ => String::new(),
    }
}

/// How the daemon itself reaches the embedded broker. Its MQTT client id must be `lunette-<camera id>`.
#[derive(Clone, Debug)]
pub struct Login {
    /// Where: plain MQTT on loopback.
    pub url: BrokerUrl,
    /// User name.
    pub user: String,
    /// Password.
    pub password: Secret,
}

/// What listens, before and while it serves. Dropping it stops the broker.
#[derive(Debug)]
pub struct Local {
    listener: TcpListener,
    address: SocketAddr,
    identity: Option<Identity>,
    access: Arc<Access>,
    broker: Broker,
    page: Page,
}

/// Where a request comes from.
#[derive(Clone, Copy, Debug)]
struct Peer(IpAddr);

/// Binds the port, and starts the broker. Pages that come now wait until [`Local::run`].
///
/// # Errors
/// When the port is taken, or password or certificate cannot be used; with the way out.
pub async fn open(config: &config::Local, state: &Path, cameras: &[Listed]) -> Result<Local, LocalError> {
    let failed = |error| LocalError::Bind { address: config.listen, error };
    let listener = TcpListener::bind(config.listen).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let password = config.password_file.as_deref().map(read_secret_file).transpose()?;
    if password.is_none() && !config.is_loopback() {
        return Err(LocalError::NoPassword(address));
    }
    let identity = match (&config.cert_file, &config.key_file) {
        (Some(cert), Some(key)) => Some(certificate::given(cert, key)?),
        _ if config.is_loopback() => None,
        _ => Some(certificate::own(state, address, OffsetDateTime::now_utc())?),
    };
    let page = Page::new(cameras, password.is_some())?;
    let access = Arc::new(Access::new(cameras.iter().map(|c| c.id.clone()).collect(), password)?);
    let broker = Broker::start(access.clone()).await?;
    Ok(Local { listener, address, identity, access, broker, page })
}

impl Local {
    /// Where it listens; the port is the one that the system chose when 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Links to the page, the best first.
    pub fn links(&self) -> Vec<String> {
        let scheme = if self.identity.is_some() { "https" } else { "http" };
        let mut addresses = certificate::addresses(self.address);
        if addresses.is_empty() {
            addresses.push([127, 0, 0, 1].into());
        }
        let port = self.address.port();
        addresses.into_iter().map(|ip| format!("{scheme}://{}/", SocketAddr::new(ip, port))).collect()
    }

    /// With HTTPS: SHA-256 of the certificate, as browsers show it.
    pub fn fingerprint(&self) -> Option<&str> {
        self.identity.as_ref().map(|i| i.fingerprint.as_str())
    }

    /// Whether viewers give a password (user `viewer`).
    pub fn wants_password(&self) -> bool {
        self.access.wants_password()
    }

    /// How the daemon itself reaches the broker.
    pub fn login(&self) -> Login {
        let (user, password) = self.access.camera_login();
        let broker = self.broker.address;
        let url = BrokerUrl {
            scheme: BrokerScheme::Mqtt,
            host: broker.ip().to_string(),
            port: broker.port(),
            path: String::new(),
        };
        Login { url, user: user.to_owned(), password: password.clone() }
    }

    /// Serves until `stop`, then says goodbye to pages and ends the broker.
    pub async fn run(self, stop: CancellationToken) {
        let bridge = Bridge::new(self.access.clone(), self.broker.address, stop.clone());
        let doors = Doors { bridge: bridge.clone(), page: self.page, access: self.access };
        let app = Router::new()
            .route("/mqtt", get(mqtt))
            .fallback(page)
            .layer(middleware::from_fn_with_state(doors.clone(), guard))
            .layer(middleware::map_response(page::secure))
            .with_state(doors);
        let tls = self.identity.map(|identity| TlsAcceptor::from(identity.config));
        server::serve(self.listener, tls, app, stop).await;
        bridge.ended().await;
        self.broker.stop().await;
    }
}

/// What answers requests.
#[derive(Clone, Debug)]
struct Doors {
    bridge: Bridge,
    page: Page,
    access: Arc<Access>,
}

/// Without a password, a request must have been meant for this machine.
async fn guard(State(doors): State<Doors>, request: Request, next: Next) -> Response {
    if doors.access.wants_password() || page::is_host_of_our_own(request.headers()) {
        return next.run(request).await;
    }
    let text = "open this page by its address, or as localhost; or set `password_file` in [local]\n";
    (StatusCode::FORBIDDEN, text).into_response()
}

async fn mqtt(
    State(doors): State<Doors>,
    Extension(Peer(peer)): Extension<Peer>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    doors.bridge.answer(peer, headers, upgrade).await
}

async fn page(State(doors): State<Doors>, request: Request) -> Response {
    doors.page.answer(request.method(), request.uri(), request.headers())
}
