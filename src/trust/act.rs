//! What viewers, and whoever has a shell on the board, do to those who are known.

use serde::Serialize;

use super::id::ViewerId;
use super::known::{Known, clean};
use super::role::Role;
use super::roll::{REVOKED, Roll};

/// Who wants something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Actor {
    /// A viewer, by a request of its own.
    Viewer(ViewerId),
    /// Whoever has a shell on the board: may all.
    Board,
}

/// What is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// The viewers that are known.
    List,
    /// Another one, with this role.
    Invite(Role),
    /// Another label for this one.
    Rename(ViewerId),
    /// This one gone.
    Revoke(ViewerId),
}

/// Why something was not done. `Display` and JSON are the names of docs/signaling.md.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ActRefused {
    /// Not by this one.
    #[error("not_allowed")]
    NotAllowed,
    /// Nobody of that id is known.
    #[error("unknown_viewer")]
    UnknownViewer,
}

impl Roll {
    /// Whether somebody may do something.
    pub fn may(&self, actor: Actor, act: Act) -> bool {
        let Actor::Viewer(actor) = actor else { return true };
        let Some(Known { role, .. }) = self.viewers.get(&actor) else { return false };
        match act {
            Act::List => role.manages(),
            Act::Invite(other) => role.above(other),
            Act::Rename(subject) | Act::Revoke(subject) => {
                let above = || self.viewers.get(&subject).is_some_and(|known| role.above(known.role));
                subject == actor || above()
            }
        }
    }

    /// Forgets a viewer.
    ///
    /// # Errors
    /// See [`ActRefused`].
    pub fn revoke(&mut self, actor: Actor, viewer: &ViewerId) -> Result<Known, ActRefused> {
        self.allow(actor, Act::Revoke(*viewer), viewer)?;
        let known = self.viewers.remove(viewer).ok_or(ActRefused::UnknownViewer)?;
        self.revoked.push_front(*viewer);
        self.revoked.truncate(REVOKED);
        Ok(known)
    }

    /// Calls a viewer something else.
    ///
    /// # Errors
    /// See [`ActRefused`].
    pub fn rename(&mut self, actor: Actor, viewer: &ViewerId, label: &str) -> Result<(), ActRefused> {
        self.allow(actor, Act::Rename(*viewer), viewer)?;
        let known = self.viewers.get_mut(viewer).ok_or(ActRefused::UnknownViewer)?;
        known.label = clean(label);
        Ok(())
    }

    /// Who may not list is not told who is known.
    fn allow(&self, actor: Actor, act: Act, subject: &ViewerId) -> Result<(), ActRefused> {
        match self.may(actor, act) {
            true => Ok(()),
            false if self.may(actor, Act::List) && !self.viewers.contains_key(subject) => {
                Err(ActRefused::UnknownViewer)
            }
            false => Err(ActRefused::NotAllowed),
        }
    }
}
