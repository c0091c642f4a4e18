//! Who may watch now, and whose access has ended.

use super::{Keeper, locked};
use crate::trust::{Known, Reason, ViewerId};

/// When a viewer was last seen is kept to this many seconds.
const SEEN: u64 = 3600;

/// Why a viewer may not watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gone {
    /// It is not known.
    Revoked,
    /// Its access had an end.
    Expired,
}

impl Keeper {
    /// A viewer said something. Kept only now and then: memory cards wear.
    pub fn saw(&self, viewer: ViewerId) {
        let Some(wall) = self.wall() else { return };
        let stale = {
            let mut roll = self.roll();
            let seen = roll.get(&viewer).and_then(|known| known.seen);
            roll.saw(&viewer, Some(wall));
            seen.is_none_or(|seen| wall.0.saturating_sub(seen.0) >= SEEN)
        };
        if stale && self.0.folder.is_some() {
            let keeper = self.clone();
            tokio::spawn(async move { keeper.keep().await });
        }
    }

    /// Whether a viewer may watch now; why not.
    pub fn may_watch(&self, viewer: ViewerId) -> Result<(), Gone> {
        let wall = self.wall();
        let roll = self.roll();
        match roll.judge(&viewer, wall) {
            // Who was let in while the time was known stays while it is not.
            Ok(_) | Err(Reason::Clock) => Ok(()),
            Err(Reason::Expired) => Err(Gone::Expired),
            Err(_) => Err(Gone::Revoked),
        }
    }

    /// Whether somebody's access has ended since it was asked last; then the status is sealed under another key.
    pub fn expire(&self) -> bool {
        let Some(now) = self.wall() else { return false };
        let over: Vec<_> =
            self.roll().viewers().filter(|v| v.until.is_some_and(|end| end <= now)).map(Known::id).collect();
        let new = {
            let mut expired = locked(&self.0.expired);
            expired.retain(|viewer| over.contains(viewer));
            // All of them, whatever comes of the first.
            let before = expired.len();
            expired.extend(over);
            expired.len() > before
        };
        if new {
            self.left();
        }
        new
    }
}
