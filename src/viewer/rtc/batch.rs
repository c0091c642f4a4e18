//! Sockets that send a picture's packets with one system call.
//!
//! A connection's driver hands over one datagram at a time. Here they wait until the driver's turn is over; then a run
//! of equal size to the same peer leaves as one buffer that the kernel cuts up (UDP_SEGMENT, udp(7)). While the kernel
//! takes nothing, a little waits and the rest is dropped, as the network would do; retransmission makes it good.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use super::lock;
use tokio::sync::Notify;
use webrtc::runtime::{
    AsyncInterval, AsyncTcpListener, AsyncTcpStream, AsyncUdpSocket, EcnCodepoint, JoinHandle, RecvMeta, Runtime,
    TokioRuntime, Transmit,
};

/// The kernel's limits: UDP_MAX_SEGMENTS, and a datagram's length.
const SEGMENTS: usize = 64;
const BYTES: usize = 65_000;
/// What waits for the kernel on one socket.
const WAITING: usize = 256 * 1024;

type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A [`Runtime`] whose UDP sockets batch what they send.
#[derive(Debug)]
pub(super) struct Batching {
    tokio: TokioRuntime,
    turn: Arc<Turn>,
}

/// The sockets with something to send when the drivers' turn is over.
#[derive(Debug, Default)]
struct Turn {
    waiting: Mutex<Vec<Arc<Socket>>>,
    over: Notify,
}

#[derive(Debug)]
struct Socket {
    inner: Arc<dyn AsyncUdpSocket>,
    queue: Mutex<Queue>,
    turn: Arc<Turn>,
    me: Weak<Socket>,
}

#[derive(Debug, Default)]
struct Queue {
    runs: VecDeque<Run>,
    bytes: usize,
    /// An empty buffer to begin the next run with.
    spare: Vec<u8>,
}

/// Datagrams of one size to one peer; the last may be shorter, and then nothing can follow it.
#[derive(Debug)]
struct Run {
    to: (SocketAddr, Option<EcnCodepoint>),
    bytes: Vec<u8>,
    segment: usize,
    segments: usize,
    closed: bool,
}

impl Batching {
    /// Starts the task that flushes; it ends when the runtime and all its sockets are gone.
    pub(super) fn start() -> Arc<Self> {
        let turn = Arc::new(Turn::default());
        let weak = Arc::downgrade(&turn);
        tokio::spawn(async move {
            while let Some(turn) = weak.upgrade() {
                // Wakes now and then to see whether anybody is left.
                let _ = tokio::time::timeout(Duration::from_secs(60), turn.over.notified()).await;
                // Every driver that was woken by the same picture gets its turn first.
                tokio::task::yield_now().await;
                let waiting = std::mem::take(&mut *lock(&turn.waiting));
                for socket in waiting {
                    if poll_fn(|cx| Poll::Ready(socket.poll_flush(cx))).await.is_pending() {
                        // Rare: a socket that was just made, or a full buffer.
                        tokio::spawn(poll_fn(move |cx| socket.poll_flush(cx)));
                    }
                }
            }
        });
        Arc::new(Self { tokio: TokioRuntime, turn })
    }
}

impl Run {
    /// Whether a datagram can leave with those that wait.
    fn takes(&self, transmit: &Transmit<'_>) -> bool {
        let length = transmit.contents.len();
        self.to == (transmit.destination, transmit.ecn)
            && !self.closed
            && length <= self.segment
            && self.segments < SEGMENTS
            && self.bytes.len() + length <= BYTES
    }
}

impl Queue {
    /// Adds a datagram, unless too much waits.
    fn push(&mut self, transmit: &Transmit<'_>) {
        let length = transmit.contents.len();
        if self.bytes + length > WAITING {
            return;
        }
        self.bytes += length;
        match self.runs.back_mut().filter(|run| run.takes(transmit)) {
            Some(run) => {
                run.bytes.extend_from_slice(transmit.contents);
                run.segments += 1;
                run.closed = length < run.segment;
            }
            None => {
                let mut bytes = std::mem::take(&mut self.spare);
                bytes.extend_from_slice(transmit.contents);
                let to = (transmit.destination, transmit.ecn);
                self.runs.push_back(Run { to, bytes, segment: length, segments: 1, closed: false });
            }
        }
    }

    /// The first run is sent.
    fn pop(&mut self) {
        if let Some(mut run) = self.runs.pop_front() {
            self.bytes -= run.bytes.len();
            run.bytes.clear();
            self.spare = run.bytes;
        }
    }
}

impl Socket {
    /// Sends what waits. Only the flushing task calls this: a socket wakes but one who waits for it to be writable.
    fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut queue = lock(&self.queue);
        while let Some(run) = queue.runs.front() {
            let (destination, ecn) = run.to;
            let segment_size = (run.segments > 1).then_some(run.segment);
            let transmit = Transmit { destination, ecn, contents: &run.bytes, segment_size, src_ip: None };
            // An error is about this peer, and for ICE to find out.
            let _ = ready!(self.inner.poll_send(cx, &transmit));
            queue.pop();
        }
        Poll::Ready(())
    }
}

impl AsyncUdpSocket for Socket {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    fn poll_send(&self, cx: &mut Context<'_>, transmit: &Transmit<'_>) -> Poll<io::Result<usize>> {
        if self.inner.max_gso_segments() < 2 {
            return self.inner.poll_send(cx, transmit);
        }
        let mut queue = lock(&self.queue);
        let first = queue.runs.is_empty();
        queue.push(transmit);
        drop(queue);
        if first && let Some(me) = self.me.upgrade() {
            lock(&self.turn.waiting).push(me);
            self.turn.over.notify_one();
        }
        Poll::Ready(Ok(transmit.contents.len()))
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        self.inner.poll_recv(cx, bufs, meta)
    }

    fn max_gro_segments(&self) -> usize {
        self.inner.max_gro_segments()
    }
}

impl Runtime for Batching {
    fn wrap_udp_socket(&self, socket: std::net::UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        let inner = self.tokio.wrap_udp_socket(socket)?;
        let turn = self.turn.clone();
        Ok(Arc::new_cyclic(|me| Socket { inner, queue: Mutex::default(), turn, me: me.clone() }))
    }

    fn spawn(&self, future: Boxed<'static, ()>) -> Box<dyn JoinHandle> {
        self.tokio.spawn(future)
    }

    fn spawn_reactor(&self, pool: usize, future: Boxed<'static, ()>) -> Box<dyn JoinHandle> {
        self.tokio.spawn_reactor(pool, future)
    }

    fn wrap_tcp_listener(&self, listener: std::net::TcpListener) -> io::Result<Arc<dyn AsyncTcpListener>> {
        self.tokio.wrap_tcp_listener(listener)
    }

    fn connect_tcp<'a>(&'a self, address: SocketAddr) -> Boxed<'a, io::Result<Arc<dyn AsyncTcpStream>>> {
        self.tokio.connect_tcp(address)
    }

    fn resolve_host<'a>(&'a self, host: &'a str) -> Boxed<'a, io::Result<Vec<SocketAddr>>> {
        self.tokio.resolve_host(host)
    }

    fn sleep(&self, time: Duration) -> Boxed<'static, ()> {
        self.tokio.sleep(time)
    }

    fn interval(&self, period: Duration) -> Box<dyn AsyncInterval> {
        self.tokio.interval(period)
    }

    fn block_on(&self, future: Pin<Box<dyn Future<Output = ()> + '_>>) {
        self.tokio.block_on(future);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn datagram(contents: &[u8], port: u16) -> Transmit<'_> {
        let destination = ([127, 0, 0, 1], port).into();
        Transmit { destination, ecn: None, contents, segment_size: None, src_ip: None }
    }

    #[test]
    fn only_equal_datagrams_to_one_peer_leave_together() {
        let mut queue = Queue::default();
        let sent = [(100, 1), (100, 1), (100, 2), (101, 2), (60, 2), (60, 2)];
        for (length, port) in sent {
            queue.push(&datagram(&vec![0; length], port));
        }
        let runs: Vec<_> = queue.runs.iter().map(|run| (run.to.0.port(), run.bytes.len(), run.segments)).collect();
        assert_eq!(runs, [(1, 200, 2), (2, 100, 1), (2, 161, 2), (2, 60, 1)]);
        (0..4).for_each(|_| queue.pop());
        assert_eq!((queue.runs.len(), queue.bytes), (0, 0));
    }

    #[test]
    fn a_run_and_a_queue_end_somewhere() {
        let mut queue = Queue::default();
        for _ in 0..=SEGMENTS {
            queue.push(&datagram(&[0; 10], 1));
        }
        assert_eq!(queue.runs.iter().map(|run| run.segments).collect::<Vec<_>>(), [SEGMENTS, 1]);
        for _ in 0..1000 {
            queue.push(&datagram(&[0; 1200], 1));
        }
        assert!(queue.bytes <= WAITING && queue.runs.iter().all(|run| run.bytes.len() <= BYTES));
    }

    #[tokio::test]
    async fn what_is_sent_arrives_as_it_was() {
        let receiver = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let port = receiver.local_addr().unwrap().port();
        let runtime = Batching::start();
        let socket = runtime.wrap_udp_socket(std::net::UdpSocket::bind("127.0.0.1:0").unwrap()).unwrap();
        let sizes = [900, 900, 900, 300, 900, 1200, 20, 20];
        for (i, size) in sizes.into_iter().enumerate() {
            let contents = vec![i as u8; size];
            poll_fn(|cx| socket.poll_send(cx, &datagram(&contents, port))).await.unwrap();
        }
        let mut buffer = [0; 2048];
        for (i, size) in sizes.into_iter().enumerate() {
            let n = receiver.recv(&mut buffer).await.unwrap();
            assert_eq!((n, buffer[0]), (size, i as u8));
        }
    }
}
