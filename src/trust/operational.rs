//! The keys that a camera works with, certified by the one that it is known by.

use super::clock::UnixSeconds;
use super::key::{DhKey, IdentityKey, KeyError, POINT, Point, Purpose, SIGNATURE, SigningKey};

/// Bytes of a certificate: generation, both points, identity key, signature.
pub(super) const CERTIFICATE: usize = 8 + 3 * POINT + SIGNATURE;
/// Of those, the ones that are signed.
pub(super) const CERTIFIED: usize = 8 + 2 * POINT;

/// One generation of operational keys.
#[derive(Debug)]
pub struct Operational {
    generation: u64,
    pub(super) signing: SigningKey,
    pub(super) dh: DhKey,
    pub(super) certificate: Vec<u8>,
}

/// The generation after `kept`: the time where it is known, and in any case a higher number.
pub fn next_generation(kept: u64, wall: Option<UnixSeconds>) -> u64 {
    kept.saturating_add(1).max(wall.map_or(0, |UnixSeconds(now)| now))
}

impl Operational {
    /// New keys.
    ///
    /// # Errors
    /// [`KeyError::Random`], or what the holder of the identity key says.
    pub fn new(identity: &IdentityKey, generation: u64) -> Result<Self, KeyError> {
        Self::certify(identity, generation, SigningKey::generate()?, DhKey::generate()?)
    }

    /// Certifies these keys.
    ///
    /// # Errors
    /// What the holder of the identity key says.
    pub fn certify(identity: &IdentityKey, generation: u64, signing: SigningKey, dh: DhKey) -> Result<Self, KeyError> {
        let certified = [&generation.to_be_bytes()[..], signing.point().bytes(), dh.point().bytes()].concat();
        let signature = identity.sign(Purpose::Operational, &[&identity.camera().bytes(), &certified])?;
        let certificate = [&certified[..], identity.point().bytes(), signature.bytes()].concat();
        Ok(Self { generation, signing, dh, certificate })
    }

    /// Which generation this is.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// What verifies what it signs.
    pub fn point(&self) -> Point {
        self.signing.point()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generation_is_the_time_and_never_goes_back() {
        assert_eq!(next_generation(0, None), 1);
        assert_eq!(next_generation(7, Some(UnixSeconds(1000))), 1000);
        assert_eq!(next_generation(5000, Some(UnixSeconds(1000))), 5001, "a clock that was set back");
        assert_eq!(next_generation(u64::MAX, None), u64::MAX);
    }
}
