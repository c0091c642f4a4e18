//! One connection's end of the port: the runtime that the library is given, with sockets that are made up.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use webrtc::peer_connection::{RTCConfigurationBuilder, RTCIceTransportPolicy};
use webrtc::runtime::{
    AsyncInterval, AsyncTcpListener, AsyncTcpStream, AsyncUdpSocket, JoinHandle, RecvMeta, Runtime, TokioRuntime,
    Transmit,
};

use super::super::path::{self, Path, PathReport};
use super::super::servers::{self, Server, Via};
use super::super::{candidates, lock, reach};
use super::batch::Queue;
use super::leg::Leg;
use super::steer::Steer;
use super::table::Id;
use super::{Port, stun};

/// Datagrams that wait for a connection's driver.
const INBOX: usize = 512;

type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// See the module.
#[derive(Debug)]
pub(in super::super) struct Line {
    port: Arc<Port>,
    id: Id,
    tokio: TokioRuntime,
    servers: Mutex<Arc<[Server]>>,
    sockets: Mutex<[Weak<Socket>; 2]>,
    carried: Mutex<Carried>,
    steer: Mutex<Steer>,
    /// What waits to be sent from the port, one a family.
    queues: [Arc<Queue>; 2],
}

/// Where pictures go, and how much went.
#[derive(Clone, Copy, Debug, Default)]
struct Carried {
    /// Where the last packet that was not for ICE went: a viewer, or a server of ours by the address that stands for it.
    to: Option<SocketAddr>,
    /// Bytes by the port.
    by_port: u64,
    /// Bytes by our relays.
    by_relay: u64,
}

/// What the library takes for its socket.
#[derive(Debug)]
pub(super) struct Socket {
    line: Arc<Line>,
    /// Where it believes to be.
    local: SocketAddr,
    servers: Arc<[Server]>,
    inbox: Mutex<Inbox>,
    legs: Mutex<HashMap<SocketAddr, Leg>>,
    me: Weak<Socket>,
}

#[derive(Debug, Default)]
struct Inbox {
    datagrams: VecDeque<(SocketAddr, Vec<u8>)>,
    waker: Option<Waker>,
}

impl Line {
    pub(super) fn new(port: Arc<Port>, id: Id, servers: Vec<Server>) -> Self {
        let (servers, sockets, carried) = (Mutex::new(servers.into()), Mutex::default(), Mutex::default());
        let (steer, queues) = (Mutex::default(), <[Arc<Queue>; 2]>::default());
        Self { port, id, tokio: TokioRuntime, servers, sockets, carried, steer, queues }
    }

    /// What the library binds, one address a family; it is closed at once.
    pub(in super::super) fn addresses(&self) -> Vec<SocketAddr> {
        let v6 = self.port.has_v6().then(|| SocketAddr::new(Ipv6Addr::LOCALHOST.into(), 0));
        // There in any case: relays are reached by it, in either family.
        [SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0)].into_iter().chain(v6).collect()
    }

    pub(in super::super) fn servers(&self) -> Arc<[Server]> {
        lock(&self.servers).clone()
    }

    /// For sockets that are made from now on; those of before go on with legs that they have.
    pub(in super::super) fn set_servers(&self, servers: Vec<Server>) {
        *lock(&self.servers) = servers.into();
    }

    /// Checks with this user name fragment are for this connection.
    pub(in super::super) fn name(&self, ufrag: &str) {
        lock(&self.port.lines).table.name(self.id, ufrag);
        // The ways are others from now on.
        *lock(&self.steer) = Steer::default();
    }

    /// What the library is told of the servers.
    pub(in super::super) fn configuration(&self) -> RTCConfigurationBuilder {
        let policy = match self.port.options.relay_only {
            true => RTCIceTransportPolicy::Relay,
            false => RTCIceTransportPolicy::All,
        };
        let servers = servers::for_library(&self.servers());
        RTCConfigurationBuilder::new().with_ice_servers(servers).with_ice_transport_policy(policy)
    }

    /// Whether viewers on this machine are expected.
    pub(in super::super) fn loopback(&self) -> bool {
        self.port.loopback()
    }

    /// Host candidates for the viewer.
    pub(in super::super) fn told(&self) -> Vec<String> {
        candidates::hosts(&self.port.told()).collect()
    }

    /// Which way pictures go.
    pub(in super::super) fn path(&self, viewer: &path::Viewer) -> Option<PathReport> {
        let Carried { to, by_port, by_relay } = *lock(&self.carried);
        let path = viewer.path(to?, &self.servers(), &self.port.own.borrow());
        // By the viewer's relay they go from the port.
        let relayed = by_relay + if path == Path::Relay { by_port } else { 0 };
        Some(PathReport { path, relayed })
    }

    /// Nothing more is for this connection.
    pub(in super::super) fn close(&self) {
        self.port.close(self.id);
    }

    /// What is wrong with the relays that were asked.
    pub(in super::super) fn troubles(&self) -> Vec<String> {
        let [v4, _] = &*lock(&self.sockets);
        let Some(socket) = v4.upgrade() else { return Vec::new() };
        let legs = lock(&socket.legs);
        let mut troubles: Vec<_> = legs.values().filter_map(Leg::trouble).collect();
        troubles.sort();
        troubles
    }

    /// A datagram for this connection.
    pub(super) fn deliver(&self, known_as: SocketAddr, from: SocketAddr, at: Option<IpAddr>, datagram: &[u8]) {
        let socket = {
            let [v4, v6] = &*lock(&self.sockets);
            if known_as.is_ipv4() { v4.upgrade() } else { v6.upgrade() }
        };
        // A connection that only uses relays hears nobody else.
        if let Some(socket) = socket.filter(|_| !self.port.options.relay_only) {
            if let Some(at) = at {
                self.queue(from).heard(from, at);
            }
            if let Some((transaction, nominates)) = stun::check(datagram) {
                lock(&self.steer).asked(transaction, from, nominates);
            }
            socket.receive(known_as, datagram);
        }
    }

    /// To a STUN server, from the port: what it answers is where the port is seen.
    fn ask_stun(&self, server: &Server, transmit: &Transmit<'_>) {
        let Some(transaction) = stun::request(transmit.contents) else { return };
        lock(&self.port.lines).table.ask(self.id, transaction, Some(transmit.destination));
        let (port, contents) = (self.port.clone(), transmit.contents.to_vec());
        let queue = self.queue(transmit.destination).clone();
        let send = move |port: &Port, addresses: &[SocketAddr]| {
            let found = addresses.iter().find(|address| address.is_ipv4());
            if let (Some(to), Some(outlet)) = (found, &port.v4) {
                outlet.send(&queue, *to, port.source(to.ip()), &contents);
            }
        };
        match self.port.remembered(&server.host, server.port) {
            Some(addresses) => send(&port, &addresses),
            None => {
                let (host, number) = (server.host.clone(), server.port);
                tokio::spawn(async move { send(&port, &port.look_up(&host, number).await) });
            }
        }
    }

    fn queue(&self, to: SocketAddr) -> &Arc<Queue> {
        let [v4, v6] = &self.queues;
        if to.is_ipv4() { v4 } else { v6 }
    }

    /// From the port.
    fn send(&self, to: SocketAddr, contents: &[u8]) {
        if !self.port.options.relay_only
            && reach::may_contact(to, self.port.loopback())
            && let Some(outlet) = self.port.outlet(to.ip())
        {
            outlet.send(self.queue(to), to, self.port.source(to.ip()), contents);
        }
    }

    fn count(&self, to: SocketAddr, bytes: usize, relayed: bool) {
        let mut carried = lock(&self.carried);
        carried.to = Some(to);
        *(if relayed { &mut carried.by_relay } else { &mut carried.by_port }) += bytes as u64;
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.port.close(self.id);
    }
}

impl Socket {
    /// A datagram for the library.
    pub(super) fn receive(&self, from: SocketAddr, datagram: &[u8]) {
        let mut inbox = lock(&self.inbox);
        if inbox.datagrams.len() < INBOX {
            inbox.datagrams.push_back((from, datagram.to_vec()));
        }
        if let Some(waker) = inbox.waker.take() {
            drop(inbox);
            waker.wake();
        }
    }

    fn send(&self, transmit: &Transmit<'_>) {
        let (to, contents, line) = (transmit.destination, transmit.contents, &self.line);
        if let Some(server) = servers::of(to, &self.servers) {
            if server.via == Via::Stun {
                return line.ask_stun(server, transmit);
            }
            if let Some(inner) = inside(contents) {
                if let Some(chosen) = lock(&line.steer).to(Instant::now()) {
                    line.count(chosen, inner.len(), false);
                    return line.send(chosen, inner);
                }
                line.count(to, contents.len(), true);
            }
            let mut legs = lock(&self.legs);
            let open = || Leg::open(line.port.clone(), server.clone(), self.me.clone(), to);
            return legs.entry(to).or_insert_with(open).send(contents);
        }
        if !is_stun(contents) {
            let to = lock(&line.steer).to(Instant::now()).unwrap_or(to);
            line.count(to, contents.len(), false);
            return line.send(to, contents);
        }
        if let Some(transaction) = stun::request(contents) {
            lock(&line.port.lines).table.ask(line.id, transaction, None);
        } else if let Some(transaction) = stun::answer(contents) {
            lock(&line.steer).answered(&transaction, to, Instant::now());
        }
        line.send(to, contents);
    }
}

/// RFC 7983.
fn is_stun(datagram: &[u8]) -> bool {
    datagram.first().is_some_and(|first| *first <= 3)
}

/// What is not ICE in a ChannelData message (RFC 8656, section 12.4). That is what comes often, and is mostly pictures.
fn inside(message: &[u8]) -> Option<&[u8]> {
    let [64..80, _, high, low, inner @ ..] = message else { return None };
    inner.get(..usize::from(u16::from_be_bytes([*high, *low]))).filter(|inner| !inner.is_empty() && !is_stun(inner))
}

impl AsyncUdpSocket for Socket {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.local)
    }

    fn poll_send(&self, _: &mut Context<'_>, transmit: &Transmit<'_>) -> Poll<io::Result<usize>> {
        self.send(transmit);
        Poll::Ready(Ok(transmit.contents.len()))
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let mut inbox = lock(&self.inbox);
        let (Some(buffer), Some(meta)) = (buffers.first_mut(), meta.first_mut()) else { return Poll::Ready(Ok(0)) };
        let Some((from, datagram)) = inbox.datagrams.pop_front() else {
            // The library also looks without meaning to be woken; its real waker must stay.
            if !cx.waker().will_wake(Waker::noop()) {
                inbox.waker = Some(cx.waker().clone());
            }
            return Poll::Pending;
        };
        let length = datagram.len().min(buffer.len());
        buffer[..length].copy_from_slice(&datagram[..length]);
        *meta = RecvMeta::default();
        (meta.addr, meta.len, meta.stride) = (from, length, length.max(1));
        Poll::Ready(Ok(1))
    }
}

impl Runtime for Line {
    /// The library binds a socket only to learn its address, which tells its sockets apart.
    fn wrap_udp_socket(&self, bound: std::net::UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        let local = bound.local_addr()?;
        let line = lock(&self.port.lines).lines.get(&self.id).and_then(Weak::upgrade);
        let line = line.ok_or(io::ErrorKind::NotConnected)?;
        let (servers, inbox, legs) = (self.servers(), Mutex::default(), Mutex::default());
        let socket = Arc::new_cyclic(|me| Socket { line, local, servers, inbox, legs, me: me.clone() });
        lock(&self.sockets)[usize::from(local.is_ipv6())] = Arc::downgrade(&socket);
        Ok(socket)
    }

    /// Servers are known by addresses that stand for them, so nothing waits for a name.
    fn resolve_host<'a>(&'a self, host: &'a str) -> Boxed<'a, io::Result<Vec<SocketAddr>>> {
        let address = host.parse().map_err(|_| io::ErrorKind::NotFound.into());
        Box::pin(std::future::ready(address.map(|address| vec![address])))
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

    fn connect_tcp<'a>(&'a self, _: SocketAddr) -> Boxed<'a, io::Result<Arc<dyn AsyncTcpStream>>> {
        // A viewer's TCP candidate; they are not let through.
        Box::pin(std::future::ready(Err(io::ErrorKind::Unsupported.into())))
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
