//! Status: for all viewers that are known, and nobody else.

use std::fmt;

use data_encoding::BASE64URL_NOPAD;
use zeroize::Zeroizing;

use super::cipher::{self, derive, sha256};
use super::envelope::{self, Kind, SealError};
use super::id::{BootId, CameraId};
use super::key::{KeyError, Purpose, Secret32};
use super::operational::Operational;

/// Bytes of its header.
pub(super) const HEADER: usize = 64;

/// What the viewers that are known have in common.
#[derive(Clone, PartialEq, Eq)]
pub struct BroadcastKey(Secret32);

impl BroadcastKey {
    /// A new one.
    ///
    /// # Errors
    /// [`KeyError::Random`].
    pub fn generate() -> Result<Self, KeyError> {
        let mut key = Secret32::default();
        getrandom::fill(&mut *key).map_err(|_| KeyError::Random)?;
        Ok(Self(key))
    }

    /// Of these bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// From `welcome`.
    pub fn from_text(text: &str) -> Option<Self> {
        let bytes = Zeroizing::new(BASE64URL_NOPAD.decode(text.as_bytes()).ok()?);
        bytes.as_slice().try_into().ok().map(Self::from_bytes)
    }

    /// For `welcome`: base64url.
    pub fn text(&self) -> Zeroizing<String> {
        Zeroizing::new(BASE64URL_NOPAD.encode(&*self.0))
    }

    /// What names it.
    pub(super) fn mark(&self) -> [u8; 8] {
        let hash = sha256(&[&*self.0]);
        hash.first_chunk().copied().unwrap_or_default()
    }

    pub(super) fn of_boot(&self, boot: &BootId) -> Secret32 {
        derive(&[&*self.0], b"", &[b"lunette/1 broadcast key", &boot.bytes()])
    }
}

impl fmt::Debug for BroadcastKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BroadcastKey")
    }
}

/// The camera's side: numbers what it seals.
#[derive(Debug)]
pub struct Broadcast {
    camera: CameraId,
    boot: BootId,
    key: BroadcastKey,
    number: u64,
}

impl Broadcast {
    /// For this run of the daemon; one for each boot id, since the numbers begin anew.
    pub fn new(camera: CameraId, boot: BootId, key: BroadcastKey) -> Self {
        Self { camera, boot, key, number: 0 }
    }

    /// What those who may read it are told.
    pub fn key(&self) -> &BroadcastKey {
        &self.key
    }

    /// Another key, since somebody who has this one was revoked.
    pub fn renew(&mut self, key: BroadcastKey) {
        self.key = key;
    }

    /// Seals a status, signed by the newest operational keys.
    ///
    /// # Errors
    /// See [`SealError`].
    pub fn seal(&mut self, operational: &Operational, plain: &[u8]) -> Result<Vec<u8>, SealError> {
        envelope::check_plain(plain)?;
        self.number = self.number.checked_add(1).ok_or(KeyError::Random)?;
        let header = [
            &envelope::head(Kind::Broadcast, &self.camera)[..],
            &self.boot.bytes(),
            &operational.generation().to_be_bytes(),
            &self.number.to_be_bytes(),
            &self.key.mark(),
        ]
        .concat();
        let mut payload = cipher::seal(&self.key.of_boot(&self.boot), self.number, header, plain)?;
        let signature = operational.signing.sign(Purpose::Broadcast, &[&payload])?;
        payload.extend_from_slice(signature.bytes());
        Ok(payload)
    }
}
