//! Who is known to a camera, who no longer is, and how one comes to be.

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::clock::UnixSeconds;
use super::envelope::Reason;
use super::grant::Grant;
use super::id::{CameraId, ViewerId};
use super::key::Point;
use super::known::{Known, clean};
use super::role::Role;
use super::secret::Secret;
use super::window::{Shown, Window};

/// How many viewers may be known.
pub const VIEWERS: usize = 256;
/// How many revoked ids are kept.
pub const REVOKED: usize = 64;
/// How many used grants are kept, until they would have ended.
pub const USED: usize = 1_024;

/// A grant that was used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Used {
    /// What it is recognised by, in hexadecimal.
    mark: String,
    by: ViewerId,
    before: UnixSeconds,
}

/// Everybody who is known to a camera, and what else decides who may be.
#[derive(Clone, Debug, Default)]
pub struct Roll {
    pub(super) viewers: BTreeMap<ViewerId, Known>,
    pub(super) revoked: VecDeque<ViewerId>,
    used: Vec<Used>,
    window: Option<Window>,
}

/// The form in which it is kept.
#[derive(Serialize, Deserialize)]
struct Kept {
    v: u32,
    viewers: Vec<Known>,
    #[serde(default)]
    revoked: VecDeque<ViewerId>,
    #[serde(default)]
    used: Vec<Used>,
}

/// What is wrong with a roll that was kept.
#[derive(Debug, thiserror::Error)]
pub enum RollError {
    /// Not what was written.
    #[error("not a list of viewers: {0}")]
    Damaged(#[from] serde_json::Error),
    /// Written by a later program.
    #[error("a list of viewers of version {0}, and this program reads version 1")]
    Version(u32),
    /// More than was ever written.
    #[error("{0} viewers, and at most {VIEWERS} can be known")]
    TooMany(usize),
}

/// What a viewer sends to be paired: the fields of `pair`.
#[derive(Clone, Debug, Deserialize)]
pub struct Asking {
    /// From the link.
    pub secret: Secret,
    /// What it wants to be called.
    #[serde(default)]
    pub label: String,
    /// From the link, when a viewer made it: base64url.
    #[serde(default)]
    pub grant: Option<String>,
}

/// How a viewer came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// By a secret of the camera's own.
    Window,
    /// Invited by this viewer.
    Grant(ViewerId),
}

/// A viewer that was paired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paired {
    /// Who.
    pub viewer: ViewerId,
    /// What it may do now.
    pub role: Role,
    /// What it is called.
    pub label: String,
    /// How it came in.
    pub how: How,
    /// Whether anything is other than before, and so to be kept.
    pub changed: bool,
}

/// Why a viewer was not paired. `Display` and JSON are the names of docs/sealing.md.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PairRefused {
    /// No window is open.
    #[error("pairing_closed")]
    PairingClosed,
    /// The link was used, by another viewer.
    #[error("pairing_used")]
    PairingUsed,
    /// The secret is another.
    #[error("pairing_wrong")]
    PairingWrong,
    /// Not granted by somebody who may.
    #[error("grant_invalid")]
    GrantInvalid,
    /// Too late.
    #[error("grant_expired")]
    GrantExpired,
    /// What has an end cannot be taken while nobody knows the time.
    #[error("clock")]
    Clock,
    /// No more viewers can be known.
    #[error("full")]
    Full,
}

impl Roll {
    /// Reads what [`Roll::to_json`] wrote.
    ///
    /// # Errors
    /// See [`RollError`].
    pub fn from_json(json: &[u8]) -> Result<Self, RollError> {
        #[derive(Deserialize)]
        struct Version {
            v: u32,
        }
        let Version { v } = serde_json::from_slice(json)?;
        if v != 1 {
            return Err(RollError::Version(v));
        }
        let Kept { viewers, mut revoked, mut used, .. } = serde_json::from_slice(json)?;
        if viewers.len() > VIEWERS {
            return Err(RollError::TooMany(viewers.len()));
        }
        revoked.truncate(REVOKED);
        used.truncate(USED);
        let viewers = viewers.into_iter().map(|known| (known.id(), Known { label: clean(&known.label), ..known }));
        Ok(Self { viewers: viewers.collect(), revoked, used, window: None })
    }

    /// To be kept. The pairing window is not.
    pub fn to_json(&self) -> Vec<u8> {
        let viewers = self.viewers.values().cloned().collect();
        let kept = Kept { v: 1, viewers, revoked: self.revoked.clone(), used: self.used.clone() };
        serde_json::to_vec_pretty(&kept).unwrap_or_default()
    }

    /// Those who are known, in the order of their ids.
    pub fn viewers(&self) -> impl ExactSizeIterator<Item = &Known> {
        self.viewers.values()
    }

    /// One of them.
    pub fn get(&self, viewer: &ViewerId) -> Option<&Known> {
        self.viewers.get(viewer)
    }

    /// Whether nobody is known.
    pub fn is_empty(&self) -> bool {
        self.viewers.is_empty()
    }

    /// The latest time that is written here; a clock that shows less is wrong.
    pub fn latest(&self) -> Option<UnixSeconds> {
        self.viewers.values().flat_map(|known| [known.since, known.seen]).flatten().max()
    }

    /// A viewer that has access now.
    ///
    /// # Errors
    /// `not_paired`, `revoked`, `expired`, `clock`.
    pub fn judge(&self, viewer: &ViewerId, wall: Option<UnixSeconds>) -> Result<&Known, Reason> {
        let Some(known) = self.viewers.get(viewer) else {
            let was = self.revoked.contains(viewer);
            return Err(if was { Reason::Revoked } else { Reason::NotPaired });
        };
        known.judge(wall).map(|()| known)
    }

    /// Notes that a viewer was heard. Whether that is worth keeping at once is for the caller to say.
    pub fn saw(&mut self, viewer: &ViewerId, wall: Option<UnixSeconds>) {
        if let (Some(known), Some(now)) = (self.viewers.get_mut(viewer), wall) {
            known.seen = Some(now);
        }
    }

    /// Lets one viewer in who shows `secret`, for a quarter of an hour; takes the place of an earlier window.
    pub fn open_window(&mut self, secret: &Secret, role: Role, now: Instant) {
        self.window = Some(Window::open(secret, role, now));
    }

    /// The window, if it is open; also one that was used.
    pub fn window(&self, now: Instant) -> Option<&Window> {
        self.window.as_ref().filter(|window| window.is_open(now))
    }

    /// Closes it.
    pub fn close_window(&mut self) {
        self.window = None;
    }

    /// What the next one gets who comes by a secret of the camera's own: all, as long as nobody has that.
    pub fn first_role(&self) -> Role {
        if self.viewers.values().any(|known| known.role == Role::Owner) { Role::View } else { Role::Owner }
    }

    /// Pairs the viewer that has `key`, or says why not.
    ///
    /// # Errors
    /// See [`PairRefused`].
    pub fn pair(
        &mut self,
        camera: &CameraId,
        key: &Point,
        asking: &Asking,
        now: Instant,
        wall: Option<UnixSeconds>,
    ) -> Result<Paired, PairRefused> {
        let viewer = ViewerId::of_key(key.bytes());
        match &asking.grant {
            None => {
                let window = self.window.as_mut().ok_or(PairRefused::PairingClosed)?;
                let role = match window.show(&asking.secret, now) {
                    Shown::Right(role) => role,
                    Shown::UsedBy(by, _) if by == viewer => return self.again(&viewer).ok_or(PairRefused::PairingUsed),
                    Shown::UsedBy(..) => return Err(PairRefused::PairingUsed),
                    Shown::Wrong => return Err(PairRefused::PairingWrong),
                    Shown::Closed => return Err(PairRefused::PairingClosed),
                };
                let paired = self.admit(key, &asking.label, (role, None, None), wall)?;
                if let Some(window) = &mut self.window {
                    window.used(viewer);
                }
                Ok(paired)
            }
            Some(grant) => {
                let grant: Grant = grant.parse().map_err(|_| PairRefused::GrantInvalid)?;
                let (until, wall) = self.look_at(&grant, camera, &asking.secret, wall)?;
                let mark = data_encoding::HEXLOWER.encode(&grant.mark());
                if let Some(used) = self.used.iter().find(|used| used.mark == mark) {
                    let same = used.by == viewer;
                    return self.again(&viewer).filter(|_| same).ok_or(PairRefused::PairingUsed);
                }
                self.used.retain(|used| used.before > wall);
                if self.used.len() >= USED {
                    return Err(PairRefused::Full);
                }
                let terms = grant.terms();
                let admission = (terms.role, until, Some(terms.giver));
                let paired = self.admit(key, &asking.label, admission, Some(wall))?;
                self.used.push(Used { mark, by: viewer, before: terms.before });
                Ok(Paired { changed: true, ..paired })
            }
        }
    }

    /// Whether a grant is good now, whoever shows it: gives the end of the access, no later than the giver's own, and the
    /// time by which all this holds.
    fn look_at(
        &self,
        grant: &Grant,
        camera: &CameraId,
        secret: &Secret,
        wall: Option<UnixSeconds>,
    ) -> Result<(Option<UnixSeconds>, UnixSeconds), PairRefused> {
        let terms = grant.terms();
        let giver = self.viewers.get(&terms.giver).filter(|giver| giver.role.above(terms.role));
        let giver = giver.filter(|giver| terms.camera.bytes() == camera.bytes() && grant.is_signed_by(&giver.key));
        let giver = giver.ok_or(PairRefused::GrantInvalid)?;
        let wall = wall.ok_or(PairRefused::Clock)?;
        giver.judge(Some(wall)).map_err(|_| PairRefused::GrantInvalid)?;
        if wall >= terms.before || terms.ends.is_some_and(|ends| wall >= ends) {
            return Err(PairRefused::GrantExpired);
        }
        let until = terms.ends.into_iter().chain(giver.until).min();
        if terms.secret.is_of(secret) { Ok((until, wall)) } else { Err(PairRefused::PairingWrong) }
    }

    /// What was said before, to one whose answer may have been lost. Not to one that was revoked since.
    fn again(&self, viewer: &ViewerId) -> Option<Paired> {
        let known = self.viewers.get(viewer)?;
        Some(Paired { viewer: *viewer, role: known.role, label: known.label.clone(), how: known.how(), changed: false })
    }

    /// Lets a viewer in, or higher: a higher role comes with its own end, the same one keeps the later end, a lower one
    /// changes nothing.
    fn admit(
        &mut self,
        key: &Point,
        label: &str,
        (role, until, by): (Role, Option<UnixSeconds>, Option<ViewerId>),
        wall: Option<UnixSeconds>,
    ) -> Result<Paired, PairRefused> {
        let viewer = ViewerId::of_key(key.bytes());
        let has = self.viewers.get_mut(&viewer).filter(|known| known.judge(wall) != Err(Reason::Expired));
        if let Some(known) = has {
            let longer = known.until.is_some_and(|ends| until.is_none_or(|until| until > ends));
            let changed = role > known.role || (role == known.role && longer);
            if changed {
                (known.role, known.until, known.by) = (role, until, by);
            }
            let (role, label, how) = (known.role, known.label.clone(), known.how());
            return Ok(Paired { viewer, role, label, how, changed });
        }
        if self.viewers.len() >= VIEWERS {
            self.viewers.retain(|_, known| known.judge(wall) != Err(Reason::Expired));
        }
        if self.viewers.len() >= VIEWERS && !self.viewers.contains_key(&viewer) {
            return Err(PairRefused::Full);
        }
        self.revoked.retain(|revoked| *revoked != viewer);
        let label = clean(label);
        let known = Known { key: *key, label: label.clone(), role, since: wall, seen: wall, until, by };
        let how = known.how();
        self.viewers.insert(viewer, known);
        Ok(Paired { viewer, role, label, how, changed: true })
    }
}

#[cfg(test)]
#[path = "roll_tests.rs"]
mod tests;
