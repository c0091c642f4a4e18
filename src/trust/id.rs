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
    /// A camera: random, made at first start. Never a name.
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

impl ViewerId {
    /// The id that belongs to a public key.
    ///
    /// `point`: the uncompressed P-256 point, 65 bytes (SEC 1, section 2.3.3).
    pub fn of_key(point: &[u8]) -> Self {
        use sha2::Digest;
        let digest = sha2::Sha256::digest(point);
        let mut bits = [0; 16];
        bits.copy_from_slice(&digest[..16]);
        Self(write(&bits))
    }
}

fn write(bits: &[u8; 16]) -> [u8; LENGTH] {
    let mut text = [0; LENGTH];
    BASE32_NOPAD.encode_mut(bits, &mut text);
    text.make_ascii_lowercase();
    text
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
    fn only_base32_is_an_id() {
        for text in ["", "a", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxy/", "abcdefghijklmnopqrstuvwxy1"]
        {
            assert_eq!(text.parse::<ViewerId>(), Err(IdError), "{text}");
        }
    }
}
