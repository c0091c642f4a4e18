//! The way to one TURN server, of one connection alone.
//!
//! A TURN server knows an allocation by the addresses of both ends (RFC 8656, section 2.2), so no two viewers can have one
//! from the same port.

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use tokio::task::AbortHandle;
use tracing::{debug, info, warn};
use webrtc::runtime::{AsyncUdpSocket, Runtime, TokioRuntime};

use super::super::lock;
use super::super::servers::{Server, Via};
use super::batch::{Outlet, Queue};
use super::line::Socket;
use super::stun::{self, Kind};
use super::{Port, read};
use crate::turn::tunnel::{State, Target, Tunnel, TunnelSender};

/// What waits while the way is being opened: the library asks again anyway.
const EARLY: usize = 16;
/// A server that says nothing for so long after it was asked is taken for silent.
const SILENT: Duration = Duration::from_secs(5);

/// Responses to an Allocate request (RFC 8656, section 17).
const ALLOCATED: [u8; 2] = [0x01, 0x03];
const NOT_ALLOCATED: [u8; 2] = [0x01, 0x13];

/// Why a relay is of no use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Trouble {
    /// The name leads nowhere.
    #[error("its name was not found")]
    NotFound,
    /// No way to it from here.
    #[error("there is no way to it from this network")]
    NoRoute,
    /// Nobody listens there.
    #[error("nobody answers at its port: it is not running, or a firewall refuses")]
    PortClosed,
    /// It says nothing.
    #[error("it does not answer: it is down, or something on the way drops what is sent")]
    Silent,
    /// It does not know the user, or the password is wrong, or its time is over.
    #[error("it does not accept the user name and password")]
    Credentials,
    /// It says no, by a code of RFC 8656, section 18 (or 0, an unreadable one).
    #[error("it refuses to relay, with the error {0}")]
    Refused(u16),
    /// What it says is not TURN.
    #[error("what it answers is not TURN")]
    NotTurn,
    /// There is no tunnel to it.
    #[error("{0}")]
    Tunnel(String),
}

/// See the module.
#[derive(Debug)]
pub(super) struct Leg {
    shared: Arc<Shared>,
    task: AbortHandle,
}

#[derive(Debug)]
struct Shared {
    port: Arc<Port>,
    server: Server,
    socket: Weak<Socket>,
    /// The address by which the library knows the server.
    known_as: SocketAddr,
    way: Mutex<Way>,
    heard: Mutex<Heard>,
}

#[derive(Debug)]
enum Way {
    Opening(Vec<Vec<u8>>),
    Udp { outlet: Arc<Outlet>, queue: Arc<Queue>, server: SocketAddr },
    Tunnel(TunnelSender),
    Closed,
}

/// What the server has said.
#[derive(Debug, Default)]
struct Heard {
    challenges: u8,
    allocated: bool,
    trouble: Option<Trouble>,
}

impl Leg {
    pub(super) fn open(port: Arc<Port>, server: Server, socket: Weak<Socket>, known_as: SocketAddr) -> Self {
        let (way, heard) = (Mutex::new(Way::Opening(Vec::new())), Mutex::default());
        let shared = Arc::new(Shared { port, server, socket, known_as, way, heard });
        let task = tokio::spawn(shared.clone().run()).abort_handle();
        Self { shared, task }
    }

    pub(super) fn send(&self, contents: &[u8]) {
        match &mut *lock(&self.shared.way) {
            Way::Opening(early) if early.len() < EARLY => early.push(contents.to_vec()),
            Way::Udp { outlet, queue, server } => outlet.send(queue, *server, None, contents),
            Way::Tunnel(tunnel) => tunnel.send(contents),
            Way::Opening(_) | Way::Closed => {}
        }
    }

    /// For people.
    pub(super) fn trouble(&self) -> Option<String> {
        let trouble = lock(&self.shared.heard).trouble.clone()?;
        Some(format!("{}: {trouble}", self.shared.server.name()))
    }
}

impl Drop for Leg {
    /// What was sent last frees the allocation, and must leave before its socket goes.
    fn drop(&mut self) {
        self.task.abort();
        let way = std::mem::replace(&mut *lock(&self.shared.way), Way::Closed);
        if let (Way::Udp { outlet, .. }, Ok(runtime)) = (way, tokio::runtime::Handle::try_current()) {
            runtime.spawn(async move { outlet.flush().await });
        }
    }
}

impl Shared {
    async fn run(self: Arc<Self>) {
        let silent = async {
            tokio::time::sleep(SILENT).await;
            let nothing = {
                let heard = lock(&self.heard);
                !heard.allocated && heard.challenges == 0 && heard.trouble.is_none()
            };
            if nothing {
                self.trouble(Some(Trouble::Silent));
            }
        };
        let way = async {
            match self.server.via {
                Via::Stun | Via::Udp => self.udp().await,
                Via::Tcp | Via::Tls => self.tunnel().await,
            }
        };
        let (read, ()) = tokio::join!(way, silent);
        if let Err(trouble) = read {
            self.trouble(Some(trouble));
        }
        *lock(&self.way) = Way::Closed;
    }

    /// Reads until the connection is gone, or says why it cannot.
    async fn udp(&self) -> Result<(), Trouble> {
        let addresses = self.port.look_up(&self.server.host, self.server.port).await;
        if addresses.is_empty() {
            return Err(Trouble::NotFound);
        }
        let opened = addresses.iter().find_map(|address| Some((self.connect(*address)?, *address)));
        let Some((socket, server)) = opened else { return Err(Trouble::NoRoute) };
        let outlet = Outlet::start(socket.clone());
        let queue = Arc::new(Queue::default());
        let way = Way::Udp { outlet: outlet.clone(), queue: queue.clone(), server };
        if let Way::Opening(early) = std::mem::replace(&mut *lock(&self.way), way) {
            early.iter().for_each(|datagram| outlet.send(&queue, server, None, datagram));
        }
        drop(outlet);
        self.read(socket).await;
        Ok(())
    }

    /// Reads from a tunnel until the connection is gone; what was sent last frees nothing there, its end does.
    async fn tunnel(&self) -> Result<(), Trouble> {
        let Server { host, port, tls, via, .. } = &self.server;
        let tls = tls.clone().filter(|_| *via == Via::Tls);
        let mut tunnel = Tunnel::open(Target { host: host.clone(), port: *port, tls });
        let sender = tunnel.sender();
        if let Way::Opening(early) = std::mem::replace(&mut *lock(&self.way), Way::Tunnel(sender.clone())) {
            early.iter().for_each(|message| sender.send(message));
        }
        let mut state = tunnel.state();
        loop {
            tokio::select! {
                message = tunnel.recv() => if !self.take(&message) { return Ok(()) },
                Ok(()) = state.changed() => {
                    let broken = match &*state.borrow_and_update() {
                        State::Broken(e) => Some(Trouble::Tunnel(e.to_string())),
                        State::Connecting | State::Open => None,
                    };
                    if broken.is_some() {
                        self.trouble(broken);
                    }
                }
            }
        }
    }

    fn connect(&self, server: SocketAddr) -> Option<Arc<dyn AsyncUdpSocket>> {
        let any: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let from = self.port.source(server.ip()).unwrap_or(any);
        let socket = std::net::UdpSocket::bind((from, 0)).and_then(|socket| {
            // So that the kernel tells of a closed port.
            socket.connect(server)?;
            TokioRuntime.wrap_udp_socket(socket)
        });
        socket.inspect_err(|e| debug!("no way to a TURN server: {e}")).ok()
    }

    fn read(&self, socket: Arc<dyn AsyncUdpSocket>) -> impl Future<Output = ()> {
        let take = |_, _, datagram: &[u8]| self.take(datagram);
        let failed = |e: std::io::Error| {
            if e.kind() == std::io::ErrorKind::ConnectionRefused {
                self.trouble(Some(Trouble::PortClosed));
            }
        };
        read::each(socket, take, failed)
    }

    /// Says whether anybody is left to hear it.
    fn take(&self, datagram: &[u8]) -> bool {
        self.judge(datagram);
        let socket = self.socket.upgrade();
        socket.inspect(|socket| socket.receive(self.known_as, datagram)).is_some()
    }

    /// What an answer says of the server. The library asks without a name first, and is told to say it (401).
    fn judge(&self, datagram: &[u8]) {
        let trouble = {
            let mut heard = lock(&self.heard);
            match datagram.first_chunk() {
                Some(&ALLOCATED) => {
                    heard.allocated = true;
                    None
                }
                Some(&NOT_ALLOCATED) => match stun::look(datagram) {
                    Kind::Response(_, Some(401)) if heard.challenges == 0 => {
                        heard.challenges = 1;
                        return;
                    }
                    Kind::Response(_, Some(401 | 441)) => Some(Trouble::Credentials),
                    // A new nonce.
                    Kind::Response(_, Some(438)) => return,
                    Kind::Response(_, Some(code)) => Some(Trouble::Refused(code)),
                    _ => Some(Trouble::NotTurn),
                },
                _ if heard.allocated || heard.challenges > 0 => return,
                Some([0..=3 | 64..80, _]) => return,
                _ => Some(Trouble::NotTurn),
            }
        };
        self.trouble(trouble);
    }

    /// Says it in the log, unless it was said of this server already.
    fn trouble(&self, trouble: Option<Trouble>) {
        lock(&self.heard).trouble = trouble.clone();
        let name = self.server.name();
        let before = lock(&self.port.troubles).insert(name.clone(), trouble.clone());
        match (&trouble, before.flatten()) {
            (Some(now), before) if before.as_ref() != Some(now) => warn!("ice: {name} is of no use: {now}"),
            (None, Some(_)) => info!("ice: {name} relays again"),
            _ => {}
        }
    }
}
