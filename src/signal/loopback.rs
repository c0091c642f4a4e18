//! Signaling within one process: the same bytes, no broker. For tests and benchmarks.

use tokio::sync::mpsc;

use super::{Inbound, Intake};
use crate::keeper::Keeper;
use crate::trust::ViewerId;

/// What the camera said.
#[derive(Debug)]
pub struct Said {
    /// To whom; `None`: to everyone.
    pub to: Option<ViewerId>,
    /// The envelope.
    pub payload: Vec<u8>,
}

/// The camera's way out.
#[derive(Clone, Debug)]
pub struct Outbox {
    said: mpsc::UnboundedSender<Said>,
    keeper: Keeper,
}

/// The viewers' way in.
#[derive(Clone, Debug)]
pub struct Viewers {
    intake: Intake,
    out: Outbox,
}

/// Opens a loopback: requests for the lobby and its way out; then the viewers' way in, and what they are told. The challenge is
/// [`Keeper::challenge`].
pub fn open(keeper: Keeper) -> (mpsc::Receiver<Inbound>, super::Outbox, Viewers, mpsc::UnboundedReceiver<Said>) {
    let (intake, requests) = Intake::new(keeper.clone());
    let (sender, said) = mpsc::unbounded_channel();
    let out = Outbox { said: sender, keeper };
    (requests, super::Outbox::Loopback(out.clone()), Viewers { intake, out }, said)
}

impl Viewers {
    /// Sends what a viewer would publish on the request topic.
    pub fn publish(&self, payload: &[u8]) {
        if let Some((to, refusal)) = self.intake.take(payload) {
            self.out.respond(to, refusal);
        }
    }
}

impl Outbox {
    pub(super) fn respond(&self, to: ViewerId, payload: Vec<u8>) {
        // An error says that the viewers' side is gone; there is nobody to tell.
        let _ = self.said.send(Said { to: Some(to), payload });
    }

    pub(super) fn set_status(&self, plain: &[u8]) {
        if let Ok(payload) = self.keeper.seal_status(plain) {
            let _ = self.said.send(Said { to: None, payload });
        }
    }
}
