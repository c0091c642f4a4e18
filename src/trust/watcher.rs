//! The viewer's half: what a page does, in Rust, for tests, benches and whoever writes another viewer.

use super::binding::Binding;
use super::broadcast::{self, BroadcastKey};
use super::challenge::Challenge;
use super::cipher::{self, TAG, sha256};
use super::envelope::{self, HEAD, Kind, NONCE, Reason, SealError, part, signed};
use super::exchange::{Keys, numbered, open_numbered, request_key};
use super::id::{BootId, CameraId, ViewerId};
use super::key::{DhKey, KeyError, POINT, Point, Purpose, Secret32, SigningKey};

/// A viewer with its key.
#[derive(Debug)]
pub struct Asker {
    key: SigningKey,
}

impl Asker {
    /// The viewer that has this key.
    pub fn new(key: SigningKey) -> Self {
        Self { key }
    }

    /// Its id.
    pub fn id(&self) -> ViewerId {
        ViewerId::of_key(self.key.point().bytes())
    }

    /// Its key: to sign grants.
    pub fn key(&self) -> &SigningKey {
        &self.key
    }

    /// Seals a request that opens an exchange.
    ///
    /// # Errors
    /// See [`SealError`].
    pub fn open(&self, challenge: &Challenge, plain: &[u8]) -> Result<(Vec<u8>, Asked), SealError> {
        self.ask(Kind::Open, challenge, random()?, DhKey::generate()?, plain)
    }

    /// Seals a request to be paired.
    ///
    /// # Errors
    /// See [`SealError`].
    pub fn pair(&self, challenge: &Challenge, plain: &[u8]) -> Result<(Vec<u8>, Asked), SealError> {
        self.ask(Kind::Pair, challenge, random()?, DhKey::generate()?, plain)
    }

    /// Seals a request of a kind, [`Kind::Open`] or [`Kind::Pair`], with this nonce and ephemeral key.
    ///
    /// # Errors
    /// See [`SealError`].
    pub fn ask(
        &self,
        kind: Kind,
        challenge: &Challenge,
        nonce: [u8; NONCE],
        ephemeral: DhKey,
        plain: &[u8],
    ) -> Result<(Vec<u8>, Asked), SealError> {
        envelope::check_plain(plain)?;
        let head = envelope::head(kind, &challenge.camera);
        let (point, viewer) = (self.key.point(), self.id());
        let (who, purpose): (&[u8], _) = match kind {
            Kind::Pair => (point.bytes(), Purpose::Pair),
            _ => (&viewer.bytes(), Purpose::Request),
        };
        let header = [&head[..], &challenge.random, who, &nonce, ephemeral.point().bytes()].concat();
        let z1 = ephemeral.agree(&challenge.dh)?;
        let request = request_key(&z1, &header, &challenge.dh);
        let mut payload = cipher::seal(&request, 0, header, plain)?;
        let signature = self.key.sign(purpose, &[&payload])?;
        payload.extend_from_slice(signature.bytes());
        let asked = Asked::of(challenge, viewer, nonce, ephemeral, &payload)?;
        Ok((payload, asked))
    }
}

/// An exchange, from the viewer's side.
pub struct Asked {
    challenge: Challenge,
    viewer: ViewerId,
    nonce: [u8; NONCE],
    ephemeral: DhKey,
    z1: Secret32,
    t: [u8; 32],
    request: Secret32,
    sent: u64,
    heard: u64,
    keys: Option<Keys>,
}

/// What the camera said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// The JSON of docs/signaling.md.
    Message(Vec<u8>),
    /// The request was refused.
    Refused(Reason),
}

impl Asked {
    /// The exchange that `envelope` opens, which was sealed with this nonce and ephemeral key.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub fn of(
        challenge: &Challenge,
        viewer: ViewerId,
        nonce: [u8; NONCE],
        ephemeral: DhKey,
        envelope: &[u8],
    ) -> Result<Self, KeyError> {
        let z1 = ephemeral.agree(&challenge.dh)?;
        let before =
            if envelope.get(4) == Some(&Kind::Pair.code()) { HEAD + 2 * NONCE + POINT } else { HEAD + 3 * NONCE };
        let request = request_key(&z1, envelope.get(..before + POINT).unwrap_or_default(), &challenge.dh);
        let (challenge, t) = (challenge.clone(), sha256(&[envelope]));
        Ok(Self { challenge, viewer, nonce, ephemeral, z1, t, request, sent: 0, heard: 0, keys: None })
    }

    /// What names the exchange.
    pub fn nonce(&self) -> [u8; NONCE] {
        self.nonce
    }

    /// What the data channel is bound to it by, once the camera has answered.
    pub fn binding(&self) -> Option<&Binding> {
        self.keys.as_ref().map(|keys| &keys.binding)
    }

    /// Seals another message.
    ///
    /// # Errors
    /// See [`SealError`].
    pub fn more(&mut self, plain: &[u8]) -> Result<Vec<u8>, SealError> {
        envelope::check_plain(plain)?;
        self.sent = self.sent.checked_add(1).ok_or(KeyError::Random)?;
        let key = (&self.request, self.sent);
        numbered(Kind::More, &self.challenge.camera, &self.viewer, &self.nonce, key, plain)
    }

    /// Takes what came on `res/<viewer>`. `newest` is the newest challenge, whose keys sign refusals.
    ///
    /// # Errors
    /// `length`, `version`, `suite`, `kind`, `camera`, `exchange` (a second answer too), `replay`, `signature`, `sealed`.
    pub fn hear(&mut self, payload: &[u8], newest: &Challenge) -> Result<Heard, Reason> {
        let kind = envelope::check(payload, &self.challenge.camera, &[Kind::First, Kind::Next, Kind::Refusal])?;
        if (part(payload, HEAD)?, part(payload, HEAD + NONCE)?) != (self.viewer.bytes(), self.nonce) {
            return Err(Reason::Exchange);
        }
        match kind {
            Kind::Refusal => self.refused(payload, newest),
            Kind::Next => {
                let keys = self.keys.as_ref().ok_or(Reason::Exchange)?;
                open_numbered(&keys.response, &mut self.heard, payload).map(Heard::Message)
            }
            _ => self.first(payload).map(Heard::Message),
        }
    }

    fn first(&mut self, payload: &[u8]) -> Result<Vec<u8>, Reason> {
        if self.keys.is_some() {
            return Err(Reason::Exchange);
        }
        let (header, body, before, signature) = signed(payload, HEAD + 2 * NONCE + POINT)?;
        if !self.challenge.signing.verify(Purpose::Response, &[&self.t, before], &signature) {
            return Err(Reason::Signature);
        }
        let ec = Point::from_bytes(&part::<POINT>(payload, HEAD + 2 * NONCE)?).map_err(|_| Reason::Sealed)?;
        let z2 = self.ephemeral.agree(&ec).map_err(|_| Reason::Sealed)?;
        let keys = Keys::derive(&self.z1, &z2, &self.t, header);
        let plain = cipher::open(&keys.response, 0, header, body)?;
        self.keys = Some(keys);
        Ok(plain)
    }

    fn refused(&self, payload: &[u8], newest: &Challenge) -> Result<Heard, Reason> {
        let (_, _, before, signature) = signed(payload, HEAD + 2 * NONCE + 8)?;
        let [code, zeros @ ..] = part::<8>(payload, HEAD + 2 * NONCE)?;
        if zeros != [0; 7] {
            return Err(Reason::Version);
        }
        if !newest.signing.verify(Purpose::Refusal, &[before], &signature) {
            return Err(Reason::Signature);
        }
        Reason::of_code(code).map(Heard::Refused).ok_or(Reason::Version)
    }
}

impl std::fmt::Debug for Asked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Asked({})", self.viewer)
    }
}

/// The exchange that something on `res/<viewer>` says it is of.
pub fn nonce_of(payload: &[u8]) -> Option<[u8; NONCE]> {
    part(payload, HEAD + NONCE).ok()
}

/// Who listens to status.
#[derive(Debug)]
pub struct Listener {
    camera: CameraId,
    last: Option<(BootId, u64)>,
}

impl Listener {
    /// To the status of this camera.
    pub fn new(camera: CameraId) -> Self {
        Self { camera, last: None }
    }

    /// Takes what came on `status`, verified by the newest challenge. A retained one comes again on each subscription:
    /// the same number is taken, a lower one is not.
    ///
    /// # Errors
    /// `length`, `version`, `suite`, `kind`, `camera`, `stale` (another generation of keys), `signature`, `replay`, and
    /// `sealed`, which says that another key is wanted.
    pub fn hear(&mut self, payload: &[u8], newest: &Challenge, key: &BroadcastKey) -> Result<Vec<u8>, Reason> {
        envelope::check(payload, &self.camera, &[Kind::Broadcast])?;
        let number = |at| part(payload, at).map(u64::from_be_bytes);
        let boot = BootId::from_bytes(part(payload, HEAD)?);
        let (generation, number) = (number(HEAD + NONCE)?, number(HEAD + NONCE + 8)?);
        if generation != newest.generation {
            return Err(Reason::Stale);
        }
        let (header, body, before, signature) = signed(payload, broadcast::HEADER)?;
        if !newest.signing.verify(Purpose::Broadcast, &[before], &signature) {
            return Err(Reason::Signature);
        }
        if self.last.is_some_and(|(last, n)| last == boot && number < n) {
            return Err(Reason::Replay);
        }
        if part(payload, HEAD + NONCE + 16)? != key.mark() || body.len() < TAG {
            return Err(Reason::Sealed);
        }
        let plain = cipher::open(&key.of_boot(&boot), number, header, body)?;
        self.last = Some((boot, number));
        Ok(plain)
    }
}

fn random() -> Result<[u8; NONCE], KeyError> {
    let mut bytes = [0; NONCE];
    getrandom::fill(&mut bytes).map_err(|_| KeyError::Random)?;
    Ok(bytes)
}
