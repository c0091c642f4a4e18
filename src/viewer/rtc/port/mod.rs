//! One UDP port for all viewers.
//!
//! ```text
//! connection ─ Line ─ Socket (one a family) ─┬─ Outlet ═══ the port, IPv4 and IPv6 ═══ viewers, STUN servers
//!                                            └─ Leg ═════ a socket or tunnel of its own ═══ one TURN server
//! ```
//!
//! The library has a socket for each address and connection; what it gets instead is a [`line::Line`], whose sockets are
//! made up. The real ones, one a family, are here, and [`table::Table`] knows whose a datagram is that comes in.

mod batch;
mod leg;
mod line;
mod read;
mod steer;
mod stun;
mod table;

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, ipproto, socket_with, sockopt};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::debug;
use webrtc::runtime::{Runtime, TokioRuntime};

use super::{lock, reach};
use crate::interfaces::{self, Choice, Own};
use batch::Outlet;
use table::{Id, Table};

use leg::Trouble;
pub(super) use line::Line;

/// What the kernel is asked to hold for all viewers; it takes as much of it as net.core.rmem_max and wmem_max allow.
const BUFFER: usize = 4 << 20;
/// Ports that are tried until one is free in both families.
const TRIES: usize = 16;
/// Addresses that a viewer is told.
const TOLD: usize = 16;
/// So long a name's address is remembered.
const REMEMBER: Duration = Duration::from_secs(60);
/// So long a name is looked up.
const LOOK_UP: Duration = Duration::from_secs(5);

/// Who is to reach the port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// Viewers on this machine alone.
    Loopback,
    /// Viewers elsewhere.
    #[default]
    Network,
    /// Both.
    Everywhere,
}

/// How the port is opened and told.
#[derive(Clone, Debug, Default)]
pub struct PortOptions {
    /// Which; 0: the system chooses.
    pub port: u16,
    /// Who is to reach it.
    pub scope: Scope,
    /// By which interfaces.
    pub interfaces: Choice,
    /// Whether the addresses of this machine stay unsaid; those that STUN and TURN servers see do not.
    pub hide_host: bool,
    /// Whether everything goes by a relay.
    pub relay_only: bool,
}

/// Why the port cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    /// Somebody else has it.
    #[error("UDP port {0} is in use by another program; choose another in [rtc] port, or leave it out")]
    InUse(u16),
    /// Below 1024, without the right to it.
    #[error("UDP port {0} may not be opened by this user; choose one of 1024 or more in [rtc] port")]
    Denied(u16),
    /// Anything else.
    #[error("cannot open a UDP port for viewers: {0}")]
    Failed(io::Error),
}

/// The port.
#[derive(Debug)]
pub(super) struct Port {
    options: PortOptions,
    number: u16,
    v4: Option<Arc<Outlet>>,
    v6: Option<Arc<Outlet>>,
    own: watch::Receiver<Vec<Own>>,
    lines: Mutex<Lines>,
    next: AtomicU64,
    names: Mutex<HashMap<(String, u16), Found>>,
    /// What was said last of a server.
    troubles: Mutex<HashMap<String, Option<Trouble>>>,
    _reading: DropGuard,
}

/// What a name stands for, and since when that is known.
type Found = (Vec<SocketAddr>, Instant);

#[derive(Debug, Default)]
struct Lines {
    table: Table,
    lines: HashMap<Id, Weak<Line>>,
}

impl Port {
    /// Opens the port; needs a tokio runtime.
    pub(super) fn open(options: PortOptions) -> Result<Arc<Self>, PortError> {
        let (v4, v6) = open_pair(&options)?;
        let number = v4.as_ref().or(v6.as_ref()).map_or(Ok(0), |socket| socket.local_addr().map(|a| a.port()));
        let number = number.map_err(PortError::Failed)?;
        let outlet = |socket: Option<std::net::UdpSocket>| {
            let socket = socket.map(|socket| TokioRuntime.wrap_udp_socket(socket)).transpose();
            Ok(socket.map_err(PortError::Failed)?.map(Outlet::start))
        };
        let (v4, v6) = (outlet(v4)?, outlet(v6)?);
        let stop = CancellationToken::new();
        let own = match options.scope {
            Scope::Loopback => watch::channel(Vec::new()).1,
            Scope::Network | Scope::Everywhere => interfaces::follow(options.interfaces.clone()),
        };
        let port = Arc::new(Self {
            options,
            number,
            v4,
            v6,
            own,
            lines: Mutex::default(),
            next: AtomicU64::new(1),
            names: Mutex::default(),
            troubles: Mutex::default(),
            _reading: stop.clone().drop_guard(),
        });
        for outlet in [&port.v4, &port.v6].into_iter().flatten() {
            let reading = read::read(outlet.socket().clone(), Arc::downgrade(&port));
            tokio::spawn(stop.clone().run_until_cancelled_owned(reading));
        }
        debug!("viewers reach UDP port {number}");
        Ok(port)
    }

    /// Its number.
    pub(super) fn number(&self) -> u16 {
        self.number
    }

    /// The machine's addresses, as they change.
    pub(super) fn own(&self) -> watch::Receiver<Vec<Own>> {
        self.own.clone()
    }

    /// Whether viewers on this machine are expected.
    pub(super) fn loopback(&self) -> bool {
        self.options.scope != Scope::Network
    }

    /// Where the port can be reached, as viewers are told: none where that is hidden.
    pub(super) fn told(&self) -> Vec<SocketAddr> {
        if self.options.hide_host || self.options.relay_only {
            return Vec::new();
        }
        let mut addresses: Vec<_> = self.own.borrow().iter().map(|own| own.ip).collect();
        if self.loopback() {
            addresses.extend([IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)]);
        }
        let reachable = |ip: &IpAddr| {
            self.outlet(*ip).is_some() && reach::may_contact(SocketAddr::new(*ip, self.number), self.loopback())
        };
        addresses.into_iter().filter(reachable).take(TOLD).map(|ip| SocketAddr::new(ip, self.number)).collect()
    }

    /// A connection's end of the port.
    pub(super) fn line(self: &Arc<Self>, servers: Vec<super::Server>) -> Arc<Line> {
        let id = Id(self.next.fetch_add(1, Ordering::Relaxed));
        let line = Arc::new(Line::new(self.clone(), id, servers));
        let mut lines = lock(&self.lines);
        lines.table.open(id);
        lines.lines.insert(id, Arc::downgrade(&line));
        line
    }

    fn close(&self, id: Id) {
        let mut lines = lock(&self.lines);
        lines.table.close(id);
        lines.lines.remove(&id);
    }

    fn outlet(&self, to: IpAddr) -> Option<&Arc<Outlet>> {
        if to.is_ipv4() { self.v4.as_ref() } else { self.v6.as_ref() }
    }

    fn has_v6(&self) -> bool {
        self.v6.is_some()
    }

    /// The address to send from, where only some interfaces may be used: one of the peer's network, or any.
    fn source(&self, to: IpAddr) -> Option<IpAddr> {
        if self.options.interfaces.is_all() {
            return None;
        }
        let own = self.own.borrow();
        let mut usable = own.iter().filter(|own| own.ip.is_ipv4() == to.is_ipv4());
        let near = usable.clone().find(|own| own.is_near(to));
        near.or_else(|| usable.find(|own| reach::may_contact(SocketAddr::new(own.ip, 1), false))).map(|own| own.ip)
    }

    /// Whether a datagram to this address of ours counts.
    fn is_ours(&self, ip: Option<IpAddr>) -> bool {
        let Some(ip) = ip.filter(|_| !self.options.interfaces.is_all()) else { return true };
        (self.loopback() && ip.is_loopback()) || self.own.borrow().iter().any(|own| own.ip == ip)
    }

    /// A datagram came in.
    fn take(&self, from: SocketAddr, at: Option<IpAddr>, datagram: &[u8]) {
        let from = SocketAddr::new(from.ip().to_canonical(), from.port());
        let line = {
            let mut lines = lock(&self.lines);
            let routed = lines.table.route(from, datagram);
            routed.and_then(|(id, known_as)| Some((lines.lines.get(&id)?.upgrade()?, known_as)))
        };
        let Some((line, known_as)) = line else { return };
        // A STUN server is chosen by the config, wherever it is.
        if known_as != from || (reach::may_contact(from, self.loopback()) && self.is_ours(at)) {
            line.deliver(known_as, from, at, datagram);
        }
    }

    /// The addresses of a host, at once if they are known.
    fn remembered(&self, host: &str, port: u16) -> Option<Vec<SocketAddr>> {
        if let Ok(ip) = host.parse::<IpAddr>() {
            return Some(vec![SocketAddr::new(ip, port)]);
        }
        let names = lock(&self.names);
        let found = names.get(&(host.to_owned(), port)).filter(|(_, at)| at.elapsed() < REMEMBER);
        found.map(|(addresses, _)| addresses.clone())
    }

    /// The addresses of a host; none when it is not found in time.
    async fn look_up(&self, host: &str, port: u16) -> Vec<SocketAddr> {
        if let Some(known) = self.remembered(host, port) {
            return known;
        }
        let found = tokio::time::timeout(LOOK_UP, tokio::net::lookup_host((host, port))).await;
        let addresses: Vec<_> = found.ok().and_then(Result::ok).map(Iterator::collect).unwrap_or_default();
        if !addresses.is_empty() {
            let mut names = lock(&self.names);
            names.retain(|_, (_, at)| at.elapsed() < REMEMBER);
            names.insert((host.to_owned(), port), (addresses.clone(), Instant::now()));
        }
        addresses
    }
}

type Sockets = (Option<std::net::UdpSocket>, Option<std::net::UdpSocket>);

/// Both families on one port; a machine may have but one of them.
fn open_pair(options: &PortOptions) -> Result<Sockets, PortError> {
    let (any4, any6): (IpAddr, IpAddr) = match options.scope {
        Scope::Loopback => (Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()),
        Scope::Network | Scope::Everywhere => (Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()),
    };
    let mut tries = if options.port == 0 { TRIES } else { 1 };
    loop {
        let v4 = missing(open(any4, options.port), options.port)?;
        let number = match &v4 {
            Some(v4) => v4.local_addr().map_err(PortError::Failed)?.port(),
            None => options.port,
        };
        tries -= 1;
        match missing(open(any6, number), number) {
            // The number that was free in one family is not in the other.
            Err(PortError::InUse(_)) if tries > 0 => {}
            Ok(None) if v4.is_none() => return Err(PortError::Failed(io::ErrorKind::Unsupported.into())),
            v6 => return Ok((v4, v6?)),
        }
    }
}

/// A family that the machine does not have is no error.
fn missing(opened: io::Result<std::net::UdpSocket>, port: u16) -> Result<Option<std::net::UdpSocket>, PortError> {
    match opened {
        Ok(socket) => Ok(Some(socket)),
        Err(e) => match e.kind() {
            io::ErrorKind::AddrInUse => Err(PortError::InUse(port)),
            io::ErrorKind::PermissionDenied => Err(PortError::Denied(port)),
            io::ErrorKind::AddrNotAvailable | io::ErrorKind::Unsupported => Ok(None),
            _ if e.raw_os_error() == Some(rustix::io::Errno::AFNOSUPPORT.raw_os_error()) => Ok(None),
            _ => Err(PortError::Failed(e)),
        },
    }
}

fn open(ip: IpAddr, port: u16) -> io::Result<std::net::UdpSocket> {
    let family = if ip.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(family, SocketType::DGRAM, flags, Some(ipproto::UDP))?;
    if ip.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, true)?;
    }
    // What the kernel does not give is no loss: the queues above it are bounded too.
    let _ = sockopt::set_socket_recv_buffer_size(&socket, BUFFER);
    let _ = sockopt::set_socket_send_buffer_size(&socket, BUFFER);
    bind(&socket, &SocketAddr::new(ip, port))?;
    Ok(socket.into())
}

#[cfg(test)]
#[path = "mod_tests.rs"]
mod tests;
