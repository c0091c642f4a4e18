//! 128-bit names, written as 26 characters of base32 (RFC 4648, lower case, no padding).

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE32_NOPAD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Characters in an id.
pub const LENGTH: usize = 26;

/// What is wrong with an id.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("an id is {LENGTH} characters of a-z and 2-7")]
pub struct IdError;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name([u8; LENGTH]);

        impl $name {
            /// 128 random bits.
            ///
            /// # Errors
            /// When the system has no random bits to give.
            pub fn random() -> std::io::Result<Self> {
                let mut bits = [0; 16];
                getrandom::fill(&mut bits)?;
                Ok(Self(write(&bits)))
            }

            /// The id of these 128 bits, as envelopes have it.
            pub fn from_bytes(bits: [u8; 16]) -> Self {
                Self(write(&bits))
            }

            /// Its 128 bits.
            pub fn bytes(&self) -> [u8; 16] {
                bits(&self.0)
            }

            /// As text.
            pub fn as_str(&self) -> &str {
                std::str::from_utf8(&self.0).unwrap_or_default()
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                read(text).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.serialize_str(self.as_str())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<str>::deserialize(d)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

id!(
    /// A camera: the first 128 bits of SHA-256 over its identity key's point. Never a name.
    CameraId
);
id!(
    /// A viewer: the first 128 bits of SHA-256 over its public key (P-256, uncompressed point).
    ViewerId
);
id!(
    /// One attempt to watch: random, made by the viewer.
    SessionId
);
id!(
    /// One run of the daemon: random, made at its start.
    BootId
);

impl CameraId {
    /// The id that belongs to an identity key's point (65 bytes, uncompressed; SEC 1, section 2.3.3).
    pub fn of_key(point: &[u8]) -> Self {
        Self::from_bytes(of_key(point))
    }
}

impl ViewerId {
    /// The id that belongs to a viewer's public key.
    ///
    /// `point`: the uncompressed P-256 point, 65 bytes (SEC 1, section 2.3.3).
    pub fn of_key(point: &[u8]) -> Self {
        Self::from_bytes(of_key(point))
    }
}

fn of_key(point: &[u8]) -> [u8; 16] {
    use sha2::Digest;
    let digest = sha2::Sha256::digest(point);
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    bytes
}

fn write(bits: &[u8; 16]) -> [u8; LENGTH] {
    let mut text = [0; LENGTH];
    BASE32_NOPAD.encode_mut(bits, &mut text);
    text.make_ascii_lowercase();
    text
}

/// The 128 bits of 26 legal characters; the two that are too many count for nothing.
fn bits(text: &[u8; LENGTH]) -> [u8; 16] {
    let mut bits = [0; 16];
    let (mut held, mut n, mut i) = (0u16, 0, 0);
    for c in text {
        let five = match c {
            b'a'..=b'z' => c - b'a',
            _ => c.wrapping_sub(b'2').wrapping_add(26) & 31,
        };
        held = held << 5 | u16::from(five);
        n += 5;
        if n >= 8 && i < bits.len() {
            n -= 8;
            bits[i] = (held >> n) as u8;
            held &= (1 << n) - 1;
            i += 1;
        }
    }
    bits
}

fn read(text: &str) -> Result<[u8; LENGTH], IdError> {
    let bytes: [u8; LENGTH] = text.as_bytes().try_into().map_err(|_| IdError)?;
    let legal = bytes.iter().all(|c| matches!(c, b'a'..=b'z' | b'2'..=b'7'));
    if legal { Ok(bytes) } else { Err(IdError) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_lower_case_base32() {
        assert_eq!(&write(&[0; 16]), b"aaaaaaaaaaaaaaaaaaaaaaaaaa");
        assert_eq!(&write(&[0xff; 16]), b"77777777777777777777777774");
    }

    #[test]
    fn random_ids_differ_and_read_back() {
        let (a, b) = (CameraId::random().expect("random"), CameraId::random().expect("random"));
        assert_ne!(a, b);
        assert_eq!(a.as_str().parse(), Ok(a));
    }

    #[test]
    fn ids_are_their_bits() {
        for _ in 0..50 {
            let id = ViewerId::random().expect("random");
            assert_eq!(ViewerId::from_bytes(id.bytes()), id);
        }
        let counting = *b"\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\xff";
        assert_eq!(CameraId::from_bytes(counting).bytes(), counting);
        assert_eq!(CameraId::of_key(b"a key"), CameraId::from_bytes(ViewerId::of_key(b"a key").bytes()));
    }

    #[test]
    fn only_base32_is_an_id() {
        for text in ["", "a", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxy/", "abcdefghijklmnopqrstuvwxy1"]
        {
            assert_eq!(text.parse::<ViewerId>(), Err(IdError), "{text}");
        }
    }
}
