//! What the broker keeps of this camera: its challenge and its status, and what becomes of it when others write there.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tracing::warn;

use super::super::message::Status;
use super::super::topic;
use super::Inner;

/// What stands on our topics is put right no oftener.
const TENDED: Duration = Duration::from_secs(1);

/// What the broker is to keep.
#[derive(Default)]
pub(super) struct Standing {
    /// As JSON; empty until it is known.
    pub(super) plain: Vec<u8>,
    /// Sealed; empty: to be sealed again.
    pub(super) status: Vec<u8>,
}

impl Inner {
    /// Says what the broker is to keep: the challenge, then the status.
    pub(super) fn say_standing(&self) {
        self.challenge_unsaid.store(true, Ordering::Relaxed);
        self.status_unsaid.store(true, Ordering::Relaxed);
        self.say_unsaid();
    }

    pub(super) fn say_status(&self) {
        self.status_unsaid.store(true, Ordering::Relaxed);
        self.say_unsaid();
    }

    /// Says what was not said yet, as far as there is room among the messages that wait; the rest when one of them has left.
    pub(super) fn say_unsaid(&self) {
        let say = |unsaid: &AtomicBool, path: String, payload: Vec<u8>| {
            if !payload.is_empty() && !self.publish(path, payload, true) {
                unsaid.store(true, Ordering::Relaxed);
            }
        };
        if self.challenge_unsaid.swap(false, Ordering::Relaxed) {
            say(&self.challenge_unsaid, topic::challenge(&self.camera), self.keeper.challenge());
        }
        if self.status_unsaid.swap(false, Ordering::Relaxed) {
            say(&self.status_unsaid, topic::status(&self.camera), self.status());
        }
    }

    /// The status as it stands, sealed if it is not yet; empty: none is known.
    pub(super) fn status(&self) -> Vec<u8> {
        let mut standing = self.standing();
        if standing.status.is_empty() && !standing.plain.is_empty() {
            match self.keeper.seal_status(&standing.plain) {
                Ok(sealed) => standing.status = sealed,
                Err(e) => warn!("signal: the status could not be sealed: {e}"),
            }
        }
        standing.status.clone()
    }

    pub(super) fn standing(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has our own said again where something else stands.
    pub(super) fn compare(&self, (payload, retained): (&[u8], bool), ours: &[u8], what: &str) {
        if payload == ours || self.closing.load(Ordering::Relaxed) {
            return;
        }
        // What the broker kept is of the last start, as it should be; and of ours, an older one may still be on its way.
        let old = retained || self.is_of_this_boot(payload);
        if !old {
            self.intake.junk(&format!("somebody else's {what} on our topic; said ours again"));
        }
        self.meddled.notify_one();
    }

    /// Whether it may be what we said some moments ago, or the last will of one of our connections. Only for the log.
    fn is_of_this_boot(&self, payload: &[u8]) -> bool {
        let will = || serde_json::from_slice::<Status>(payload).is_ok_and(|will| will.boot == self.boot);
        payload.starts_with(b"LUN") || will()
    }
}

/// Makes new challenges when they are due, seals the status anew when its key is another, and says ours again where somebody
/// else wrote: at most once a second, so that two who quarrel do not fill the broker. Ends with the connection's task.
pub(super) async fn tend(inner: Weak<Inner>) {
    let Some(mut changed) = inner.upgrade().map(|inner| inner.keeper.changed()) else { return };
    loop {
        let Some(now) = inner.upgrade().filter(|inner| !inner.closing.load(Ordering::Relaxed)) else { return };
        let due = tokio::time::Instant::from_std(now.keeper.due());
        let anew = tokio::select! {
            () = tokio::time::sleep_until(due) => now.keeper.rotate().await,
            // The keeper is held by this very task's turn.
            _ = changed.changed() => true,
            () = now.meddled.notified() => false,
            () = now.tending.cancelled() => return,
        };
        if anew {
            now.standing().status.clear();
        }
        if now.connected.load(Ordering::Relaxed) && !now.closing.load(Ordering::Relaxed) {
            now.say_standing();
        }
        tokio::time::sleep(TENDED).await;
    }
}
