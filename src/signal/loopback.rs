//! Signaling within one process: the same bytes, no broker. For tests and benchmarks.

use tokio::sync::mpsc;

use super::message::Response;
use super::{Inbound, Intake};
use crate::trust::{self, ViewerId};

/// What the camera said.
#[derive(Debug)]
pub struct Said {
    /// To whom; `None`: to everyone.
    pub to: Option<ViewerId>,
    /// The JSON.
    pub payload: Vec<u8>,
}

/// The camera's way out.
#[derive(Clone, Debug)]
pub struct Outbox(mpsc::UnboundedSender<Said>);

/// The viewers' way in.
#[derive(Clone, Debug)]
pub struct Viewers {
    intake: Intake,
    out: Outbox,
}

/// Opens a loopback: requests for the lobby and its way out; then the viewers' way in, and what they are told.
pub fn open() -> (mpsc::Receiver<Inbound>, super::Outbox, Viewers, mpsc::UnboundedReceiver<Said>) {
    let (intake, requests) = Intake::new();
    let (sender, said) = mpsc::unbounded_channel();
    let out = Outbox(sender);
    (requests, super::Outbox::Loopback(out.clone()), Viewers { intake, out }, said)
}

impl Viewers {
    /// Sends what a viewer would publish on the request topic.
    pub fn publish(&self, payload: &[u8]) {
        if let Some((to, refusal)) = self.intake.take(payload) {
            self.out.respond(to, trust::seal(&to, Response::Refused(refusal).to_json()));
        }
    }
}

impl Outbox {
    pub(super) fn respond(&self, to: ViewerId, payload: Vec<u8>) {
        // An error says that the viewers' side is gone; there is nobody to tell.
        let _ = self.0.send(Said { to: Some(to), payload });
    }

    pub(super) fn public(&self, payload: Vec<u8>) {
        let _ = self.0.send(Said { to: None, payload });
    }
}
