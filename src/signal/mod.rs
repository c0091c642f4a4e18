//! Requests in, responses out, through a broker that may go away at any time and is trusted with nothing: every payload is
//! sealed (docs/sealing.md), by [`Keeper`].
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
use tracing::{trace, warn};

use crate::keeper::Keeper;
use crate::trust::{Asking, BootId, Exchange, Opened, Point, ViewerId};
use message::{About, Refusal, RefusedReason, Request, Response, Status};
use tally::Tally;

/// Requests that wait for the lobby; more than that are dropped and counted.
const INBOUND: usize = 256;

/// A request, and the exchange in which it is answered.
#[derive(Clone, Debug)]
pub struct Inbound {
    /// Whose it is, and where the answer goes.
    pub exchange: Arc<Exchange>,
    /// What for.
    pub asked: Asked,
}

/// What is asked.
#[derive(Clone, Debug)]
pub enum Asked {
    /// By somebody who is known.
    Request(Request),
    /// By somebody who wants to be.
    Pair {
        /// Its key.
        key: Point,
        /// What it shows.
        asking: Arc<Asking>,
    },
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
    /// Says something to the viewer of an exchange.
    pub fn send(&self, exchange: &Exchange, response: &Response) {
        let Some(payload) = seal(exchange, response) else { return };
        match self {
            Self::Mqtt(out) => out.respond(&exchange.viewer(), payload),
            Self::Loopback(out) => out.respond(exchange.viewer(), payload),
        }
    }

    /// Says to everyone who is known how the camera is; kept by the broker, and said again after each reconnection.
    pub fn set_status(&self, boot: BootId, about: About) {
        let status = Response::Status(Status { online: true, boot, about: Some(about) }).to_json();
        match self {
            Self::Mqtt(out) => out.set_status(status),
            Self::Loopback(out) => out.set_status(&status),
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

/// What a viewer gets; `None`: it cannot be sealed, which is logged.
fn seal(exchange: &Exchange, response: &Response) -> Option<Vec<u8>> {
    match exchange.seal(&response.to_json()) {
        Ok(payload) => Some(payload),
        Err(e) => {
            warn!("signal: a response could not be sealed: {e}");
            None
        }
    }
}

/// Payloads on the request topic → requests for the lobby. Junk is answered where somebody can be told, and counted.
#[derive(Clone, Debug)]
struct Intake {
    keeper: Keeper,
    requests: mpsc::Sender<Inbound>,
    junk: Arc<Mutex<Tally>>,
}

impl Intake {
    fn new(keeper: Keeper) -> (Self, mpsc::Receiver<Inbound>) {
        let (requests, receiver) = mpsc::channel(INBOUND);
        (Self { keeper, requests, junk: Arc::new(Mutex::new(Tally::default())) }, receiver)
    }

    /// Takes one payload; returns what is to be published for whom, if anything.
    fn take(&self, payload: &[u8]) -> Option<(ViewerId, Vec<u8>)> {
        let opened = match self.keeper.open_message(payload) {
            Ok(opened) => opened,
            Err(turned) => {
                trace!("turned away: {}", turned.reason);
                self.junk(&turned.reason.to_string());
                return turned.refusal;
            }
        };
        let (exchange, asked) = match opened {
            Opened::Request { exchange, plain, .. } => (exchange, request(&plain, false)),
            Opened::More { exchange, plain, .. } => (exchange, request(&plain, true)),
            Opened::Pair { key, exchange, plain } => {
                let asked = match serde_json::from_slice(&plain) {
                    Ok(asking) => Ok(Asked::Pair { key, asking: Arc::new(asking) }),
                    // What it was is not repeated: there is a secret in it.
                    Err(_) => Err(refusal("pair", RefusedReason::BadMessage, "The pair message is not right.")),
                };
                (exchange, asked)
            }
        };
        match asked {
            Ok(asked) => {
                if self.requests.try_send(Inbound { exchange, asked }).is_err() {
                    self.junk("the lobby is full");
                }
                None
            }
            Err(refusal) => {
                self.junk(&refusal.text);
                let payload = seal(&exchange, &Response::Refused(refusal))?;
                Some((exchange.viewer(), payload))
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

/// Reads what was sealed. `more`: it came in an exchange that goes on.
fn request(plain: &[u8], more: bool) -> Result<Asked, Refusal> {
    let request = message::parse(plain)?;
    if request.goes_on() == more {
        return Ok(Asked::Request(request));
    }
    let text = if more { "This message opens an exchange of its own." } else { "This message belongs to a session." };
    Err(refusal("", RefusedReason::BadMessage, text))
}

fn refusal(re: &str, reason: RefusedReason, text: &str) -> Refusal {
    Refusal { re: re.into(), session: None, reason, text: text.into() }
}
