//! Whether the viewer that signed the offer is who has the DTLS connection: no picture goes before that is known.
//! docs/sealing.md, “Channel binding”. Pure: time is an argument.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Leave;
use super::rtc::Fingerprints;
use crate::hub::Picture;
use crate::signal::message::{EndReason, Response};
use crate::trust::{self, Exchange, Side};

/// From the connection to the viewer's word.
const PATIENCE: Duration = Duration::from_secs(8);
/// Answers of one session that a viewer may have heard first.
const ANSWERS: usize = 8;
/// Pictures that are kept for it; with more, a new key frame is the better start.
const KEPT: usize = 12;
/// A key frame that is older is no start either.
const FRESH: Duration = Duration::from_millis(400);

/// One session's.
pub(super) struct Binding {
    /// Of the exchanges in which the session's answer was said; emptied once one of them holds.
    answers: Vec<trust::Binding>,
    holds: bool,
    connected: Option<Instant>,
    /// Pictures since the last key frame.
    kept: Vec<Arc<Picture>>,
}

impl Binding {
    /// For a session that was answered in this exchange.
    pub(super) fn new(exchange: &Exchange) -> Self {
        Self { answers: vec![exchange.binding().clone()], holds: false, connected: None, kept: Vec::new() }
    }

    /// It was answered again. Answers to ICE restarts are of no matter: the DTLS session stays.
    pub(super) fn answered(&mut self, exchange: &Exchange, answer: &Response) {
        if !self.holds && matches!(answer, Response::Answer { restart: 0, .. }) {
            if self.answers.len() >= ANSWERS {
                self.answers.remove(0);
            }
            self.answers.push(exchange.binding().clone());
        }
    }

    /// DTLS is done.
    pub(super) fn connected(&mut self, now: Instant) {
        self.connected.get_or_insert(now);
    }

    /// Whether it is the viewer.
    pub(super) fn holds(&self) -> bool {
        self.holds
    }

    /// Whether the viewer's word should have come.
    pub(super) fn is_late(&self, now: Instant) -> bool {
        !self.holds && self.connected.is_some_and(|at| now.saturating_duration_since(at) > PATIENCE)
    }

    /// Looks at the viewer's word; ours, if it is right. `fingerprints`: `None`: nothing was shown in the handshake.
    pub(super) fn check(&mut self, fingerprints: &Option<Fingerprints>, mac: &str) -> Option<String> {
        let Fingerprints { viewer, camera } = fingerprints.as_ref()?;
        let held = self.answers.iter().find(|answer| answer.check(Side::Viewer, viewer, camera, mac))?;
        let ours = held.mac(Side::Camera, viewer, camera);
        self.holds = true;
        self.answers.clear();
        Some(ours)
    }

    /// Keeps a picture that may not go yet.
    pub(super) fn keep(&mut self, picture: Arc<Picture>) {
        if picture.frame.key {
            self.kept.clear();
        }
        // Without its key frame none is of use; nor are those after one that is not kept.
        if (picture.frame.key || !self.kept.is_empty()) && self.kept.len() < KEPT {
            self.kept.push(picture);
        } else {
            self.kept.clear();
        }
    }

    /// Some were missed: what was kept is not whole.
    pub(super) fn missed(&mut self) {
        self.kept.clear();
    }

    /// What was kept, if it is a good start.
    pub(super) fn kept(&mut self, now: Instant) -> Vec<Arc<Picture>> {
        let mut kept = std::mem::take(&mut self.kept);
        if kept.first().is_some_and(|key| now.saturating_duration_since(key.at) > FRESH) {
            kept.clear();
        }
        kept
    }

    /// What the session ends with, when it is not the viewer.
    pub(super) fn wrong() -> Leave {
        let text = "The connection is not the viewer's own: something on the way put itself between.";
        Leave::End(EndReason::Binding, text.into())
    }
}
