//! A way to a TURN server over TCP or TLS that looks like a datagram socket: one message in, one message out.
//!
//! Nothing waits and nothing grows: what the network does not take in time is dropped, as it would be on UDP. An allocation
//! ends with its connection (RFC 8656, section 3.1); the tunnel connects anew when something is sent again, and who uses it
//! must allocate anew.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::AbortHandle;

use super::Tls;
use super::dial::{self, DialError};
use super::frame::{self, Deframer, Garbage};

/// Name, TCP and TLS together.
const CONNECT: Duration = Duration::from_secs(8);
/// Data that waited longer is of no use any more. What is asked of the server stays.
const OLD: Duration = Duration::from_millis(200);
/// Bytes that wait; 200 ms at 10 Mbit/s.
const WAITING: usize = 256 << 10;
/// Bytes in one writing, and bytes that the kernel may hold unsent: what is in there can no longer be dropped.
const PIECE: usize = 4 << 10;
/// Messages that wait to be received; more are dropped.
const RECEIVED: usize = 256;
/// A connection whose other end acknowledges nothing is given up.
const DEAD: Duration = Duration::from_secs(10);
/// Attempts are this far apart at first, and then twice as far each.
const FIRST: Duration = Duration::from_millis(500);
const LAST: Duration = Duration::from_secs(8);

/// Where a tunnel leads.
#[derive(Clone, Debug)]
pub struct Target {
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// How its certificate is judged; `None`: TCP alone.
    pub tls: Option<Tls>,
}

/// How a tunnel is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Not there yet.
    Connecting,
    /// What is sent goes out.
    Open,
    /// No connection; the next message makes another attempt.
    Broken(TunnelError),
}

/// Why a tunnel leads nowhere.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TunnelError {
    /// It was never there.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// The other end is no TURN server.
    #[error(transparent)]
    Garbage(#[from] Garbage),
    /// It was there.
    #[error("the connection was lost: {0}")]
    Lost(String),
}

/// See the module. Closed when dropped.
#[derive(Debug)]
pub struct Tunnel {
    shared: Arc<Shared>,
    received: mpsc::Receiver<Bytes>,
    state: watch::Receiver<State>,
    task: AbortHandle,
}

/// The sending end alone. Cheap to clone.
#[derive(Clone, Debug)]
pub struct TunnelSender(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    more: Notify,
}

/// What waits to be sent.
#[derive(Debug, Default)]
struct Queue {
    messages: VecDeque<(Instant, Bytes)>,
    bytes: usize,
    dropped: u64,
}

impl Tunnel {
    /// Connects; needs a tokio runtime. What is sent meanwhile waits.
    pub fn open(target: Target) -> Self {
        Self::open_within(target, CONNECT)
    }

    fn open_within(target: Target, patience: Duration) -> Self {
        let shared = Arc::new(Shared { queue: Mutex::default(), more: Notify::new() });
        let (inbound, received) = mpsc::channel(RECEIVED);
        let (tell, state) = watch::channel(State::Connecting);
        let task = tokio::spawn(run(target, patience, shared.clone(), inbound, tell)).abort_handle();
        Self { shared, received, state, task }
    }

    /// Sends one STUN message or one piece of channel data. Never waits; what is neither is dropped.
    pub fn send(&self, message: &[u8]) {
        self.shared.send(message);
    }

    /// The sending end, for others.
    pub fn sender(&self) -> TunnelSender {
        TunnelSender(self.shared.clone())
    }

    /// The next message. Never ends by itself; [`Tunnel::state`] says why nothing comes.
    pub async fn recv(&mut self) -> Bytes {
        match self.received.recv().await {
            Some(message) => message,
            None => std::future::pending().await,
        }
    }

    /// As [`Tunnel::recv`], to be asked again when woken.
    pub fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<Bytes> {
        match self.received.poll_recv(context) {
            Poll::Ready(Some(message)) => Poll::Ready(message),
            _ => Poll::Pending,
        }
    }

    /// How it is, and each change.
    pub fn state(&self) -> watch::Receiver<State> {
        self.state.clone()
    }

    /// Messages that were not sent, because the network took too few.
    pub fn dropped(&self) -> u64 {
        self.shared.queue().dropped
    }

    /// Sends what waits, then closes. What was sent last may free an allocation.
    pub async fn close(self) {
        let sent = async {
            while !self.shared.queue().messages.is_empty() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let open = matches!(*self.state.borrow(), State::Open);
        if open && tokio::time::timeout(OLD, sent).await.is_ok() {
            // From the queue to the kernel.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl TunnelSender {
    /// See [`Tunnel::send`].
    pub fn send(&self, message: &[u8]) {
        self.0.send(message);
    }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn send(&self, message: &[u8]) {
        let mut framed = BytesMut::with_capacity(message.len() + 3);
        if frame::put(message, &mut framed) {
            self.queue().push(framed.freeze(), Instant::now());
            self.more.notify_one();
        }
    }
}

impl Queue {
    fn push(&mut self, message: Bytes, now: Instant) {
        self.forget_old(now);
        while self.bytes + message.len() > WAITING {
            // Data before requests.
            let oldest = self.messages.iter().position(|(_, message)| frame::is_data(message)).unwrap_or(0);
            let Some((_, oldest)) = self.messages.remove(oldest) else { break };
            self.bytes -= oldest.len();
            self.dropped += 1;
        }
        self.bytes += message.len();
        self.messages.push_back((now, message));
    }

    /// A piece for one writing, at least one message if there is any.
    fn pop(&mut self, now: Instant) -> BytesMut {
        self.forget_old(now);
        let mut piece = BytesMut::with_capacity(PIECE);
        while let Some((_, next)) = self.messages.front() {
            if !piece.is_empty() && piece.len() + next.len() > PIECE {
                break;
            }
            piece.extend_from_slice(next);
            self.bytes -= next.len();
            self.messages.pop_front();
        }
        piece
    }

    fn forget_old(&mut self, now: Instant) {
        let Self { messages, bytes, dropped } = self;
        // The oldest is in front; a request may stand before data that is old.
        if messages.front().is_none_or(|(at, _)| now.saturating_duration_since(*at) <= OLD) {
            return;
        }
        messages.retain(|(at, message)| {
            let keep = now.saturating_duration_since(*at) <= OLD || !frame::is_data(message);
            if !keep {
                *bytes -= message.len();
                *dropped += 1;
            }
            keep
        });
    }
}

async fn run(
    target: Target,
    patience: Duration,
    shared: Arc<Shared>,
    inbound: mpsc::Sender<Bytes>,
    tell: watch::Sender<State>,
) {
    let mut pause = FIRST;
    loop {
        let began = Instant::now();
        let error = match connection(&target, patience, &shared, &inbound, &tell).await {
            Ok(never) => match never {},
            Err(error) => error,
        };
        // What was meant for the connection before is of no use to the next.
        shared.queue().messages.clear();
        shared.queue().bytes = 0;
        tell.send_replace(State::Broken(error));
        pause = if began.elapsed() > LAST { FIRST } else { pause };
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LAST);
        while shared.queue().messages.is_empty() {
            shared.more.notified().await;
        }
        tell.send_replace(State::Connecting);
    }
}

async fn connection(
    target: &Target,
    patience: Duration,
    shared: &Shared,
    inbound: &mpsc::Sender<Bytes>,
    tell: &watch::Sender<State>,
) -> Result<std::convert::Infallible, TunnelError> {
    let Target { host, port, tls } = target;
    let connect = async {
        let stream = dial::tcp(host, *port).await?;
        settle(&stream);
        match tls {
            None => Ok((Some(stream), None)),
            Some(tls) => dial::tls(stream, host, tls).await.map(|stream| (None, Some(stream))),
        }
    };
    let connected = tokio::time::timeout(patience, connect).await;
    let streams = connected.map_err(|_| DialError::TimedOut)??;
    tell.send_replace(State::Open);
    match streams {
        (Some(stream), _) => pump(stream, shared, inbound).await,
        (None, Some(stream)) => pump(stream, shared, inbound).await,
        (None, None) => Err(DialError::TimedOut.into()),
    }
}

/// So that little waits where it cannot be dropped, and a dead connection is noticed. A kernel that knows nothing of it
/// makes it slower, not wrong.
fn settle(stream: &TcpStream) {
    let socket = SockRef::from(stream);
    let _ = socket.set_tcp_notsent_lowat(PIECE as u32);
    let _ = socket.set_tcp_user_timeout(Some(DEAD));
}

async fn pump<S: AsyncRead + AsyncWrite>(
    stream: S,
    shared: &Shared,
    inbound: &mpsc::Sender<Bytes>,
) -> Result<std::convert::Infallible, TunnelError> {
    let (mut reader, mut writer) = tokio::io::split(stream);
    let lost = |e: std::io::Error| TunnelError::Lost(e.to_string());
    let write = async {
        loop {
            let piece = shared.queue().pop(Instant::now());
            if piece.is_empty() {
                shared.more.notified().await;
                continue;
            }
            writer.write_all(&piece).await.map_err(lost)?;
            writer.flush().await.map_err(lost)?;
        }
    };
    let read = async {
        let mut deframer = Deframer::default();
        loop {
            if reader.read_buf(deframer.buffer()).await.map_err(lost)? == 0 {
                return Err(TunnelError::Lost("the server closed it".to_owned()));
            }
            while let Some(message) = deframer.message()? {
                // Who does not take them loses them.
                let _ = inbound.try_send(message);
            }
        }
    };
    tokio::select! {
        ended = write => ended,
        ended = read => ended,
    }
}

#[cfg(test)]
#[path = "tunnel_tests.rs"]
mod tests;
