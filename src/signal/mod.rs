//! Requests in, responses out, through a broker that may go away at any time.
//!
//! [`mqtt::open`] gives both ends for a real broker, [`loopback::open`] for tests and benchmarks in one process.

pub mod broker;
pub mod loopback;
pub mod message;
pub mod mqtt;
pub mod rights;
mod tally;
mod topic;

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;
use tracing::warn;

use crate::trust::{self, BootId, ViewerId};
use message::{About, EventName, Refusal, Request, Response, Status};
use tally::Tally;

/// Requests that wait for the lobby; more than that are dropped and counted.
const INBOUND: usize = 256;

/// A request from a known viewer.
#[derive(Clone, Debug)]
pub struct Inbound {
    /// Who asks.
    pub from: ViewerId,
    /// What for.
    pub request: Request,
}

/// The way out. Cheap to clone; sending never waits: what cannot be queued is dropped and counted, since every request
/// is repeated by its viewer until it is answered.
#[derive(Clone, Debug)]
pub enum Outbox {
    /// To an MQTT broker.
    Mqtt(mqtt::Outbox),
    /// To the other end in this process.
    Loopback(loopback::Outbox),
}

impl Outbox {
    /// Answers a viewer.
    pub fn send(&self, to: ViewerId, response: &Response) {
        let payload = trust::seal(&to, response.to_json());
        match self {
            Self::Mqtt(out) => out.respond(&to, payload),
            Self::Loopback(out) => out.respond(to, payload),
        }
    }

    /// Says to everyone how the camera is; kept by the broker, and said again after each reconnection.
    pub fn set_status(&self, boot: BootId, about: About) {
        let status = Response::Status(Status { online: true, boot, about: Some(about) }).to_json();
        match self {
            Self::Mqtt(out) => out.set_status(status),
            Self::Loopback(out) => out.public(status),
        }
    }

    /// Says to everyone what happened.
    pub fn event(&self, event: EventName, text: String) {
        let event = Response::Event { event, text }.to_json();
        match self {
            Self::Mqtt(out) => out.event(event),
            Self::Loopback(out) => out.public(event),
        }
    }

    /// Whether the broker is there.
    pub fn is_connected(&self) -> bool {
        match self {
            Self::Mqtt(out) => out.is_connected(),
            Self::Loopback(_) => true,
        }
    }

    /// The network is another one: what was connected by the old one may be dead without knowing it.
    pub fn reconnect(&self) {
        if let Self::Mqtt(out) = self {
            out.reconnect();
        }
    }

    /// Says goodbye to the broker: offline status, then disconnect. Waits for it, but not long.
    pub async fn close(&self) {
        if let Self::Mqtt(out) = self {
            out.close().await;
        }
    }
}

/// Payloads on the request topic → requests for the lobby. Junk is answered where somebody can be told, and counted.
#[derive(Clone, Debug)]
struct Intake {
    requests: mpsc::Sender<Inbound>,
    junk: Arc<Mutex<Tally>>,
}

impl Intake {
    fn new() -> (Self, mpsc::Receiver<Inbound>) {
        let (requests, receiver) = mpsc::channel(INBOUND);
        (Self { requests, junk: Arc::new(Mutex::new(Tally::default())) }, receiver)
    }

    /// Takes one payload; returns the refusal that its sender gets, if any.
    fn take(&self, payload: &[u8]) -> Option<(ViewerId, Refusal)> {
        let opened = match trust::open(payload) {
            Ok(opened) => opened,
            Err(e) => {
                self.junk(&e.to_string());
                return None;
            }
        };
        let from = opened.from;
        match message::parse(opened.message) {
            Ok(request) => {
                if self.requests.try_send(Inbound { from, request }).is_err() {
                    self.junk("the lobby is full");
                }
                None
            }
            Err(refusal) => {
                self.junk(&refusal.text);
                Some((from, refusal))
            }
        }
    }

    /// Counts a dropped message.
    fn junk(&self, why: &str) {
        let mut tally = self.junk.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(line) = tally.note(why, std::time::Instant::now()) {
            warn!("signal: {line}");
        }
    }
}
