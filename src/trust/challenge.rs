//! The challenge: what makes a request fresh where nobody's clock is trusted.

use super::envelope::{self, HEAD, Kind, NONCE, Reason, part, signed};
use super::id::CameraId;
use super::key::{KeyError, POINT, Point, Purpose, SIGNATURE, Signature};
use super::operational::{CERTIFICATE, CERTIFIED, Operational};

const NUMBER: usize = HEAD + CERTIFICATE;
const RANDOM: usize = NUMBER + 8;
const SIGNED: usize = RANDOM + NONCE;
const IDENTITY: usize = HEAD + CERTIFIED;

/// What a viewer needs of a challenge that it has verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// Whose.
    pub camera: CameraId,
    /// Of the operational keys.
    pub generation: u64,
    /// Within the generation.
    pub number: u64,
    /// The challenge itself.
    pub random: [u8; NONCE],
    /// What verifies the camera's signatures.
    pub signing: Point,
    /// What requests are encrypted to.
    pub dh: Point,
    /// The camera's identity key: for its words.
    pub identity: Point,
}

/// Makes the envelope.
pub(super) fn encode(
    camera: &CameraId,
    operational: &Operational,
    number: u64,
    random: &[u8; NONCE],
) -> Result<Vec<u8>, KeyError> {
    let head = envelope::head(Kind::Challenge, camera);
    let mut payload = [&head[..], &operational.certificate, &number.to_be_bytes(), random].concat();
    let signature = operational.signing.sign(Purpose::Challenge, &[&payload])?;
    payload.extend_from_slice(signature.bytes());
    Ok(payload)
}

/// The camera that a viewer means, and how far it has come with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pinned {
    /// From the link.
    pub camera: CameraId,
    /// The highest generation that was seen. Kept beside the viewer's key.
    pub generation: u64,
    /// The highest number that was seen in it.
    pub number: u64,
}

impl Pinned {
    /// A camera that was never met.
    pub fn new(camera: CameraId) -> Self {
        Self { camera, generation: 0, number: 0 }
    }

    /// Takes a challenge, if it is this camera's and not one of before.
    ///
    /// # Errors
    /// `length`, `version`, `suite`, `kind`, `camera` (another identity key too), `signature`, `stale`.
    pub fn take(&mut self, payload: &[u8]) -> Result<Challenge, Reason> {
        envelope::check(payload, &self.camera, &[Kind::Challenge])?;
        let point = |at| Point::from_bytes(&part::<POINT>(payload, at)?).map_err(|_| Reason::Signature);
        let number = |at| part(payload, at).map(u64::from_be_bytes);
        let (signing, dh) = (point(HEAD + 8)?, point(HEAD + 8 + POINT)?);
        let identity = Point::from_bytes(&part::<POINT>(payload, IDENTITY)?).map_err(|_| Reason::Camera)?;
        if CameraId::of_key(identity.bytes()) != CameraId::from_bytes(self.camera.bytes()) {
            return Err(Reason::Camera);
        }
        let certified: [u8; CERTIFIED] = part(payload, HEAD)?;
        let certificate = Signature::from_bytes(part::<SIGNATURE>(payload, IDENTITY + POINT)?);
        if !identity.verify(Purpose::Operational, &[&self.camera.bytes(), &certified], &certificate) {
            return Err(Reason::Signature);
        }
        let (_, _, before, signature) = signed(payload, SIGNED)?;
        if !signing.verify(Purpose::Challenge, &[before], &signature) {
            return Err(Reason::Signature);
        }
        let (generation, number) = (number(HEAD)?, number(NUMBER)?);
        if (generation, number) < (self.generation, self.number) {
            return Err(Reason::Stale);
        }
        (self.generation, self.number) = (generation, number);
        Ok(Challenge { camera: self.camera, generation, number, random: part(payload, RANDOM)?, signing, dh, identity })
    }
}
