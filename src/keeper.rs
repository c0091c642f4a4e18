//! Who is known, and the keys that prove it: what [`crate::trust`] decides is held, kept and written down here.
//!
//! One for each daemon; everybody who opens or seals a message has a handle. It never waits for the disk, but where somebody
//! asked for what must be kept before it is answered.

mod access;
mod store;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::watch;
use tracing::warn;

use crate::audit::chain::Entry;
use crate::audit::{Audit, What};
use crate::clock::Wall;
use crate::trust::{
    self, ActRefused, Actor, Asking, BootId, Broadcast, BroadcastKey, CameraId, Door, How, IdentityKey, KeyError,
    Known, Opened, PairRefused, Paired, Point, Role, Roll, SealError, Secret, Turned, UnixSeconds, ViewerId, words,
};

pub use access::Gone;
pub use store::{FILE, Kept, Lock, StoreError, write};

/// A pairing window lasts so many minutes (docs/sealing.md).
pub const MINUTES: u64 = 15;

/// A handle; cheap to clone.
#[derive(Clone)]
pub struct Keeper(Arc<Inner>);

struct Inner {
    camera: CameraId,
    words: String,
    boot: BootId,
    /// Where it is kept; `None`: nowhere, for tests and benchmarks.
    folder: Option<PathBuf>,
    door: Mutex<Door>,
    roll: Mutex<Roll>,
    broadcast: Mutex<Broadcast>,
    wall: Arc<Wall>,
    audit: Audit,
    /// Those whose access has ended, and who know no broadcast key that is used.
    expired: Mutex<HashSet<ViewerId>>,
    /// Counts up when somebody may have lost the right to watch.
    changed: watch::Sender<u64>,
    writing: tokio::sync::Mutex<()>,
    _lock: Option<Lock>,
}

/// Why a keeper could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum KeeperError {
    /// The state folder.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A key could not be made.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// Why a viewer was not paired.
#[derive(Debug, thiserror::Error)]
pub enum NotPaired {
    /// Trust says no.
    #[error(transparent)]
    Refused(#[from] PairRefused),
    /// It could not be kept, and would be forgotten.
    #[error("the camera cannot keep it; its log says why")]
    NotKept,
}

impl std::fmt::Debug for Keeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keeper").field("camera", &self.0.camera).finish_non_exhaustive()
    }
}

impl Keeper {
    /// Reads what is kept in a state folder, makes new operational keys, and writes their generation down. `audit` and `wall`
    /// as the daemon has them; the lock is held until the last handle is gone.
    ///
    /// # Errors
    /// When what is kept is damaged or cannot be written, or another Lunette has it.
    pub fn open(
        folder: &Path,
        lock: Lock,
        kept: Kept,
        identity: Arc<IdentityKey>,
        boot: BootId,
        (wall, audit): (Arc<Wall>, Audit),
    ) -> Result<Self, KeeperError> {
        let keeper = Self::new(Some((folder, lock)), kept, identity, boot, (wall, audit))?;
        let (generation, roll) = (keeper.door().generation(), keeper.roll().to_json());
        store::write(folder, generation, keeper.wall(), &roll)?;
        Ok(keeper)
    }

    /// One that forgets everything: for tests and benchmarks.
    ///
    /// # Errors
    /// When there are no random bits.
    pub fn forgetful(identity: IdentityKey, roll: Roll, boot: BootId) -> Result<Self, KeeperError> {
        let kept = Kept { roll, ..Kept::default() };
        Self::new(None, kept, Arc::new(identity), boot, (Arc::new(Wall::new(0)), Audit::none()))
    }

    fn new(
        folder: Option<(&Path, Lock)>,
        kept: Kept,
        identity: Arc<IdentityKey>,
        boot: BootId,
        (wall, audit): (Arc<Wall>, Audit),
    ) -> Result<Self, KeeperError> {
        let camera = identity.camera();
        let words = words(&identity.point());
        let door = Door::new(identity, kept.generation, Instant::now(), wall.now())?;
        let broadcast = Broadcast::new(camera, boot, BroadcastKey::generate()?);
        let (folder, lock) = folder.map(|(folder, lock)| (folder.to_owned(), lock)).unzip();
        Ok(Self(Arc::new(Inner {
            camera,
            words,
            boot,
            folder,
            door: Mutex::new(door),
            roll: Mutex::new(kept.roll),
            broadcast: Mutex::new(broadcast),
            wall,
            audit,
            expired: Mutex::default(),
            changed: watch::channel(0).0,
            writing: tokio::sync::Mutex::default(),
            _lock: lock,
        })))
    }

    /// The camera's id.
    pub fn camera(&self) -> CameraId {
        self.0.camera
    }

    /// Six words of its key, for people to compare.
    pub fn words(&self) -> &str {
        &self.0.words
    }

    /// This run of the daemon.
    pub fn boot(&self) -> BootId {
        self.0.boot
    }

    /// Where things are written down.
    pub fn audit(&self) -> &Audit {
        &self.0.audit
    }

    /// What time it is, if that is known.
    pub fn wall(&self) -> Option<UnixSeconds> {
        self.0.wall.now()
    }

    /// Who is known. Not to be held while anything is waited for.
    pub fn roll(&self) -> MutexGuard<'_, Roll> {
        locked(&self.0.roll)
    }

    fn door(&self) -> MutexGuard<'_, Door> {
        locked(&self.0.door)
    }

    /// Wakes when somebody may have lost the right to watch.
    pub fn changed(&self) -> watch::Receiver<u64> {
        self.0.changed.subscribe()
    }

    /// Opens what came on the request topic.
    ///
    /// # Errors
    /// Why it was turned away, and what its sender is told.
    pub fn open_message(&self, payload: &[u8]) -> Result<Opened, Turned> {
        let wall = self.wall();
        let opened = self.door().open(payload, &self.roll(), Instant::now(), wall);
        if let Err(turned) = &opened {
            let claimed = turned.refusal.as_ref().map(|(viewer, _)| *viewer);
            self.0.audit.refused(&turned.reason.to_string(), claimed);
        }
        opened
    }

    /// What stands on the topic `challenge`.
    pub fn challenge(&self) -> Vec<u8> {
        self.door().challenge().to_vec()
    }

    /// When [`Keeper::rotate`] is to be called.
    pub fn due(&self) -> Instant {
        self.door().due()
    }

    /// Makes a new challenge, and once a day new keys; whether the status must be sealed anew. Those whose access has ended are
    /// left behind.
    pub async fn rotate(&self) -> bool {
        let (before, wall) = (self.door().generation(), self.wall());
        if let Err(e) = self.door().rotate(Instant::now(), wall) {
            warn!("no new challenge could be made: {e}");
        }
        let new = self.door().generation() != before;
        if new {
            // A generation that is not kept may come again after a restart, and viewers then wait for a higher one.
            self.keep().await;
        }
        self.expire() || new
    }

    /// Seals a status for everybody who is known.
    ///
    /// # Errors
    /// When it is too long, or there are no random bits.
    pub fn seal_status(&self, plain: &[u8]) -> Result<Vec<u8>, SealError> {
        let operational = self.door().operational().clone();
        locked(&self.0.broadcast).seal(&operational, plain)
    }

    /// What the status is sealed under, for `welcome`.
    pub fn broadcast_key(&self) -> String {
        locked(&self.0.broadcast).key().text().to_string()
    }

    /// Opens a window for one viewer.
    ///
    /// # Errors
    /// When there are no random bits.
    pub fn invite(&self, role: Role) -> Result<String, KeyError> {
        let secret = Secret::random()?;
        self.roll().open_window(&secret, role, Instant::now());
        Ok(secret.text().to_string())
    }

    /// Whether somebody can be paired now, by a link of the board.
    pub fn is_inviting(&self) -> bool {
        self.roll().window(Instant::now()).is_some_and(|window| window.used_by().is_none() && window.tries() > 0)
    }

    /// Pairs a viewer, and keeps it.
    ///
    /// # Errors
    /// Why not.
    pub async fn pair(&self, key: &Point, asking: &Asking) -> Result<Paired, NotPaired> {
        let wall = self.wall();
        let (before, paired) = {
            let mut roll = self.roll();
            (roll.clone(), roll.pair(&self.0.camera, key, asking, Instant::now(), wall))
        };
        let paired = match paired {
            Ok(paired) => paired,
            Err(refused) => {
                self.0.audit.refused(&refused.to_string(), Some(ViewerId::of_key(key.bytes())));
                return Err(refused.into());
            }
        };
        if paired.changed {
            if !self.keep().await {
                *self.roll() = before;
                return Err(NotPaired::NotKept);
            }
            locked(&self.0.expired).remove(&paired.viewer);
            let (what, why) = match paired.how {
                How::Grant(giver) => (What::Grant, Some(format!("by {giver}"))),
                How::Window => (What::Pair, None),
            };
            self.note(what, paired.viewer, &paired.label, paired.role, why);
        }
        Ok(paired)
    }

    /// Forgets a viewer; what it has open ends.
    ///
    /// # Errors
    /// Why not.
    pub async fn revoke(&self, actor: Actor, viewer: ViewerId) -> Result<Known, ActRefused> {
        let gone = self.roll().revoke(actor, &viewer)?;
        self.left();
        self.note(What::Revoke, viewer, &gone.label, gone.role, by(actor));
        // It is gone in any case; that it may come back after a restart is said.
        self.keep().await;
        Ok(gone)
    }

    /// Calls a viewer something else.
    ///
    /// # Errors
    /// Why not.
    pub async fn rename(&self, actor: Actor, viewer: ViewerId, label: &str) -> Result<(), ActRefused> {
        let role = {
            let mut roll = self.roll();
            roll.rename(actor, &viewer, label)?;
            roll.get(&viewer).map(|known| (known.label.clone(), known.role))
        };
        if let Some((label, role)) = role {
            self.note(What::Rename, viewer, &label, role, by(actor));
        }
        self.keep().await;
        Ok(())
    }

    /// Forgets all viewers; how many there were.
    pub async fn reset(&self) -> usize {
        let gone = {
            let mut roll = self.roll();
            let gone = roll.viewers().count();
            *roll = Roll::default();
            gone
        };
        self.left();
        self.0.audit.note(Entry { count: Some(gone as u64), ..Entry::new(What::Reset) });
        self.keep().await;
        gone
    }

    /// Somebody is gone: the status is not for them any more.
    fn left(&self) {
        match BroadcastKey::generate() {
            Ok(key) => locked(&self.0.broadcast).renew(key),
            Err(e) => warn!("the status is still sealed under the old key: {e}"),
        }
        self.0.changed.send_modify(|n| *n = n.wrapping_add(1));
    }

    fn note(&self, what: What, viewer: ViewerId, label: &str, role: Role, why: Option<String>) {
        let (label, role) = (Some(label.to_owned()), Some(role.to_string()));
        self.0.audit.note(Entry { viewer: Some(viewer), label, role, why, ..Entry::new(what) });
    }

    /// Notes that a viewer came or went.
    pub fn noted(&self, what: What, viewer: ViewerId, why: Option<String>) {
        let known = self.roll().get(&viewer).map(|known| (known.label.clone(), known.role));
        let (label, role) = known.unzip();
        let role = role.map(|role| role.to_string());
        self.0.audit.note(Entry { viewer: Some(viewer), label, role, why, ..Entry::new(what) });
    }

    /// Writes it all down; whether that could be done.
    async fn keep(&self) -> bool {
        let Some(folder) = self.0.folder.clone() else { return true };
        let _one_at_a_time = self.0.writing.lock().await;
        let (generation, roll, wall) = (self.door().generation(), self.roll().to_json(), self.wall());
        let written = tokio::task::spawn_blocking(move || store::write(&folder, generation, wall, &roll)).await;
        match written {
            Ok(Ok(())) => {
                if let Some(wall) = wall {
                    self.0.wall.wrote(wall);
                }
                true
            }
            Ok(Err(e)) => {
                warn!("who is known cannot be kept: {e}");
                false
            }
            Err(_) => false,
        }
    }
}

/// The viewer of this id, or the only one of this label.
///
/// # Errors
/// What is wrong, for people.
pub fn find(roll: &Roll, name: &str) -> Result<ViewerId, String> {
    if let Some(known) = name.parse().ok().and_then(|id: ViewerId| roll.get(&id)) {
        return Ok(known.id());
    }
    let called: Vec<_> = roll.viewers().filter(|known| known.label.to_lowercase() == name.to_lowercase()).collect();
    match called.as_slice() {
        [one] => Ok(one.id()),
        [] => Err(format!("no viewer is “{}”; `lunette viewers` lists all", trust::known::clean(name))),
        several => {
            let ids: Vec<_> = several.iter().map(|known| known.id().to_string()).collect();
            Err(format!("several are called that; say which by its id: {}", ids.join(", ")))
        }
    }
}

fn by(actor: Actor) -> Option<String> {
    match actor {
        Actor::Viewer(viewer) => Some(format!("by {viewer}")),
        Actor::Board => None,
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
