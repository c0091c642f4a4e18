//! A page's WebSocket ↔ the broker's TCP.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::access::{Access, Bridged};

/// Pages connected at once.
const MAX_PAGES: usize = 256;
/// The largest WebSocket message; the broker takes no larger packet.
const MAX_MESSAGE: usize = 64 * 1024 + 16;
/// Bytes read from the broker at a time.
const CHUNK: usize = 16 * 1024;
/// Within this time the broker has said something: the page has logged in, or was sent away.
const LOGIN: Duration = Duration::from_secs(20);
/// The other side takes what it is sent within this time.
const WRITE: Duration = Duration::from_secs(10);

/// Where bridges begin.
#[derive(Clone, Debug)]
pub(super) struct Bridge {
    access: Arc<Access>,
    broker: SocketAddr,
    places: Arc<Semaphore>,
    running: TaskTracker,
    stop: CancellationToken,
}

impl Bridge {
    pub(super) fn new(access: Arc<Access>, broker: SocketAddr, stop: CancellationToken) -> Self {
        let places = Arc::new(Semaphore::new(MAX_PAGES));
        Self { access, broker, places, running: TaskTracker::new(), stop }
    }

    /// Answers a request for `/mqtt`.
    pub(super) async fn answer(self, peer: IpAddr, headers: HeaderMap, upgrade: WebSocketUpgrade) -> Response {
        if !is_same_origin(&headers) {
            return (StatusCode::FORBIDDEN, "this page is of another origin\n").into_response();
        }
        let upgrade = upgrade.protocols(["mqtt"]).max_message_size(MAX_MESSAGE).max_frame_size(MAX_MESSAGE);
        if upgrade.selected_protocol().is_none() {
            return (StatusCode::BAD_REQUEST, "the WebSocket protocol here is mqtt\n").into_response();
        }
        let Ok(place) = self.places.clone().try_acquire_owned() else {
            tracing::warn!("{MAX_PAGES} pages are connected; another one was refused");
            return (StatusCode::SERVICE_UNAVAILABLE, "too many pages are connected\n").into_response();
        };
        let (broker, bridged) = match self.connect(peer).await {
            Ok(connection) => connection,
            Err(e) => {
                tracing::error!("the embedded broker does not answer: {e}");
                return (StatusCode::SERVICE_UNAVAILABLE, "the broker does not answer\n").into_response();
            }
        };
        let running = self.running.token();
        upgrade.on_upgrade(async move |page| {
            let _ends_with_this = (place, bridged, running);
            run(page, broker, &self.stop).await;
        })
    }

    /// Waits until all bridges have ended, which they do when told to stop.
    pub(super) async fn ended(&self) {
        self.running.close();
        self.running.wait().await;
    }

    /// A connection to the broker, which knows it before it comes.
    async fn connect(&self, peer: IpAddr) -> std::io::Result<(TcpStream, Bridged)> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
        let bridged = self.access.bridge(socket.local_addr()?, peer);
        let stream = timeout(WRITE, socket.connect(self.broker)).await??;
        stream.set_nodelay(true)?;
        Ok((stream, bridged))
    }
}

/// A browser says of which page it opens a WebSocket: only our own may. Other programs say nothing.
fn is_same_origin(headers: &HeaderMap) -> bool {
    if [header::ORIGIN, header::HOST].iter().any(|name| headers.get_all(name).iter().count() > 1) {
        return false;
    }
    let text = |name| headers.get(name).map(|v| v.to_str().unwrap_or_default());
    match text(header::ORIGIN) {
        None => true,
        Some(origin) => match origin.split_once("://") {
            Some((_, authority)) => text(header::HOST).is_some_and(|host| host.eq_ignore_ascii_case(authority)),
            None => false,
        },
    }
}

/// Carries bytes both ways until one side ends, or all do.
async fn run(page: WebSocket, broker: TcpStream, stop: &CancellationToken) {
    let (mut to_page, from_page) = page.split();
    let (from_broker, to_broker) = broker.into_split();
    let code = tokio::select! {
        code = upward(from_page, to_broker) => code,
        code = downward(from_broker, &mut to_page) => code,
        () = stop.cancelled() => close_code::AWAY,
    };
    let close = Message::Close(Some(CloseFrame { code, reason: "".into() }));
    // It may be gone already.
    let _ = timeout(Duration::from_secs(1), to_page.send(close)).await;
}

async fn upward(mut from_page: SplitStream<WebSocket>, mut to_broker: OwnedWriteHalf) -> u16 {
    while let Some(message) = from_page.next().await {
        let bytes = match message {
            Ok(Message::Binary(bytes)) => bytes,
            Ok(Message::Ping(_) | Message::Pong(_)) => continue,
            Ok(Message::Text(_)) => return close_code::UNSUPPORTED,
            Ok(Message::Close(_)) => break,
            Err(_) => return close_code::PROTOCOL,
        };
        if !matches!(timeout(WRITE, to_broker.write_all(&bytes)).await, Ok(Ok(()))) {
            break;
        }
    }
    close_code::NORMAL
}

async fn downward(mut from_broker: OwnedReadHalf, to_page: &mut SplitSink<WebSocket, Message>) -> u16 {
    let mut buffer = BytesMut::with_capacity(CHUNK);
    let mut patience = LOGIN;
    loop {
        buffer.reserve(CHUNK);
        let read = timeout(patience, from_broker.read_buf(&mut buffer)).await;
        if !matches!(read, Ok(Ok(1..))) {
            return close_code::NORMAL;
        }
        // From now on the broker watches the page's keep-alive.
        patience = Duration::MAX;
        let bytes: Bytes = buffer.split().freeze();
        if !matches!(timeout(WRITE, to_page.send(Message::Binary(bytes))).await, Ok(Ok(()))) {
            return close_code::NORMAL;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_page_may_open_a_websocket() {
        for (origin, host, ours) in [
            (None, Some("a"), true),
            (Some("http://127.0.0.1:8080"), Some("127.0.0.1:8080"), true),
            (Some("https://Camera.local:8443"), Some("camera.local:8443"), true),
            (Some("http://127.0.0.1:8081"), Some("127.0.0.1:8080"), false),
            (Some("https://evil.example"), Some("127.0.0.1:8080"), false),
            (Some("http://127.0.0.1"), Some("127.0.0.1:8080"), false),
            (Some("null"), Some("127.0.0.1:8080"), false),
            (Some(""), Some(""), false),
            (Some("http://a"), None, false),
        ] {
            let mut headers = HeaderMap::new();
            for (name, value) in [(header::ORIGIN, origin), (header::HOST, host)] {
                if let Some(value) = value {
                    headers.insert(name, value.parse().unwrap());
                }
            }
            assert_eq!(is_same_origin(&headers), ours, "{origin:?} {host:?}");
        }
    }
}
