//! Who watches now, for those who ask.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::trust::{SessionId, ViewerId};
use crate::viewer::rtc::Path;

/// The sessions that run. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Present(Arc<Mutex<HashMap<SessionId, Session>>>);

/// One of them.
#[derive(Clone, Debug)]
pub struct Session {
    /// Whose it is.
    pub viewer: ViewerId,
    /// Since when.
    pub since: Instant,
    /// The way of its pictures, written by its task; `None`: there is none yet.
    pub path: Arc<Mutex<Option<Path>>>,
}

impl Session {
    /// The way of its pictures.
    pub fn path(&self) -> Option<Path> {
        *lock(&self.path)
    }
}

impl Present {
    /// All of them, the oldest first.
    pub fn sessions(&self) -> Vec<Session> {
        let mut sessions: Vec<_> = lock(&self.0).values().cloned().collect();
        sessions.sort_by_key(|session| session.since);
        sessions
    }

    /// How many are a viewer's.
    pub fn of(&self, viewer: ViewerId) -> u16 {
        lock(&self.0).values().filter(|session| session.viewer == viewer).count() as u16
    }

    /// One more. The path is for its task to write.
    pub(super) fn came(&self, session: SessionId, viewer: ViewerId) -> Arc<Mutex<Option<Path>>> {
        let path = Arc::<Mutex<Option<Path>>>::default();
        lock(&self.0).insert(session, Session { viewer, since: Instant::now(), path: path.clone() });
        path
    }

    /// It is over.
    pub(super) fn left(&self, session: SessionId) {
        lock(&self.0).remove(&session);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
