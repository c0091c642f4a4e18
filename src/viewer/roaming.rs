//! A viewer that changes its network, or falls silent: its session goes on.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::debug;

use super::Leave;
use super::control::ToViewer;
use super::watching::Watching;
use super::ways::Ways;
use crate::hub::Subscription;
use crate::signal::message::{Refusal, RefusedReason, Response};
use crate::trust::Exchange;

/// While pictures are sent, a viewer's RTCP comes at least once a second; after this without any, none are sent.
const SILENCE: Duration = Duration::from_secs(2);

/// The first word of it may go by a connection to the broker that is dead; the one that takes its place needs some
/// round trips.
const AGAIN: Duration = Duration::from_millis(300);
/// So often it is said.
const WORDS: u32 = 5;

/// That the viewer should restart ICE.
#[derive(Debug)]
pub(super) struct Wish {
    text: &'static str,
    said: u32,
    next: Instant,
}

impl Wish {
    /// Waits until it is to be said again; for ever, where there is none.
    pub(super) async fn due(wish: &Option<Self>) {
        match wish {
            Some(wish) => tokio::time::sleep_until(wish.next.into()).await,
            None => std::future::pending().await,
        }
    }
}

impl Watching<'_> {
    /// No connection came about; why, as far as it is known here.
    pub(super) fn no_way(&self) -> Leave {
        let mut why = self.progress.ways.why();
        for trouble in self.peer.relay_troubles() {
            why += &format!(" {trouble}");
        }
        Leave::failed(&why)
    }

    /// Takes the viewer's new ways. The connection, its keys and its channel stay.
    pub(super) async fn restart(&mut self, restart: u32, sdp: String, exchange: Arc<Exchange>) {
        debug!("restarting ICE, number {restart}");
        self.progress.wish = None;
        let ways = &mut self.progress.ways;
        *ways = Ways::default();
        ways.theirs.told(&sdp);
        let session = self.session;
        self.answer = match self.peer.restart(sdp).await {
            Ok(sdp) => {
                ways.ours.told(&sdp);
                Response::Answer { session, restart, sdp, note: None }
            }
            Err(e) => {
                debug!("an ICE restart could not be done: {e}");
                let reason = if e.offer { RefusedReason::BadSdp } else { RefusedReason::Internal };
                let text = "The connection could not be restarted; offer a new session.".into();
                Response::Refused(Refusal { re: "offer".into(), session: Some(session), reason, text })
            }
        };
        self.to.send_replace(exchange);
        self.say(&self.answer);
    }

    /// Asks the viewer for an ICE restart, until one comes.
    pub(super) async fn wish_restart(&mut self, text: &'static str) {
        self.progress.wish = Some(Wish { text, said: 0, next: Instant::now() });
        self.wish_again().await;
    }

    /// By both ways, since either may be the one that still works.
    pub(super) async fn wish_again(&mut self) {
        let Some(wish) = &mut self.progress.wish else { return };
        wish.next = Instant::now() + AGAIN * 2u32.pow(wish.said.min(WORDS));
        wish.said += 1;
        let text = wish.text.to_owned();
        if wish.said >= WORDS {
            self.progress.wish = None;
        }
        self.tell(&ToViewer::Restart { text: text.clone() }).await;
        self.say(&Response::Restart { session: self.session, text });
    }

    /// Whether nothing comes back of what is sent. Then it would only fill a path that may be dead, or another's.
    pub(super) fn is_deaf(&mut self, subscription: &Subscription) -> bool {
        let progress = &mut self.progress;
        let silent = self.peer.pulse.silence() > SILENCE;
        match progress.deaf_since {
            // A viewer to whom nothing was sent had nothing to report on.
            None if silent && progress.sending_since.is_some_and(|since| since.elapsed() > SILENCE) => {
                debug!("nothing comes back: no pictures till it does");
                progress.deaf_since = Some(Instant::now());
                progress.gate.missed(0);
            }
            Some(_) if !silent => {
                progress.deaf_since = None;
                // It starts to count anew.
                progress.sending_since = None;
                subscription.want_key_frame();
            }
            _ => {}
        }
        progress.deaf_since.is_some()
    }
}
