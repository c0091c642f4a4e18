//! One port: TCP connections → HTTP, or HTTPS.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderValue, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Peer;

/// Connections at once, those that have become WebSockets not counted.
const MAX_CONNECTIONS: usize = 512;
/// A client says what it wants within this time, and then each time again.
const HEADERS: Duration = Duration::from_secs(15);
/// A connection lasts no longer; browsers open another.
const LIFETIME: Duration = Duration::from_secs(120);
/// At the end, answers that are on their way may arrive.
const GRACE: Duration = Duration::from_secs(1);
/// The first byte of TLS: a handshake record.
const TLS_HANDSHAKE: u8 = 0x16;

/// Serves `app` until `stop`, then lets what is under way end.
pub(super) async fn serve(listener: TcpListener, tls: Option<TlsAcceptor>, app: Router, stop: CancellationToken) {
    let connections = TaskTracker::new();
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let accepted = stop.run_until_cancelled(async {
            // The semaphore is never closed.
            let place = places.clone().acquire_owned().await.ok();
            listener.accept().await.map(|(stream, peer)| (place, stream, peer))
        });
        match accepted.await {
            None => break,
            Some(Ok((place, stream, peer))) => {
                let (tls, app, stop) = (tls.clone(), app.clone(), stop.clone());
                connections.spawn(async move {
                    let _place = place;
                    connection(stream, peer, tls, app, stop).await;
                });
            }
            Some(Err(e)) => {
                // Most likely too many open files: give others the time to close some.
                tracing::warn!("cannot accept a connection: {e}");
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
        }
    }
    drop(listener);
    connections.close();
    let _ = timeout(2 * GRACE, connections.wait()).await;
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    tls: Option<TlsAcceptor>,
    app: Router,
    stop: CancellationToken,
) {
    // Only a hint.
    let _ = stream.set_nodelay(true);
    let outcome = match tls {
        None => http(stream, peer, app, &stop).await,
        Some(tls) => match timeout(HEADERS, is_tls(&stream)).await {
            Ok(Ok(true)) => match timeout(HEADERS, tls.accept(stream)).await {
                Ok(Ok(stream)) => http(stream, peer, app, &stop).await,
                Ok(Err(e)) => Err(e),
                Err(e) => Err(e.into()),
            },
            Ok(Ok(false)) => http(stream, peer, Router::new().fallback(to_https), &stop).await,
            Ok(Err(e)) => Err(e),
            Err(e) => Err(e.into()),
        },
    };
    if let Err(e) = outcome {
        // A port that others can reach is tried by many; nothing of it is worth a line.
        tracing::debug!(%peer, "a connection ended: {e}");
    }
}

/// Looks at the first byte, and leaves it there.
async fn is_tls(stream: &TcpStream) -> io::Result<bool> {
    let mut first = [0];
    match stream.peek(&mut first).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(first == [TLS_HANDSHAKE]),
    }
}

async fn http<S>(stream: S, peer: SocketAddr, app: Router, stop: &CancellationToken) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let app = TowerToHyperService::new(app);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(Peer(peer.ip().to_canonical()));
        app.call(request)
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEADERS).max_buf_size(32 * 1024);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service).with_upgrades());
    tokio::select! {
        outcome = &mut connection => return outcome.map_err(io::Error::other),
        () = tokio::time::sleep(LIFETIME) => {}
        () = stop.cancelled() => {}
    }
    connection.as_mut().graceful_shutdown();
    timeout(GRACE, connection).await?.map_err(io::Error::other)
}

/// Plain HTTP came to the HTTPS port: someone typed the address without `https://`.
async fn to_https(request: axum::extract::Request) -> Response<axum::body::Body> {
    let host = request.headers().get(header::HOST).and_then(|h| h.to_str().ok());
    let path = request.uri().path_and_query().map_or("/", |p| p.as_str());
    let target = host.and_then(|host| HeaderValue::from_str(&format!("https://{host}{path}")).ok());
    let mut response = Response::new(axum::body::Body::from("this is https\n"));
    *response.status_mut() = StatusCode::BAD_REQUEST;
    if let Some(target) = target {
        *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
        response.headers_mut().insert(header::LOCATION, target);
    }
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}
