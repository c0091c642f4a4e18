//! A camera that is its peer connection alone, without a lobby: what offers ask of it, and nothing else.

use std::sync::{Arc, Mutex};

use lunette::hub;
use lunette::media::h264::ProfileLevelId;
use lunette::media::stream::{PerStream, StreamId};
use lunette::media::units::Bitrate;
use lunette::signal::message::Candidate;
use lunette::viewer::offer;
use lunette::viewer::rtc::{Certificate, PathReport, Peer, PeerEvent, PortOptions, Scope, Server, Settings, Transport};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::Signal;
use super::replay::Replay;

/// The ways that a camera has.
pub struct Ways {
    pub options: PortOptions,
    pub servers: Vec<Server>,
}

/// The camera's side of one connection.
pub struct Bare {
    pub signal: Arc<Signal>,
    /// What the connection said of itself.
    pub events: Arc<Mutex<Vec<PeerEvent>>>,
    transport: Transport,
    now: Arc<Mutex<Now>>,
    servers: Arc<Mutex<Vec<Server>>>,
    task: JoinHandle<()>,
    stop: CancellationToken,
}

/// How it is.
#[derive(Default)]
struct Now {
    path: Option<PathReport>,
    troubles: Vec<String>,
}

impl Bare {
    /// For viewers on this machine, without servers.
    pub async fn open() -> Self {
        let options = PortOptions { scope: Scope::Loopback, ..PortOptions::default() };
        Self::with(Ways { options, servers: vec![] }).await
    }

    /// Answers the first offer, and restarts at each that follows. Pictures flow whenever it is connected.
    pub async fn with(ways: Ways) -> Self {
        let (publish, mut asked) = mpsc::unbounded_channel::<Value>();
        let signal = Signal::plain(move |message| {
            let _ = publish.send(message);
        });
        let (events, stop) = (Arc::new(Mutex::new(Vec::new())), CancellationToken::new());
        let transport = Transport::open(ways.options).unwrap();
        let (now, servers) = (Arc::<Mutex<Now>>::default(), Arc::new(Mutex::new(ways.servers)));
        let current = servers.clone();
        let (said, out, token) = (events.clone(), signal.clone(), stop.clone());
        let (port, shown) = (transport.clone(), now.clone());
        let task = tokio::spawn(async move {
            let (publisher, hub, demand) = hub::open(PerStream { main: Bitrate::kbps(2000), low: Bitrate::kbps(400) });
            let _camera = Replay::start(publisher, demand, token.clone());
            let mut pictures = hub.subscribe(StreamId::Main);
            let first = loop {
                let message = asked.recv().await.unwrap();
                if message["type"] == "offer" {
                    break message;
                }
            };
            let sdp = first["sdp"].as_str().unwrap();
            let profile = ProfileLevelId { profile: 0x42, constraints: 0xe0, level: 0x1f };
            let choice = offer::inspect(sdp, profile).unwrap();
            let certificate = Certificate::generate().unwrap();
            let settings = Settings {
                choice: &choice,
                certificate: &certificate,
                transport: &port,
                servers: Arc::new(move || current.lock().unwrap().clone()),
                any_srtp: true,
                rate: lunette::media::units::Bitrate::kbps(2000),
            };
            let (peer, answer, mut events) = Peer::answer(&settings, sdp.to_owned()).await.unwrap();
            let tell = |mut message: Value| {
                message["session"] = first["session"].clone();
                out.deliver(first["from"].as_str().unwrap().parse().unwrap(), message);
            };
            tell(json!({"type": "answer", "sdp": answer}));
            loop {
                *shown.lock().unwrap() = Now { path: peer.path(), troubles: peer.relay_troubles() };
                tokio::select! {
                    () = token.cancelled() => break,
                    Some(message) = asked.recv() => match message["type"].as_str().unwrap() {
                        "offer" => match peer.restart(message["sdp"].as_str().unwrap().to_owned()).await {
                            Ok(sdp) => tell(json!({"type": "answer", "sdp": sdp})),
                            Err(e) => tell(json!({"type": "refused", "text": e.to_string()})),
                        },
                        "candidate" => {
                            let candidate: Option<Candidate> = serde_json::from_value(message["candidate"].clone()).unwrap();
                            if let Some(candidate) = candidate {
                                let _ = peer.add_candidate(candidate).await;
                            }
                        }
                        _ => {}
                    },
                    event = events.recv() => {
                        let Some(event) = event else { break };
                        match &event {
                            PeerEvent::Candidate(candidate) => tell(json!({"type": "candidate", "candidate": candidate})),
                            PeerEvent::Connected => pictures.want_key_frame(),
                            _ => {}
                        }
                        said.lock().unwrap().push(event);
                    }
                    picture = pictures.next() => if let hub::Event::Picture(picture) = picture {
                        let _ = peer.send(&picture).await;
                    },
                }
            }
            peer.close().await;
        });
        Self { signal, events, transport, now, servers, task, stop }
    }

    /// How often it became connected.
    pub fn connected(&self) -> usize {
        self.events.lock().unwrap().iter().filter(|event| **event == PeerEvent::Connected).count()
    }

    /// Which way pictures go.
    pub fn path(&self) -> Option<PathReport> {
        self.now.lock().unwrap().path
    }

    /// What is wrong with the relays.
    pub fn troubles(&self) -> Vec<String> {
        self.now.lock().unwrap().troubles.clone()
    }

    /// Of the one port.
    pub fn port(&self) -> u16 {
        self.transport.port()
    }

    /// Other servers, from the next restart on.
    pub fn use_servers(&self, servers: Vec<Server>) {
        *self.servers.lock().unwrap() = servers;
    }

    pub async fn close(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }
}
