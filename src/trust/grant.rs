//! A grant: an invitation that a viewer signs without the camera.

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Deserializer};

use super::cipher::sha256;
use super::clock::UnixSeconds;
use super::envelope::part;
use super::id::{CameraId, ViewerId};
use super::key::{KeyError, Point, Purpose, SIGNATURE, Signature, SigningKey};
use super::role::Role;
use super::secret::{Secret, SecretHash};

/// Bytes of a grant.
pub const GRANT: usize = TERMS + SIGNATURE;
const TERMS: usize = 88;
const MAGIC: &[u8; 4] = b"LUN\x01";

/// What is granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// What the guest may do: never all.
    pub role: Role,
    /// Where.
    pub camera: CameraId,
    /// Who gives it.
    pub giver: ViewerId,
    /// Of the secret beside it.
    pub secret: SecretHash,
    /// It is good until then.
    pub before: UnixSeconds,
    /// When the access ends.
    pub ends: Option<UnixSeconds>,
}

/// Signed terms, as they came: nothing but their form was looked at.
#[derive(Clone, PartialEq, Eq)]
pub struct Grant {
    terms: Terms,
    bytes: [u8; GRANT],
}

/// What is wrong with a grant.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a grant")]
pub struct GrantError;

impl Grant {
    /// Signs what `key` grants, to who shows `secret`. Nobody takes a grant of an owner's role; there is no byte for it.
    ///
    /// # Errors
    /// [`KeyError::Random`].
    pub fn sign(
        key: &SigningKey,
        camera: CameraId,
        role: Role,
        secret: &Secret,
        before: UnixSeconds,
        ends: Option<UnixSeconds>,
    ) -> Result<Self, KeyError> {
        let giver = ViewerId::of_key(key.point().bytes());
        let terms = Terms { role, camera, giver, secret: secret.hash(), before, ends };
        let written = [
            &MAGIC[..],
            &[role.code().unwrap_or_default(), 0, 0, 0],
            &camera.bytes(),
            &giver.bytes(),
            terms.secret.bytes(),
            &before.0.to_be_bytes(),
            &ends.map_or(0, |UnixSeconds(ends)| ends).to_be_bytes(),
        ]
        .concat();
        let signature = key.sign(Purpose::Grant, &[&written])?;
        let mut bytes = [0; GRANT];
        bytes[..TERMS].copy_from_slice(&written);
        bytes[TERMS..].copy_from_slice(signature.bytes());
        Ok(Self { terms, bytes })
    }

    /// Reads 152 bytes.
    ///
    /// # Errors
    /// [`GrantError`] when they are no grant, whoever signed it.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, GrantError> {
        let bytes: [u8; GRANT] = bytes.try_into().map_err(|_| GrantError)?;
        if bytes[..4] != MAGIC[..] || bytes[5..8] != [0; 3] {
            return Err(GrantError);
        }
        let take = |at| part::<16>(&bytes, at).map_err(|_| GrantError);
        let seconds = |at| part(&bytes, at).map(|b| UnixSeconds(u64::from_be_bytes(b))).map_err(|_| GrantError);
        let terms = Terms {
            role: Role::of_code(bytes[4]).ok_or(GrantError)?,
            camera: CameraId::from_bytes(take(8)?),
            giver: ViewerId::from_bytes(take(24)?),
            secret: SecretHash::from_bytes(part(&bytes, 40).map_err(|_| GrantError)?),
            before: seconds(72)?,
            ends: Some(seconds(80)?).filter(|ends| ends.0 != 0),
        };
        Ok(Self { terms, bytes })
    }

    /// Its 152 bytes.
    pub fn bytes(&self) -> &[u8; GRANT] {
        &self.bytes
    }

    /// As in links: base64url.
    pub fn text(&self) -> String {
        BASE64URL_NOPAD.encode(&self.bytes)
    }

    /// What it says.
    pub fn terms(&self) -> &Terms {
        &self.terms
    }

    /// Whether the giver signed it, `key` being the giver's.
    pub fn is_signed_by(&self, key: &Point) -> bool {
        let signature = part::<SIGNATURE>(&self.bytes, TERMS).map(Signature::from_bytes);
        signature.is_ok_and(|signature| key.verify(Purpose::Grant, &[&self.bytes[..TERMS]], &signature))
    }

    /// What it is remembered by once it was used. Not by its signature, which has a second form that verifies too.
    pub(super) fn mark(&self) -> [u8; 16] {
        let hash = sha256(&[&self.bytes[..TERMS]]);
        let mut mark = [0; 16];
        mark.copy_from_slice(&hash[..16]);
        mark
    }
}

impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.terms.fmt(f)
    }
}

impl FromStr for Grant {
    type Err = GrantError;

    fn from_str(text: &str) -> Result<Self, GrantError> {
        Self::from_bytes(&BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| GrantError)?)
    }
}

impl<'de> Deserialize<'de> for Grant {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        std::borrow::Cow::<str>::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant() -> (SigningKey, Grant) {
        let key = SigningKey::generate().expect("a key");
        let camera = CameraId::from_bytes([7; 16]);
        let secret = Secret::from_bytes([8; 16]);
        let grant = Grant::sign(&key, camera, Role::Talk, &secret, UnixSeconds(2_000_000_000), None);
        (key, grant.expect("signed"))
    }

    #[test]
    fn a_grant_is_read_as_it_was_written() {
        let (key, grant) = grant();
        assert_eq!(grant.text().parse(), Ok(grant.clone()));
        assert_eq!(Grant::from_bytes(grant.bytes()).map(|g| *g.terms()), Ok(*grant.terms()));
        assert!(grant.is_signed_by(&key.point()));
        assert!(!grant.is_signed_by(&SigningKey::generate().expect("a key").point()));
    }

    #[test]
    fn a_bit_flipped_anywhere_is_noticed() {
        let (key, grant) = grant();
        for i in 0..GRANT {
            for bit in 0..8 {
                let mut bytes = *grant.bytes();
                bytes[i] ^= 1 << bit;
                let bad = Grant::from_bytes(&bytes);
                assert!(bad.is_err() || bad.is_ok_and(|g| !g.is_signed_by(&key.point())), "byte {i}, bit {bit}");
            }
            assert_eq!(Grant::from_bytes(&grant.bytes()[..i]), Err(GrantError), "{i} bytes");
        }
    }

    #[test]
    fn an_owners_role_has_no_form() {
        let (key, _) = grant();
        let (camera, secret) = (CameraId::from_bytes([7; 16]), Secret::from_bytes([8; 16]));
        let grant = Grant::sign(&key, camera, Role::Owner, &secret, UnixSeconds(1), None).expect("signed");
        assert_eq!(Grant::from_bytes(grant.bytes()), Err(GrantError));
    }
}
