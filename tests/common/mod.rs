//! A stage for tests and benchmarks: hub, lobby and loopback signaling of Lunette, a replay camera, and viewers of
//! another WebRTC implementation (str0m).
#![allow(dead_code, clippy::unwrap_used, clippy::panic, reason = "each test uses a part of it")]

pub mod bare;
#[allow(clippy::duplicate_mod, reason = "a test may have two rigs")]
#[path = "../logs/mod.rs"]
pub mod logs;
pub mod replay;
pub mod sealed;
pub mod watcher;

use std::sync::Arc;

use lunette::hub::{self, Hub};
use lunette::keeper::Keeper;
use lunette::lobby;
use lunette::media::stream::PerStream;
use lunette::media::units::Bitrate;
use lunette::signal::loopback::{self, Said};
use lunette::trust::{BootId, IdentityKey, Roll, SigningKey, ViewerId};
use lunette::turn::Ice;
use lunette::viewer::Context;
use lunette::viewer::rtc::{Certificate, PortOptions, Scope, Transport};
use replay::Replay;
use tokio::sync::broadcast;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub use sealed::Signal;

/// One camera with its lobby, and a loopback in the broker's place.
pub struct Stage<C = Replay> {
    pub hub: Hub,
    pub replay: C,
    pub transport: Transport,
    /// Who is known.
    pub keeper: Keeper,
    /// Who watches.
    pub present: lobby::Present,
    signal: Arc<Signal>,
    copy: broadcast::Sender<(ViewerId, Vec<u8>)>,
    stop: CancellationToken,
    lobby: JoinHandle<()>,
    dispatcher: JoinHandle<()>,
}

/// A port for viewers on this machine.
pub fn loopback() -> Transport {
    Transport::open(PortOptions { scope: Scope::Loopback, ..PortOptions::default() }).unwrap()
}

impl Stage {
    pub async fn open(max_viewers: u16) -> Self {
        Self::with(max_viewers, Replay::start).await
    }
}

impl<C> Stage<C> {
    /// `camera` is given the hub's camera side.
    pub async fn with(
        max_viewers: u16,
        camera: impl FnOnce(hub::Publisher, tokio::sync::watch::Receiver<hub::Demand>, CancellationToken) -> C,
    ) -> Self {
        Self::with_ice(max_viewers, Ice::none(), camera).await
    }

    pub async fn with_ice(
        max_viewers: u16,
        ice: Ice,
        camera: impl FnOnce(hub::Publisher, tokio::sync::watch::Receiver<hub::Demand>, CancellationToken) -> C,
    ) -> Self {
        // Not in a benchmark.
        if cfg!(test) {
            logs::keep("lunette=info,warn");
        }
        let (publisher, hub, demand) = hub::open(PerStream { main: Bitrate::kbps(2000), low: Bitrate::kbps(400) });
        let stop = CancellationToken::new();
        let replay = camera(publisher, demand, stop.clone());
        let identity = IdentityKey::new(SigningKey::generate().unwrap());
        let keeper = Keeper::forgetful(identity, Roll::default(), BootId::random().unwrap()).unwrap();
        let (requests, outbox, viewers, mut said) = loopback::open(keeper.clone());
        let (transport, certificate) = (loopback(), Certificate::generate().unwrap());
        let (hub_, keeper_) = (hub.clone(), keeper.clone());
        let context = Context { hub: hub_, outbox, certificate, transport: transport.clone(), ice, keeper: keeper_ };
        let present = lobby::Present::default();
        let settings = lobby::Settings { name: "Front door".into(), max_viewers, present: present.clone() };
        let lobby = tokio::spawn(lobby::run(settings, context, requests, stop.clone()));

        let (challenged, introduced) = (keeper.clone(), keeper.clone());
        let signal = Signal::sealed(
            keeper.camera(),
            Box::new(move |payload| viewers.publish(payload)),
            Box::new(move || challenged.challenge()),
            Box::new(move |key| sealed::introduce(&introduced, key)),
        );
        let (viewers_side, (copy, _)) = (signal.clone(), broadcast::channel(1024));
        let copies = copy.clone();
        let dispatcher = tokio::spawn(async move {
            while let Some(Said { to, payload }) = said.recv().await {
                if let Some(to) = to {
                    viewers_side.hear(to, &payload);
                    // Nobody else may listen.
                    let _ = copies.send((to, payload));
                }
            }
        });
        Self { hub, replay, transport, keeper, present, signal, copy, stop, lobby, dispatcher }
    }

    pub fn signal(&self) -> Arc<Signal> {
        self.signal.clone()
    }

    /// What is said to viewers of another process.
    pub fn said(&self) -> broadcast::Receiver<(ViewerId, Vec<u8>)> {
        self.copy.subscribe()
    }

    /// Stops as the daemon does.
    pub async fn close(self) {
        self.stop.cancel();
        self.lobby.await.unwrap();
        drop(self.signal);
        self.dispatcher.abort();
    }
}

/// Resident memory of this process, in bytes.
pub fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

/// Open file descriptors of this process.
pub fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}
