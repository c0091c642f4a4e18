//! Servers and credentials from a web service: fetched, kept, and renewed at half their life.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use data_encoding::BASE64;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, USER_AGENT};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tracing::{info, warn};

use super::delivered::{self, Delivered, DeliveryError, MAX_JSON};
use super::dial::{self, DialError};
use super::{Delivery, OpenError, Tls, secret, unix_now};
use crate::config::{FetchLogin, IceFetch, Secret};

/// A service that takes longer is given up, and asked again later.
const PATIENCE: Duration = Duration::from_secs(10);
/// Failed attempts are this far apart at first, and then twice as far each, but for chance.
const FIRST: Duration = Duration::from_secs(2);
const LAST: Duration = Duration::from_secs(300);
/// No service is asked more often, whatever life its credentials have.
const SELDOM: Duration = Duration::from_secs(20);

/// Why a service gave no servers.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// No connection.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// It answers with an error.
    #[error("it answers {0}{hint}", hint = hint(*.0))]
    Status(StatusCode),
    /// It does not speak HTTP, or breaks off.
    #[error("it does not answer as a web service does: {0}")]
    Http(String),
    /// What it says is no list of servers.
    #[error("its answer cannot be used: {0}")]
    Answer(#[from] DeliveryError),
    /// The credentials are over as they come.
    #[error("its credentials have expired already; is this machine's clock right?")]
    Expired,
}

fn hint(status: StatusCode) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            ": it does not know us; see token_file, or user and password_file"
        }
        StatusCode::NOT_FOUND => ": see url",
        StatusCode::METHOD_NOT_ALLOWED => ": a `body`, even an empty one, makes it a POST; without one it is a GET",
        status if status.is_redirection() => ": it sends us elsewhere; write that address as url",
        StatusCode::TOO_MANY_REQUESTS => ": asked too often",
        _ => "",
    }
}

/// A service and how to ask it.
#[derive(Clone, Debug)]
pub struct Fetcher {
    config: IceFetch,
    login: Option<Secret>,
    tls: Tls,
}

impl Fetcher {
    pub(super) fn open(config: &IceFetch, tls: Tls) -> Result<Self, OpenError> {
        let login = match &config.login {
            FetchLogin::None => None,
            FetchLogin::Token { token_file } => Some(secret("token_file", token_file)?),
            FetchLogin::Basic { password_file, .. } => Some(secret("password_file", password_file)?),
        };
        Ok(Self { config: config.clone(), login, tls })
    }

    /// Asks once.
    ///
    /// # Errors
    /// See [`FetchError`].
    pub async fn fetch(&self) -> Result<Delivered, FetchError> {
        tokio::time::timeout(PATIENCE, self.ask()).await.unwrap_or(Err(FetchError::Dial(DialError::TimedOut)))
    }

    async fn ask(&self) -> Result<Delivered, FetchError> {
        let login = self.login.as_ref().map(Secret::expose);
        let token = login.filter(|_| self.config.url.wants_token());
        let url = self.config.url.with_token(token);
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let port = url.port_or_known_default().unwrap_or(443);
        let stream = dial::tcp(host, port).await?;
        let request = self.request(&url)?;
        let mut delivered = if url.scheme() == "https" {
            send(dial::tls(stream, host, &self.tls).await?, request).await?
        } else {
            send(stream, request).await?
        };
        if delivered.ttl.is_none() && delivered.expires.is_none() {
            delivered.ttl = Some(self.config.ttl.get());
        }
        Ok(delivered)
    }

    fn request(&self, url: &url::Url) -> Result<Request<Full<Bytes>>, FetchError> {
        let IceFetch { body, ttl, .. } = &self.config;
        let body = body.as_ref().map(|body| body.replace("{ttl}", &ttl.get().as_secs().to_string()));
        let mut request = Request::builder()
            .method(if body.is_some() { Method::POST } else { Method::GET })
            .uri(&url[url::Position::BeforePath..url::Position::AfterQuery])
            .header(HOST, &url[url::Position::BeforeHost..url::Position::AfterPort])
            .header(ACCEPT, "application/json")
            .header(USER_AGENT, concat!("lunette/", env!("CARGO_PKG_VERSION")));
        if let Some(body) = body.as_ref().filter(|body| !body.is_empty()) {
            let json = body.trim_start().starts_with(['{', '[']);
            let kind = if json { "application/json" } else { "application/x-www-form-urlencoded" };
            request = request.header(CONTENT_TYPE, kind);
        }
        let secret = self.login.as_ref().map(Secret::expose).unwrap_or_default();
        request = match &self.config.login {
            FetchLogin::Token { .. } if !self.config.url.wants_token() => {
                request.header(AUTHORIZATION, format!("Bearer {secret}"))
            }
            FetchLogin::Basic { user, .. } => {
                let both = BASE64.encode(format!("{user}:{secret}").as_bytes());
                request.header(AUTHORIZATION, format!("Basic {both}"))
            }
            _ => request,
        };
        request.body(Full::from(body.unwrap_or_default())).map_err(|e| FetchError::Http(e.to_string()))
    }

    /// Asks, and asks again at half life, for as long as somebody holds the receiver. What was good stays until it ends,
    /// whatever the service says meanwhile.
    pub(super) fn keep(self, changed: watch::Sender<u64>) -> watch::Receiver<Option<Arc<Delivery>>> {
        let (latest, receiver) = watch::channel(None);
        let from = self.config.url.clone();
        tokio::spawn(async move {
            let mut failures = 0;
            loop {
                let wait = match self.fetch().await.and_then(good) {
                    Ok((delivery, rest)) => {
                        if failures > 0 || latest.borrow().is_none() {
                            info!("ice: {} servers from {from}", delivery.servers.len());
                        }
                        failures = 0;
                        latest.send_replace(Some(Arc::new(delivery)));
                        changed.send_modify(|count| *count += 1);
                        (rest / 2).max(SELDOM)
                    }
                    Err(error) => {
                        if failures == 0 {
                            warn!("ice: no servers from {from}: {error}; trying again");
                        }
                        failures += 1;
                        jitter(pause(failures))
                    }
                };
                tokio::select! {
                    () = tokio::time::sleep(wait) => {}
                    () = latest.closed() => break,
                }
            }
        });
        receiver
    }
}

/// What is good, and for how long.
fn good(delivered: Delivered) -> Result<(Delivery, Duration), FetchError> {
    let now = Instant::now();
    let delivery = Delivery::new(delivered, now);
    match delivery.rest(now, unix_now()) {
        Some(Duration::ZERO) => Err(FetchError::Expired),
        rest => Ok((delivery, rest.unwrap_or(LAST * 2))),
    }
}

fn pause(failures: u32) -> Duration {
    FIRST.saturating_mul(1 << failures.saturating_sub(1).min(10)).min(LAST)
}

/// Between half of it and all of it, so that a fleet does not ask all at once.
fn jitter(pause: Duration) -> Duration {
    let mut random = [0];
    // Without random bits: the whole of it.
    let part = getrandom::fill(&mut random).map_or(1.0, |()| f64::from(random[0]) / 255.0);
    pause.mul_f64(0.5 + part / 2.0)
}

async fn send<S>(stream: S, request: Request<Full<Bytes>>) -> Result<Delivered, FetchError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let http = |e: hyper::Error| FetchError::Http(e.to_string());
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(http)?;
    let mut driven = tokio::task::JoinSet::new();
    driven.spawn(connection);
    let response = sender.send_request(request).await.map_err(http)?;
    if !response.status().is_success() {
        return Err(FetchError::Status(response.status()));
    }
    let body = Limited::new(response.into_body(), MAX_JSON).collect().await;
    let body = body.map_err(|e| FetchError::Http(e.to_string()))?;
    // Dropping the set ends the connection.
    Ok(delivered::parse(&body.to_bytes())?)
}

#[cfg(test)]
#[path = "fetch_tests.rs"]
mod tests;
