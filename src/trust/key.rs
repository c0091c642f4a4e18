//! Keys on P-256: points that others show, and secrets of our own. Whoever keeps one keeps 32 bytes that are wiped when
//! they are dropped, and nothing of them is in `Debug`.

use std::fmt;

use data_encoding::BASE64URL_NOPAD;
use p256::elliptic_curve::point::AffineCoordinates;
use p256::elliptic_curve::sec1::ToSec1Point;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, UnparsedPublicKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use super::id::CameraId;

/// Bytes of a point: uncompressed (SEC 1, section 2.3.3).
pub const POINT: usize = 65;
/// Bytes of a signature: r ‖ s (RFC 7518, section 3.4).
pub const SIGNATURE: usize = 64;

/// 32 bytes that are wiped when they are dropped.
pub(super) type Secret32 = Zeroizing<[u8; 32]>;

/// What can be wrong with a key.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The system has no random bits to give.
    #[error("the system gives no random bits")]
    Random,
    /// Not an uncompressed point of the curve.
    #[error("not a point of P-256, uncompressed")]
    Point,
    /// Not a private key in the one form that is read.
    #[error("not an ECDSA key on P-256 in PKCS#8, with its public key, as `openssl genpkey` writes it in PEM")]
    Pkcs8,
}

/// A public key. That it is on the curve is checked where it is used.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Point([u8; POINT]);

impl Point {
    /// Reads 65 bytes that begin with 4.
    ///
    /// # Errors
    /// [`KeyError::Point`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeyError> {
        let bytes: [u8; POINT] = bytes.try_into().map_err(|_| KeyError::Point)?;
        if bytes[0] == 4 { Ok(Self(bytes)) } else { Err(KeyError::Point) }
    }

    /// Its 65 bytes.
    pub fn bytes(&self) -> &[u8; POINT] {
        &self.0
    }

    /// Whether `signature` is this key's over `label ‖ 0x00 ‖ parts`. Never so for what is not on the curve.
    pub fn verify(&self, purpose: Purpose, parts: &[&[u8]], signature: &Signature) -> bool {
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &self.0);
        key.verify(&labelled(purpose, parts), &signature.0).is_ok()
    }
}

impl fmt::Debug for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Point({})", BASE64URL_NOPAD.encode(&self.0[1..7]))
    }
}

impl Serialize for Point {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&BASE64URL_NOPAD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Point {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(d)?;
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).map_err(serde::de::Error::custom)?;
        Self::from_bytes(&bytes).map_err(serde::de::Error::custom)
    }
}

/// What a signature is for: one for another purpose is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Operational keys, by the identity key.
    Operational,
    /// A challenge, by the operational key.
    Challenge,
    /// A request that opens an exchange, by the viewer's key.
    Request,
    /// A request to be paired, by the viewer's key.
    Pair,
    /// The first response of an exchange, by the operational key.
    Response,
    /// A refusal without an exchange, by the operational key.
    Refusal,
    /// Status, by the operational key.
    Broadcast,
    /// A grant, by the key of who gives it.
    Grant,
}

impl Purpose {
    /// What stands before the signed bytes, without the zero.
    pub fn label(self) -> &'static str {
        match self {
            Self::Operational => "lunette/1 operational",
            Self::Challenge => "lunette/1 challenge",
            Self::Request => "lunette/1 request",
            Self::Pair => "lunette/1 pair",
            Self::Response => "lunette/1 response",
            Self::Refusal => "lunette/1 refusal",
            Self::Broadcast => "lunette/1 broadcast",
            Self::Grant => "lunette/1 grant",
        }
    }
}

/// `r ‖ s`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature([u8; SIGNATURE]);

impl Signature {
    /// Reads 64 bytes; whether they sign anything is for [`Point::verify`] to say.
    pub fn from_bytes(bytes: [u8; SIGNATURE]) -> Self {
        Self(bytes)
    }

    /// Its 64 bytes.
    pub fn bytes(&self) -> &[u8; SIGNATURE] {
        &self.0
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signature")
    }
}

fn labelled(purpose: Purpose, parts: &[&[u8]]) -> Vec<u8> {
    let label = purpose.label().as_bytes();
    [&[label, &[0]], parts].concat().concat()
}

/// A private key, and its point.
struct Pair {
    d: Secret32,
    point: Point,
}

impl Pair {
    fn generate() -> Result<Self, KeyError> {
        // One draw in 2^32 is not below the order of the group; some generators are broken.
        for _ in 0..8 {
            let mut d = Secret32::default();
            getrandom::fill(&mut *d).map_err(|_| KeyError::Random)?;
            if let Ok(pair) = Self::from_scalar(&d) {
                return Ok(pair);
            }
        }
        Err(KeyError::Random)
    }

    fn from_scalar(d: &[u8; 32]) -> Result<Self, KeyError> {
        let secret = p256::SecretKey::from_slice(d).map_err(|_| KeyError::Point)?;
        let point = Point::from_bytes(secret.public_key().to_sec1_point(false).as_bytes())?;
        Ok(Self { d: Zeroizing::new(*d), point })
    }
}

/// A key that signs.
pub struct SigningKey(Pair);

/// What stands before the scalar in the PKCS#8 of a key on P-256 (RFC 5208, RFC 5915), and between scalar and point.
const PKCS8: (&[u8], &[u8]) = (
    b"\x30\x81\x87\x02\x01\x00\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\
      \x04\x6d\x30\x6b\x02\x01\x01\x04\x20",
    b"\xa1\x44\x03\x42\x00",
);

impl SigningKey {
    /// A new one.
    ///
    /// # Errors
    /// [`KeyError::Random`].
    pub fn generate() -> Result<Self, KeyError> {
        Pair::generate().map(Self)
    }

    /// Of its private scalar, big-endian.
    ///
    /// # Errors
    /// [`KeyError::Point`] when it is zero or not below the order of the group.
    pub fn from_scalar(d: &[u8; 32]) -> Result<Self, KeyError> {
        Pair::from_scalar(d).map(Self)
    }

    /// Reads DER.
    ///
    /// # Errors
    /// [`KeyError::Pkcs8`], also when the public key is not that of the private one.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, KeyError> {
        let rest = der.strip_prefix(PKCS8.0).ok_or(KeyError::Pkcs8)?;
        let (d, rest) = rest.split_first_chunk::<32>().ok_or(KeyError::Pkcs8)?;
        let point = rest.strip_prefix(PKCS8.1).ok_or(KeyError::Pkcs8)?;
        let pair = Pair::from_scalar(d).map_err(|_| KeyError::Pkcs8)?;
        if pair.point.0 == point { Ok(Self(pair)) } else { Err(KeyError::Pkcs8) }
    }

    /// As DER.
    pub fn to_pkcs8(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new([PKCS8.0, &*self.0.d, PKCS8.1, &self.0.point.0].concat())
    }

    /// Its private scalar.
    pub fn scalar(&self) -> &[u8; 32] {
        &self.0.d
    }

    /// Its public half.
    pub fn point(&self) -> Point {
        self.0.point
    }

    /// Signs `label ‖ 0x00 ‖ parts`.
    ///
    /// # Errors
    /// [`KeyError::Random`].
    pub fn sign(&self, purpose: Purpose, parts: &[&[u8]]) -> Result<Signature, KeyError> {
        // ring's own copy of a key is not wiped, so it lives only while it signs.
        let random = SystemRandom::new();
        let Pair { d, point } = &self.0;
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let key = EcdsaKeyPair::from_private_key_and_public_key(algorithm, &**d, &point.0, &random);
        let signature = key.map_err(|_| KeyError::Random)?.sign(&random, &labelled(purpose, parts));
        let signature = signature.map_err(|_| KeyError::Random)?;
        signature.as_ref().try_into().map(Signature).map_err(|_| KeyError::Random)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({:?})", self.0.point)
    }
}

/// A key for key agreement.
pub struct DhKey(Pair);

impl DhKey {
    /// A new one.
    ///
    /// # Errors
    /// [`KeyError::Random`].
    pub fn generate() -> Result<Self, KeyError> {
        Pair::generate().map(Self)
    }

    /// Of its private scalar, big-endian.
    ///
    /// # Errors
    /// [`KeyError::Point`] when it is zero or not below the order of the group.
    pub fn from_scalar(d: &[u8; 32]) -> Result<Self, KeyError> {
        Pair::from_scalar(d).map(Self)
    }

    /// Its public half.
    pub fn point(&self) -> Point {
        self.0.point
    }

    /// What only this key and the owner of the other know: the x coordinate (SEC 1, section 3.3.1).
    ///
    /// # Errors
    /// [`KeyError::Point`] when `other` is not on the curve.
    pub(super) fn agree(&self, other: &Point) -> Result<Secret32, KeyError> {
        let secret = p256::SecretKey::from_slice(&*self.0.d).map_err(|_| KeyError::Point)?;
        let other = p256::PublicKey::from_sec1_bytes(&other.0).map_err(|_| KeyError::Point)?;
        let shared = Zeroizing::new((other.to_projective() * *secret.to_nonzero_scalar()).to_affine());
        let mut x = Secret32::default();
        x.copy_from_slice(&shared.x());
        Ok(x)
    }
}

impl fmt::Debug for DhKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DhKey({:?})", self.0.point)
    }
}

/// The key that makes a camera this camera. It only ever signs, so what holds it may be something that gives nothing
/// else: another holder is another variant.
#[derive(Debug)]
pub struct IdentityKey(Holder);

#[derive(Debug)]
enum Holder {
    /// In memory; read from a file, or from a credential.
    Memory(SigningKey),
}

impl IdentityKey {
    /// Held in memory.
    pub fn new(key: SigningKey) -> Self {
        Self(Holder::Memory(key))
    }

    /// Its public half.
    pub fn point(&self) -> Point {
        match &self.0 {
            Holder::Memory(key) => key.point(),
        }
    }

    /// The camera that it makes.
    pub fn camera(&self) -> CameraId {
        CameraId::of_key(self.point().bytes())
    }

    /// Signs `label ‖ 0x00 ‖ parts`.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub fn sign(&self, purpose: Purpose, parts: &[&[u8]]) -> Result<Signature, KeyError> {
        match &self.0 {
            Holder::Memory(key) => key.sign(purpose, parts),
        }
    }
}

#[cfg(test)]
#[path = "key_tests.rs"]
mod tests;
