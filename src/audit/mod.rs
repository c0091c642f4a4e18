//! The audit log: who was paired, came, went, was revoked or refused. JSON lines, each with the hash of the one before.
//!
//! [`chain`] makes and checks lines and is pure; [`log`] is the file; [`Audit`] writes to it from a task, so that nobody ever
//! waits for the disk.

pub mod chain;
pub mod log;
mod refused;

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tracing::warn;

use crate::clock::Wall;
use crate::trust::{BootId, ViewerId};
use chain::Entry;
use log::Log;
use refused::Refusals;

pub use chain::What;

/// Entries that wait for the disk; more than that are counted, not kept.
const WAITING: usize = 256;
/// So often it is looked for refusals that were counted and not written.
const TURN: Duration = Duration::from_secs(10);

/// Where entries go. Cheap to clone; never waits.
#[derive(Clone, Debug)]
pub struct Audit(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    entries: mpsc::Sender<Note>,
    refusals: Mutex<Refusals>,
    lost: AtomicU64,
}

/// What the task is told.
#[derive(Debug)]
enum Note {
    /// To be written.
    Entry(Box<Entry>),
    /// To be said when all before it is written.
    Flush(oneshot::Sender<()>),
}

impl Audit {
    /// Opens the log of a state folder and starts its task, which ends when all of the handles are gone.
    ///
    /// A log that cannot be written is warned of, and done without.
    pub fn start(folder: &Path, boot: BootId, wall: Arc<Wall>) -> (Self, JoinHandle<()>) {
        let (entries, waiting) = mpsc::channel(WAITING);
        let audit = Self(Arc::new(Inner { entries, refusals: Mutex::default(), lost: AtomicU64::new(0) }));
        let log = Log::new(folder, Some(boot));
        let inner = Arc::downgrade(&audit.0);
        let due = move || inner.upgrade().map(|inner| inner.due());
        (audit, tokio::spawn(write(log, waiting, wall, due)))
    }

    /// One that keeps nothing: for tests and benchmarks.
    pub fn none() -> Self {
        let (entries, _) = mpsc::channel(1);
        Self(Arc::new(Inner { entries, refusals: Mutex::default(), lost: AtomicU64::new(0) }))
    }

    /// Writes something down.
    pub fn note(&self, entry: Entry) {
        if self.0.entries.try_send(Note::Entry(Box::new(entry))).is_err() {
            self.0.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits until all that was noted is on the disk.
    pub async fn flush(&self) {
        let (done, wait) = oneshot::channel();
        if self.0.entries.send(Note::Flush(done)).await.is_ok() {
            // An error says that the task is gone; then there is nothing to wait for.
            let _ = wait.await;
        }
    }

    /// Writes a refusal down, unless there were many of the same lately: those are counted.
    pub fn refused(&self, why: &str, viewer: Option<ViewerId>) {
        let entry = lock(&self.0.refusals).note(why, viewer, Instant::now());
        if let Some(entry) = entry {
            self.note(entry);
        }
    }
}

impl Inner {
    /// What was counted, and is to be said now.
    fn due(&self) -> Vec<Entry> {
        let mut entries = lock(&self.refusals).due(Instant::now());
        let lost = self.lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            entries.push(Entry { count: Some(lost), ..Entry::new(What::Missed) });
        }
        entries
    }
}

/// The task. It lives as long as somebody may have something to say.
async fn write(log: Log, mut waiting: mpsc::Receiver<Note>, wall: Arc<Wall>, due: impl Fn() -> Option<Vec<Entry>>) {
    let mut turn = tokio::time::interval(TURN);
    turn.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let (mut log, mut told, mut notes) = (Some(log), false, Vec::new());
    loop {
        let (mut batch, mut flushed) = (Vec::new(), Vec::new());
        let open = tokio::select! {
            n = waiting.recv_many(&mut notes, WAITING) => n > 0,
            _ = turn.tick() => true,
        };
        for note in notes.drain(..) {
            match note {
                Note::Entry(entry) => batch.push(*entry),
                Note::Flush(done) => flushed.push(done),
            }
        }
        batch.extend(due().unwrap_or_default());
        if !batch.is_empty() {
            let (entries, mut file, at) = (batch, log.take(), wall.now().map(|at| at.0));
            let done = tokio::task::spawn_blocking(move || {
                let done = file.as_mut().map_or(Ok(()), |file| file.append(&entries, at));
                (file, done)
            });
            match done.await {
                Ok((file, Ok(()))) => (log, told) = (file, false),
                Ok((file, Err(e))) => {
                    log = file;
                    if !std::mem::replace(&mut told, true) {
                        warn!("the audit log cannot be written: {e}; going on without it");
                    }
                }
                Err(_) => return,
            }
        }
        for done in flushed {
            // Nobody waits any more.
            let _ = done.send(());
        }
        if !open {
            return;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_flood_of_refusals_is_a_few_lines() {
        let folder = tempfile::tempdir().expect("a folder");
        let (audit, task) = Audit::start(folder.path(), BootId::random().expect("random"), Arc::new(Wall::new(0)));
        for _ in 0..10_000 {
            audit.refused("signature", None);
        }
        audit.note(Entry::new(What::Pair));
        drop(audit);
        task.await.expect("it ends");
        let report = log::verify(folder.path()).expect("read");
        assert!(report.broken.is_none() && (2..10).contains(&report.lines), "{report:?}");
    }

    #[tokio::test]
    async fn a_disk_that_takes_nothing_stops_nobody() {
        let (audit, task) =
            Audit::start(Path::new("/nonexistent/folder"), BootId::random().expect("random"), Arc::new(Wall::new(0)));
        for _ in 0..1000 {
            audit.note(Entry::new(What::Join));
        }
        drop(audit);
        task.await.expect("it ends");
    }
}
