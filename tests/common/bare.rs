//! A camera that is its peer connection alone, without a lobby: what offers ask of it, and nothing else.

use std::sync::{Arc, Mutex};

use lunette::hub;
use lunette::media::h264::ProfileLevelId;
use lunette::media::stream::{PerStream, StreamId};
use lunette::media::units::Bitrate;
use lunette::signal::message::Candidate;
use lunette::viewer::offer;
use lunette::viewer::rtc::{Certificate, Peer, PeerEvent, Settings};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::Signal;
use super::replay::Replay;

/// The camera's side of one connection.
pub struct Bare {
    pub signal: Arc<Signal>,
    /// What the connection said of itself.
    pub events: Arc<Mutex<Vec<PeerEvent>>>,
    task: JoinHandle<()>,
    stop: CancellationToken,
}

impl Bare {
    /// Answers the first offer, and restarts at each that follows. Pictures flow whenever it is connected.
    pub async fn open() -> Self {
        let (publish, mut asked) = mpsc::unbounded_channel::<Value>();
        let signal = Signal::new(move |payload| {
            let _ = publish.send(serde_json::from_slice(payload).unwrap());
        });
        let (events, stop) = (Arc::new(Mutex::new(Vec::new())), CancellationToken::new());
        let (said, out, token) = (events.clone(), signal.clone(), stop.clone());
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
            let transport = super::loopback();
            let settings = Settings {
                choice: &choice,
                certificate: &certificate,
                transport: &transport,
                servers: &[],
                any_srtp: true,
            };
            let (peer, answer, mut events) = Peer::answer(&settings, sdp.to_owned()).await.unwrap();
            let tell = |mut message: Value| {
                message["session"] = first["session"].clone();
                out.deliver(first["from"].as_str().unwrap().parse().unwrap(), message);
            };
            tell(json!({"type": "answer", "sdp": answer}));
            loop {
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
        Self { signal, events, task, stop }
    }

    /// How often it became connected.
    pub fn connected(&self) -> usize {
        self.events.lock().unwrap().iter().filter(|event| **event == PeerEvent::Connected).count()
    }

    pub async fn close(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }
}
