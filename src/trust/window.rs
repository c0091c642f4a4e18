//! The time in which one viewer may come in with a secret of the camera's own.
//!
//! It runs by the monotonic clock and is not kept: a restart closes it, and the next link is one command away.

use std::time::{Duration, Instant};

use super::id::ViewerId;
use super::role::Role;
use super::secret::{Secret, SecretHash};

/// How long a window is open.
pub const OPEN_FOR: Duration = Duration::from_secs(15 * 60);
/// How many wrong secrets are borne.
pub const TRIES: u8 = 5;

/// A pairing window.
#[derive(Clone, Debug)]
pub struct Window {
    hash: SecretHash,
    role: Role,
    until: Instant,
    tries: u8,
    used_by: Option<ViewerId>,
}

/// How a shown secret was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// Nobody used it yet.
    Right(Role),
    /// Used, by this one.
    UsedBy(ViewerId, Role),
    /// Another one.
    Wrong,
    /// Too late, or too many were wrong.
    Closed,
}

impl Window {
    pub(super) fn open(secret: &Secret, role: Role, now: Instant) -> Self {
        Self { hash: secret.hash(), role, until: now + OPEN_FOR, tries: TRIES, used_by: None }
    }

    /// What whoever it lets in may do.
    pub fn role(&self) -> Role {
        self.role
    }

    /// How long it stays open.
    pub fn left(&self, now: Instant) -> Duration {
        self.until.saturating_duration_since(now)
    }

    /// How many wrong secrets it still bears.
    pub fn tries(&self) -> u8 {
        self.tries
    }

    /// Who came in.
    pub fn used_by(&self) -> Option<ViewerId> {
        self.used_by
    }

    pub(super) fn is_open(&self, now: Instant) -> bool {
        now < self.until && self.tries > 0
    }

    pub(super) fn show(&mut self, secret: &Secret, now: Instant) -> Shown {
        if !self.is_open(now) {
            return Shown::Closed;
        }
        if !self.hash.is_of(secret) {
            self.tries -= 1;
            return Shown::Wrong;
        }
        self.used_by.map_or(Shown::Right(self.role), |by| Shown::UsedBy(by, self.role))
    }

    pub(super) fn used(&mut self, by: ViewerId) {
        self.used_by = Some(by);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: [u8; 16] = [1; 16];

    #[test]
    fn a_window_closes_by_time() {
        let (now, secret) = (Instant::now(), Secret::from_bytes(SECRET));
        let mut window = Window::open(&secret, Role::Owner, now);
        let last = now + OPEN_FOR - Duration::from_millis(1);
        assert_eq!(window.show(&secret, last), Shown::Right(Role::Owner));
        assert_eq!(window.show(&secret, now + OPEN_FOR), Shown::Closed);
        assert_eq!(window.left(now + OPEN_FOR), Duration::ZERO);
    }

    #[test]
    fn a_window_closes_by_wrong_tries() {
        let (now, secret, wrong) = (Instant::now(), Secret::from_bytes(SECRET), Secret::from_bytes([2; 16]));
        let mut window = Window::open(&secret, Role::View, now);
        for _ in 0..TRIES {
            assert_eq!(window.show(&wrong, now), Shown::Wrong);
        }
        assert_eq!(window.show(&secret, now), Shown::Closed, "even for the right one");
    }

    #[test]
    fn a_used_window_says_by_whom() {
        let (now, secret) = (Instant::now(), Secret::from_bytes(SECRET));
        let mut window = Window::open(&secret, Role::View, now);
        let viewer = ViewerId::from_bytes([9; 16]);
        window.used(viewer);
        assert_eq!(window.show(&secret, now), Shown::UsedBy(viewer, Role::View));
    }
}
