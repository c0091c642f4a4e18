//! A stage for tests and benchmarks: hub, lobby and loopback signaling of Lunette, a replay camera, and viewers of
//! another WebRTC implementation (str0m).
#![allow(dead_code, clippy::unwrap_used, clippy::panic, reason = "each test uses a part of it")]

pub mod bare;
pub mod replay;
pub mod watcher;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use lunette::hub::{self, Hub};
use lunette::lobby;
use lunette::media::stream::PerStream;
use lunette::media::units::Bitrate;
use lunette::signal::loopback::{self, Said};
use lunette::trust::{BootId, ViewerId};
use lunette::turn::Ice;
use lunette::viewer::Context;
use lunette::viewer::rtc::{Certificate, PortOptions, Scope, Transport};
use replay::Replay;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

type Publish = Box<dyn Fn(&[u8]) + Send + Sync>;
type Mailboxes = Mutex<HashMap<ViewerId, mpsc::UnboundedSender<Value>>>;

/// One camera with its lobby, and a loopback in the broker's place.
pub struct Stage<C = Replay> {
    pub hub: Hub,
    pub replay: C,
    pub transport: Transport,
    signal: Arc<Signal>,
    stop: CancellationToken,
    lobby: JoinHandle<()>,
    dispatcher: JoinHandle<()>,
}

/// The viewers' side of the signaling.
pub struct Signal {
    publish: Publish,
    mailboxes: Mailboxes,
}

impl Signal {
    /// `publish` takes what goes to the request topic; what comes back is to be handed to [`Signal::deliver`].
    pub fn new(publish: impl Fn(&[u8]) + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { publish: Box::new(publish), mailboxes: Mailboxes::default() })
    }

    /// Publishes on the request topic.
    pub fn publish(&self, payload: &[u8]) {
        (self.publish)(payload);
    }

    /// Hands a message to its viewer.
    pub fn deliver(&self, to: ViewerId, message: Value) {
        if let Some(mailbox) = self.mailboxes.lock().unwrap().get(&to) {
            let _ = mailbox.send(message);
        }
    }

    /// What the camera answers to a viewer.
    pub fn mailbox(&self, viewer: ViewerId) -> mpsc::UnboundedReceiver<Value> {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.mailboxes.lock().unwrap().insert(viewer, sender);
        receiver
    }

    pub fn forget(&self, viewer: ViewerId) {
        self.mailboxes.lock().unwrap().remove(&viewer);
    }
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
        let (publisher, hub, demand) = hub::open(PerStream { main: Bitrate::kbps(2000), low: Bitrate::kbps(400) });
        let stop = CancellationToken::new();
        let replay = camera(publisher, demand, stop.clone());
        let (requests, outbox, viewers, mut said) = loopback::open();
        let (transport, certificate) = (loopback(), Certificate::generate().unwrap());
        let context = Context { hub: hub.clone(), outbox, certificate, transport: transport.clone(), ice };
        let settings = lobby::Settings { boot: BootId::random().unwrap(), max_viewers };
        let lobby = tokio::spawn(lobby::run(settings, context, requests, stop.clone()));

        let signal = Signal::new(move |payload| viewers.publish(payload));
        let viewers_side = signal.clone();
        let dispatcher = tokio::spawn(async move {
            while let Some(Said { to, payload }) = said.recv().await {
                if let Some(to) = to {
                    viewers_side.deliver(to, serde_json::from_slice(&payload).unwrap());
                }
            }
        });
        Self { hub, replay, transport, signal, stop, lobby, dispatcher }
    }

    pub fn signal(&self) -> Arc<Signal> {
        self.signal.clone()
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
