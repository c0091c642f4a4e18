//! The secret in a link: who shows it may come in.

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Deserializer};
use zeroize::{Zeroize, Zeroizing};

use super::cipher::sha256;
use super::key::KeyError;

/// Bytes of a secret.
pub const SECRET: usize = 16;

/// 128 random bits.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<[u8; SECRET]>);

/// What is wrong with a secret.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a secret is 22 characters of base64url")]
pub struct SecretError;

impl Secret {
    /// A new one.
    ///
    /// # Errors
    /// [`KeyError::Random`].
    pub fn random() -> Result<Self, KeyError> {
        let mut bytes = Zeroizing::new([0; SECRET]);
        getrandom::fill(&mut *bytes).map_err(|_| KeyError::Random)?;
        Ok(Self(bytes))
    }

    /// Of these bytes.
    pub fn from_bytes(bytes: [u8; SECRET]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// As in links.
    pub fn text(&self) -> Zeroizing<String> {
        Zeroizing::new(BASE64URL_NOPAD.encode(&*self.0))
    }

    /// What is kept of it: SHA-256.
    pub fn hash(&self) -> SecretHash {
        SecretHash(sha256(&[&*self.0]))
    }
}

impl FromStr for Secret {
    type Err = SecretError;

    fn from_str(text: &str) -> Result<Self, SecretError> {
        let bytes = Zeroizing::new(BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| SecretError)?);
        bytes.as_slice().try_into().map(Self::from_bytes).map_err(|_| SecretError)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let mut text = std::borrow::Cow::<str>::deserialize(d)?;
        let secret = text.parse().map_err(serde::de::Error::custom);
        if let std::borrow::Cow::Owned(text) = &mut text {
            text.zeroize();
        }
        secret
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// SHA-256 over a secret: enough to recognise it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SecretHash([u8; 32]);

impl SecretHash {
    /// As a grant has it.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its 32 bytes.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whether it is of that secret. Hashes are compared, so the time that it takes tells nothing of either.
    pub fn is_of(&self, secret: &Secret) -> bool {
        *self == secret.hash()
    }
}

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHash")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_read_as_it_was_written_and_never_shown() {
        let secret = Secret::random().expect("random");
        assert_eq!(secret.text().len(), 22);
        assert_eq!(secret.text().parse(), Ok(secret.clone()));
        assert_eq!(serde_json::from_str::<Secret>(&format!("\"{}\"", &*secret.text())).ok(), Some(secret.clone()));
        assert!(secret.hash().is_of(&secret) && !secret.hash().is_of(&Secret::from_bytes([0; 16])));
        assert_eq!(format!("{secret:?} {:?}", secret.hash()), "Secret SecretHash");
    }

    #[test]
    fn another_length_or_alphabet_is_no_secret() {
        for text in ["", "AAAA", "AAAAAAAAAAAAAAAAAAAAAA==", "AAAAAAAAAAAAAAAAAAAAA+", "AAAAAAAAAAAAAAAAAAAAAB"] {
            assert_eq!(text.parse::<Secret>(), Err(SecretError), "{text}");
        }
    }
}
