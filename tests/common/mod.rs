//! A stage for tests and benchmarks: hub, lobby and loopback signaling of Lunette, a replay camera, and viewers of
//! another WebRTC implementation (str0m).
#![allow(dead_code, clippy::unwrap_used, clippy::panic, reason = "each test uses a part of it")]

pub mod replay;
pub mod watcher;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use lunette::hub::{self, Hub};
use lunette::lobby;
use lunette::media::units::Bitrate;
use lunette::signal::loopback;
use lunette::trust::{BootId, ViewerId};
use lunette::viewer::{Context, rtc::Certificate};
use replay::Replay;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

type Mailboxes = Arc<Mutex<HashMap<ViewerId, mpsc::UnboundedSender<Value>>>>;

/// One camera with its lobby, and a loopback in the broker's place.
pub struct Stage {
    pub hub: Hub,
    pub replay: Replay,
    signal: Arc<Signal>,
    stop: CancellationToken,
    lobby: JoinHandle<()>,
    dispatcher: JoinHandle<()>,
}

/// The viewers' side of the signaling.
pub struct Signal {
    viewers: loopback::Viewers,
    mailboxes: Mailboxes,
}

impl Signal {
    /// Publishes on the request topic.
    pub fn publish(&self, payload: &[u8]) {
        self.viewers.publish(payload);
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

impl Stage {
    pub async fn open(max_viewers: u16) -> Self {
        Self::with(max_viewers, Replay::start).await
    }

    /// `camera` is given the hub's camera side.
    pub async fn with(
        max_viewers: u16,
        camera: impl FnOnce(hub::Publisher, tokio::sync::watch::Receiver<hub::Demand>, CancellationToken) -> Replay,
    ) -> Self {
        let (publisher, hub, demand) = hub::open(Bitrate::kbps(2000));
        let stop = CancellationToken::new();
        let replay = camera(publisher, demand, stop.clone());
        let (requests, outbox, viewers, mut said) = loopback::open();
        let context = Context {
            hub: hub.clone(),
            outbox,
            certificate: Certificate::generate().unwrap(),
            addresses: Arc::new(["127.0.0.1:0".parse().unwrap()]),
        };
        let settings = lobby::Settings { boot: BootId::random().unwrap(), max_viewers, ice: vec![] };
        let lobby = tokio::spawn(lobby::run(settings, context, requests, stop.clone()));

        let mailboxes = Mailboxes::default();
        let boxes = mailboxes.clone();
        let dispatcher = tokio::spawn(async move {
            while let Some(message) = said.recv().await {
                let value = serde_json::from_slice(&message.payload).unwrap();
                if let Some(mailbox) = message.to.and_then(|to| boxes.lock().unwrap().get(&to).cloned()) {
                    let _ = mailbox.send(value);
                }
            }
        });
        let signal = Arc::new(Signal { viewers, mailboxes });
        Self { hub, replay, signal, stop, lobby, dispatcher }
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
