//! Sending a picture's packets with one system call.
//!
//! A connection's driver hands over one datagram at a time. Here they wait until the drivers' turn is over; then a run
//! of equal size to the same peer leaves as one buffer that the kernel cuts up (UDP_SEGMENT, udp(7)). While the kernel
//! takes nothing, a little waits for each sender and the rest is dropped, as the network would do; retransmission makes
//! it good.

use std::collections::{HashMap, VecDeque};
use std::future::poll_fn;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};

use super::super::lock;
use tokio::sync::Notify;
use webrtc::runtime::{AsyncUdpSocket, Transmit};

/// The kernel's limits: UDP_MAX_SEGMENTS, and a datagram's length.
const SEGMENTS: usize = 64;
const BYTES: usize = 65_000;
/// What waits for the kernel of one sender.
const WAITING: usize = 256 * 1024;
/// Peers of one sender of which is known to which of our addresses they send.
const SOURCES: usize = 64;

/// A socket, and who has something to send by it when the drivers' turn is over.
#[derive(Debug)]
pub(super) struct Outlet {
    socket: Arc<dyn AsyncUdpSocket>,
    waiting: Mutex<Vec<Arc<Queue>>>,
    over: Arc<Notify>,
}

/// What one sender has to send.
#[derive(Debug, Default)]
pub(super) struct Queue(Mutex<Datagrams>);

#[derive(Debug, Default)]
struct Datagrams {
    runs: VecDeque<Run>,
    bytes: usize,
    /// An empty buffer to begin the next run with.
    spare: Vec<u8>,
    /// The address of ours by which a peer reaches us. What comes from another would be a stranger's to it.
    sources: HashMap<SocketAddr, IpAddr>,
}

/// Datagrams of one size to one peer; the last may be shorter, and then nothing can follow it.
#[derive(Debug)]
struct Run {
    to: SocketAddr,
    from: Option<IpAddr>,
    bytes: Vec<u8>,
    segment: usize,
    segments: usize,
    closed: bool,
}

impl Outlet {
    /// Starts the task that flushes; it ends with the outlet.
    pub(super) fn start(socket: Arc<dyn AsyncUdpSocket>) -> Arc<Self> {
        let over = Arc::new(Notify::new());
        let outlet = Arc::new(Self { socket, waiting: Mutex::default(), over: over.clone() });
        let weak = Arc::downgrade(&outlet);
        tokio::spawn(async move {
            loop {
                over.notified().await;
                // Every driver that was woken by the same picture gets its turn first.
                tokio::task::yield_now().await;
                let Some(outlet) = weak.upgrade() else { break };
                outlet.flush().await;
            }
        });
        outlet
    }

    pub(super) fn socket(&self) -> &Arc<dyn AsyncUdpSocket> {
        &self.socket
    }

    /// Sends soon. `from`: the address of ours to send from, unless the peer is known to use another.
    pub(super) fn send(&self, queue: &Arc<Queue>, to: SocketAddr, from: Option<IpAddr>, contents: &[u8]) {
        let segments = self.socket.max_gso_segments().clamp(1, SEGMENTS);
        if lock(&queue.0).push(to, from, contents, segments) {
            lock(&self.waiting).push(queue.clone());
            self.over.notify_one();
        }
    }

    /// Sends what waits.
    pub(super) async fn flush(&self) {
        let waiting = std::mem::take(&mut *lock(&self.waiting));
        for queue in waiting {
            poll_fn(|cx| self.poll_flush(&queue, cx)).await;
        }
    }

    fn poll_flush(&self, queue: &Queue, cx: &mut Context<'_>) -> Poll<()> {
        let mut queue = lock(&queue.0);
        while let Some(run) = queue.runs.front() {
            let segment_size = (run.segments > 1).then_some(run.segment);
            let (destination, src_ip) = (run.to, run.from);
            let transmit = Transmit { destination, ecn: None, contents: &run.bytes, segment_size, src_ip };
            // An error is about this peer, and for ICE to find out; or our address is gone.
            if ready!(self.socket.poll_send(cx, &transmit)).is_err() {
                queue.sources.remove(&destination);
            }
            queue.pop();
        }
        Poll::Ready(())
    }
}

impl Drop for Outlet {
    fn drop(&mut self) {
        self.over.notify_one();
    }
}

impl Queue {
    /// A peer was heard at this address of ours.
    pub(super) fn heard(&self, peer: SocketAddr, at: IpAddr) {
        let mut queue = lock(&self.0);
        if queue.sources.len() >= SOURCES && !queue.sources.contains_key(&peer) {
            queue.sources.clear();
        }
        queue.sources.insert(peer, at);
    }
}

impl Run {
    /// Whether a datagram can leave with those that wait.
    fn takes(&self, to: SocketAddr, from: Option<IpAddr>, length: usize, segments: usize) -> bool {
        (self.to, self.from) == (to, from)
            && !self.closed
            && length <= self.segment
            && self.segments < segments
            && self.bytes.len() + length <= BYTES
    }
}

impl Datagrams {
    /// Adds a datagram, unless too much waits; says whether it is the first.
    fn push(&mut self, to: SocketAddr, from: Option<IpAddr>, contents: &[u8], segments: usize) -> bool {
        let length = contents.len();
        if self.bytes + length > WAITING {
            return false;
        }
        let first = self.runs.is_empty();
        let from = self.sources.get(&to).copied().or(from);
        self.bytes += length;
        match self.runs.back_mut().filter(|run| run.takes(to, from, length, segments)) {
            Some(run) => {
                run.bytes.extend_from_slice(contents);
                run.segments += 1;
                run.closed = length < run.segment;
            }
            None => {
                let mut bytes = std::mem::take(&mut self.spare);
                bytes.extend_from_slice(contents);
                self.runs.push_back(Run { to, from, bytes, segment: length, segments: 1, closed: false });
            }
        }
        first
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

#[cfg(test)]
mod tests {
    use webrtc::runtime::{Runtime, TokioRuntime};

    use super::*;

    fn peer(port: u16) -> SocketAddr {
        ([127, 0, 0, 1], port).into()
    }

    #[test]
    fn only_equal_datagrams_to_one_peer_leave_together() {
        let mut queue = Datagrams::default();
        for (length, port) in [(100, 1), (100, 1), (100, 2), (101, 2), (60, 2), (60, 2)] {
            queue.push(peer(port), None, &vec![0; length], SEGMENTS);
        }
        let runs: Vec<_> = queue.runs.iter().map(|run| (run.to.port(), run.bytes.len(), run.segments)).collect();
        assert_eq!(runs, [(1, 200, 2), (2, 100, 1), (2, 161, 2), (2, 60, 1)]);
        (0..4).for_each(|_| queue.pop());
        assert_eq!((queue.runs.len(), queue.bytes), (0, 0));
    }

    #[test]
    fn a_run_and_a_queue_end_somewhere() {
        let mut queue = Datagrams::default();
        for _ in 0..=SEGMENTS {
            queue.push(peer(1), None, &[0; 10], SEGMENTS);
        }
        assert_eq!(queue.runs.iter().map(|run| run.segments).collect::<Vec<_>>(), [SEGMENTS, 1]);
        for _ in 0..1000 {
            queue.push(peer(1), None, &[0; 1200], SEGMENTS);
        }
        assert!(queue.bytes <= WAITING && queue.runs.iter().all(|run| run.bytes.len() <= BYTES));
        let mut single = Datagrams::default();
        (0..3).for_each(|_| _ = single.push(peer(1), None, &[0; 10], 1));
        assert_eq!(single.runs.len(), 3, "a kernel without UDP_SEGMENT gets them one by one");
    }

    #[test]
    fn what_is_sent_comes_from_where_the_peer_sends_to() {
        let queue = Queue::default();
        let (ours, other): (IpAddr, IpAddr) = ("192.0.2.5".parse().unwrap(), "192.0.2.6".parse().unwrap());
        queue.heard(peer(1), ours);
        let mut datagrams = lock(&queue.0);
        for port in [1, 2] {
            datagrams.push(peer(port), Some(other), &[0; 10], SEGMENTS);
        }
        assert_eq!(datagrams.runs.iter().map(|run| run.from).collect::<Vec<_>>(), [Some(ours), Some(other)]);
    }

    #[tokio::test]
    async fn what_is_sent_arrives_as_it_was() {
        let receiver = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let to = receiver.local_addr().unwrap();
        let socket = TokioRuntime.wrap_udp_socket(std::net::UdpSocket::bind("127.0.0.1:0").unwrap()).unwrap();
        let (outlet, queue) = (Outlet::start(socket), Arc::new(Queue::default()));
        let sizes = [900, 900, 900, 300, 900, 1200, 20, 20];
        for (i, size) in sizes.into_iter().enumerate() {
            outlet.send(&queue, to, None, &vec![i as u8; size]);
        }
        let mut buffer = [0; 2048];
        for (i, size) in sizes.into_iter().enumerate() {
            let n = receiver.recv(&mut buffer).await.unwrap();
            assert_eq!((n, buffer[0]), (size, i as u8));
        }
    }
}
