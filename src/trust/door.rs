//! The camera's door: what comes on `req` is opened, or turned away at the cheapest check that it fails.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::challenge;
use super::clock::UnixSeconds;
use super::envelope::{self, HEAD, Kind, NONCE, Reason, part, signed};
use super::exchange::{Asked, Exchange};
use super::id::{CameraId, ViewerId};
use super::key::{DhKey, IdentityKey, KeyError, POINT, Point, Purpose};
use super::known::Known;
use super::operational::{Operational, next_generation};
use super::replay::{Bucket, Seen};
use super::role::Role;
use super::roll::Roll;

/// How long a challenge is the newest one.
pub const CHALLENGE_EVERY: Duration = Duration::from_secs(60);
/// How long operational keys are used.
pub const OPERATIONAL_FOR: Duration = Duration::from_secs(24 * 60 * 60);
/// Refusals a second.
const REFUSALS: u32 = 2;
/// Requests to be paired that are looked at, a second.
const PAIRINGS: u32 = 4;
/// Exchanges that can go on at once.
const EXCHANGES: usize = 4_096;

/// A challenge that is accepted.
struct Slot {
    random: [u8; NONCE],
    number: u64,
    payload: Vec<u8>,
    operational: Arc<Operational>,
    seen: Seen,
}

impl Slot {
    fn new(
        camera: &CameraId,
        operational: Arc<Operational>,
        number: u64,
        random: [u8; NONCE],
    ) -> Result<Self, KeyError> {
        let payload = challenge::encode(camera, &operational, number, &random)?;
        Ok(Self { random, number, payload, operational, seen: Seen::default() })
    }
}

/// The door of one camera.
pub struct Door {
    identity: Arc<IdentityKey>,
    camera: CameraId,
    current: Slot,
    previous: Option<Slot>,
    /// Since when the challenge is the newest one, and the operational keys are used.
    turned: Instant,
    renewed: Instant,
    exchanges: HashMap<(ViewerId, [u8; NONCE]), Weak<Exchange>>,
    /// How many exchanges there may be before those that ended are looked for.
    sweep: usize,
    refusals: Bucket,
    pairings: Bucket,
}

/// What came in.
#[derive(Debug)]
pub enum Opened {
    /// A request of a viewer that is known.
    Request {
        /// Who.
        from: ViewerId,
        /// What it may do.
        role: Role,
        /// To answer by; held for as long as more of it is to be heard.
        exchange: Arc<Exchange>,
        /// The JSON of docs/signaling.md.
        plain: Vec<u8>,
    },
    /// More of an exchange.
    More {
        /// Who.
        from: ViewerId,
        /// Which.
        exchange: Arc<Exchange>,
        /// The JSON of docs/signaling.md.
        plain: Vec<u8>,
    },
    /// A request to be paired, by whoever has this key.
    Pair {
        /// The viewer's.
        key: Point,
        /// To answer by.
        exchange: Arc<Exchange>,
        /// The JSON of `pair`.
        plain: Vec<u8>,
    },
}

/// What was turned away.
#[derive(Debug, PartialEq, Eq)]
pub struct Turned {
    /// Why.
    pub reason: Reason,
    /// What to publish, and on whose topic, where that helps a viewer.
    pub refusal: Option<(ViewerId, Vec<u8>)>,
}

/// A refusal, and whom and what it answers where that is known.
type Refused = (Reason, Option<(ViewerId, [u8; NONCE])>);

impl From<Reason> for Turned {
    fn from(reason: Reason) -> Self {
        Self { reason, refusal: None }
    }
}

impl Door {
    /// With new operational keys, of the generation after the one that was kept.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub fn new(
        identity: Arc<IdentityKey>,
        kept: u64,
        now: Instant,
        wall: Option<UnixSeconds>,
    ) -> Result<Self, KeyError> {
        let operational = Operational::new(&identity, next_generation(kept, wall))?;
        Self::with(identity, Arc::new(operational), 1, random()?, now)
    }

    /// With these operational keys and this challenge.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub fn with(
        identity: Arc<IdentityKey>,
        operational: Arc<Operational>,
        number: u64,
        random: [u8; NONCE],
        now: Instant,
    ) -> Result<Self, KeyError> {
        let camera = identity.camera();
        Ok(Self {
            camera,
            current: Slot::new(&camera, operational, number, random)?,
            identity,
            previous: None,
            turned: now,
            renewed: now,
            exchanges: HashMap::new(),
            sweep: 64,
            refusals: Bucket::new(REFUSALS, now),
            pairings: Bucket::new(PAIRINGS, now),
        })
    }

    /// Whose door it is.
    pub fn camera(&self) -> CameraId {
        self.camera
    }

    /// The generation of the operational keys: to be kept before the challenge is published.
    pub fn generation(&self) -> u64 {
        self.current.operational.generation()
    }

    /// The challenge, to be published: after [`Door::new`] and [`Door::rotate`], and as it is on each connection.
    pub fn challenge(&self) -> &[u8] {
        &self.current.payload
    }

    /// The newest operational keys.
    pub fn operational(&self) -> &Arc<Operational> {
        &self.current.operational
    }

    /// When [`Door::rotate`] is due.
    pub fn due(&self) -> Instant {
        self.turned + CHALLENGE_EVERY
    }

    /// Makes a new challenge; the one before it stays good until the next time. After a day with new operational keys.
    ///
    /// # Errors
    /// See [`KeyError`]; then everything is as before.
    pub fn rotate(&mut self, now: Instant, wall: Option<UnixSeconds>) -> Result<(), KeyError> {
        let renew = now.saturating_duration_since(self.renewed) >= OPERATIONAL_FOR;
        let slot = if renew {
            let operational = Operational::new(&self.identity, next_generation(self.generation(), wall))?;
            Slot::new(&self.camera, Arc::new(operational), 1, random()?)?
        } else {
            let number = self.current.number.saturating_add(1);
            Slot::new(&self.camera, self.current.operational.clone(), number, random()?)?
        };
        self.previous = Some(std::mem::replace(&mut self.current, slot));
        self.turned = now;
        if renew {
            self.renewed = now;
        }
        Ok(())
    }

    /// Opens an envelope that came on `req`; docs/sealing.md has the order of the checks.
    ///
    /// # Errors
    /// See [`Turned`].
    pub fn open(
        &mut self,
        payload: &[u8],
        roll: &Roll,
        now: Instant,
        wall: Option<UnixSeconds>,
    ) -> Result<Opened, Turned> {
        let kind = envelope::check(payload, &self.camera, &[Kind::Open, Kind::More, Kind::Pair])?;
        let opened = match kind {
            Kind::More => self.more(payload, roll, wall),
            Kind::Pair => self.pair(payload, now),
            _ => self.request(payload, roll, wall),
        };
        opened.map_err(|(reason, of)| {
            let refusal = of.filter(|_| reason.code().is_some() && self.refusals.take(now));
            let refusal = refusal.and_then(|(to, nonce)| Some((to, self.refusal(reason, &to, &nonce).ok()?)));
            Turned { reason, refusal }
        })
    }

    fn request(&mut self, payload: &[u8], roll: &Roll, wall: Option<UnixSeconds>) -> Result<Opened, Refused> {
        let viewer = ViewerId::from_bytes(part(payload, HEAD + NONCE).map_err(quietly)?);
        let nonce = part(payload, HEAD + 2 * NONCE).map_err(quietly)?;
        let told = |reason| (reason, Some((viewer, nonce)));
        let slot = self.slot(part(payload, HEAD).map_err(quietly)?).ok_or(Reason::Stale).map_err(told)?;
        let Known { key, role, .. } = *roll.judge(&viewer, wall).map_err(told)?;
        slot.seen.check(&viewer, &nonce).map_err(told)?;
        let ask = Ask { purpose: Purpose::Request, key, viewer, nonce, header: HEAD + 3 * NONCE };
        let (exchange, plain) = self.accept(payload, &ask).map_err(told)?;
        Ok(Opened::Request { from: viewer, role, exchange, plain })
    }

    fn pair(&mut self, payload: &[u8], now: Instant) -> Result<Opened, Refused> {
        let key = part::<POINT>(payload, HEAD + NONCE).map_err(quietly)?;
        let key = Point::from_bytes(&key).map_err(|_| quietly(Reason::Signature))?;
        let viewer = ViewerId::of_key(key.bytes());
        let nonce = part(payload, HEAD + NONCE + POINT).map_err(quietly)?;
        let told = |reason| (reason, Some((viewer, nonce)));
        let random = part(payload, HEAD).map_err(quietly)?;
        self.slot(random).ok_or(Reason::Stale).map_err(told)?;
        if !self.pairings.take(now) {
            return Err(told(Reason::Busy));
        }
        let slot = self.slot(random).ok_or(Reason::Stale).map_err(told)?;
        slot.seen.check(&viewer, &nonce).map_err(told)?;
        let ask = Ask { purpose: Purpose::Pair, key, viewer, nonce, header: HEAD + 2 * NONCE + POINT };
        let (exchange, plain) = self.accept(payload, &ask).map_err(told)?;
        Ok(Opened::Pair { key, exchange, plain })
    }

    fn more(&mut self, payload: &[u8], roll: &Roll, wall: Option<UnixSeconds>) -> Result<Opened, Refused> {
        let from = ViewerId::from_bytes(part(payload, HEAD).map_err(quietly)?);
        let nonce = part(payload, HEAD + NONCE).map_err(quietly)?;
        let exchange = self.exchanges.get(&(from, nonce)).and_then(Weak::upgrade);
        let exchange = exchange.ok_or(Reason::Exchange).map_err(quietly)?;
        roll.judge(&from, wall).map_err(quietly)?;
        let plain = exchange.open(payload).map_err(quietly)?;
        Ok(Opened::More { from, exchange, plain })
    }

    /// The expensive part: signature, agreement, decryption. Only here anything is remembered.
    fn accept(&mut self, payload: &[u8], ask: &Ask) -> Result<(Arc<Exchange>, Vec<u8>), Reason> {
        let Ask { purpose, key, viewer, nonce, header } = *ask;
        let (header, body, before, signature) = signed(payload, header + POINT)?;
        if !key.verify(purpose, &[before], &signature) {
            return Err(Reason::Signature);
        }
        self.make_room()?;
        let camera = self.camera;
        let slot = self.slot(part(payload, HEAD)?).ok_or(Reason::Stale)?;
        slot.seen.remember(viewer, nonce);
        let operational = slot.operational.clone();
        let ev = part::<POINT>(payload, header.len() - POINT)?;
        let ev = Point::from_bytes(&ev).map_err(|_| Reason::Sealed)?;
        let asked = Asked { camera, viewer, nonce, ev, header, body, envelope: payload };
        let ephemeral = DhKey::generate().map_err(|_| Reason::Busy)?;
        let (exchange, plain) = Exchange::accept(&asked, operational, &ephemeral)?;
        let exchange = Arc::new(exchange);
        self.exchanges.insert((viewer, nonce), Arc::downgrade(&exchange));
        Ok((exchange, plain))
    }

    fn slot(&mut self, random: [u8; NONCE]) -> Option<&mut Slot> {
        [Some(&mut self.current), self.previous.as_mut()].into_iter().flatten().find(|slot| slot.random == random)
    }

    /// Forgets the exchanges that nobody holds, now and then.
    fn make_room(&mut self) -> Result<(), Reason> {
        if self.exchanges.len() >= self.sweep {
            self.exchanges.retain(|_, exchange| exchange.strong_count() > 0);
            self.sweep = (self.exchanges.len() * 2).clamp(64, EXCHANGES);
        }
        if self.exchanges.len() < EXCHANGES { Ok(()) } else { Err(Reason::Busy) }
    }

    fn refusal(&self, reason: Reason, to: &ViewerId, nonce: &[u8; NONCE]) -> Result<Vec<u8>, KeyError> {
        let code = reason.code().unwrap_or_default();
        let head = envelope::head(Kind::Refusal, &self.camera);
        let mut payload = [&head[..], &to.bytes(), nonce, &[code, 0, 0, 0, 0, 0, 0, 0]].concat();
        let signature = self.operational().signing.sign(Purpose::Refusal, &[&payload])?;
        payload.extend_from_slice(signature.bytes());
        Ok(payload)
    }
}

/// What is asked: whose signature, for what, and how long the header is up to the ephemeral key.
struct Ask {
    purpose: Purpose,
    key: Point,
    viewer: ViewerId,
    nonce: [u8; NONCE],
    header: usize,
}

/// Tells nobody.
fn quietly(reason: Reason) -> Refused {
    (reason, None)
}

fn random() -> Result<[u8; NONCE], KeyError> {
    let mut bytes = [0; NONCE];
    getrandom::fill(&mut bytes).map_err(|_| KeyError::Random)?;
    Ok(bytes)
}

impl std::fmt::Debug for Door {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Door({}, generation {})", self.camera, self.generation())
    }
}

#[cfg(test)]
#[path = "door_tests.rs"]
mod tests;
