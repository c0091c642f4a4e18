//! The two things that are done with a shared secret: keys are derived from it, and bytes are encrypted under them.

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::digest::{Context, SHA256};
use ring::hmac;
use zeroize::Zeroizing;

use super::envelope::{Reason, SealError};
use super::key::Secret32;

/// Bytes of a tag.
pub(super) const TAG: usize = 16;

/// HKDF-SHA-256 (RFC 5869) with 32 bytes of output, which is its first block.
pub(super) fn derive(ikm: &[&[u8]], salt: &[u8], info: &[&[u8]]) -> Secret32 {
    let mac = |key: &[u8], parts: &[&[u8]]| {
        let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key));
        parts.iter().for_each(|part| context.update(part));
        let mut out = Secret32::default();
        out.copy_from_slice(context.sign().as_ref());
        out
    };
    let extracted = mac(salt, ikm);
    mac(&*extracted, &[info, &[&[1]]].concat())
}

/// SHA-256.
pub(super) fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    parts.iter().for_each(|part| context.update(part));
    let mut out = [0; 32];
    out.copy_from_slice(context.finish().as_ref());
    out
}

fn key(key: &Secret32) -> Option<LessSafeKey> {
    UnboundKey::new(&AES_256_GCM, &**key).map(LessSafeKey::new).ok()
}

/// No number is used twice under a key: whoever calls counts.
fn nonce(number: u64) -> Nonce {
    let mut bytes = [0; NONCE_LEN];
    bytes[NONCE_LEN - 8..].copy_from_slice(&number.to_be_bytes());
    Nonce::assume_unique_for_key(bytes)
}

/// Appends `plain`, encrypted, and its tag to the `header` that it is bound to.
pub(super) fn seal(under: &Secret32, number: u64, mut header: Vec<u8>, plain: &[u8]) -> Result<Vec<u8>, SealError> {
    let start = header.len();
    header.extend_from_slice(plain);
    let (aad, body) = header.split_at_mut(start);
    let sealed = key(under).and_then(|key| key.seal_in_place_separate_tag(nonce(number), Aad::from(aad), body).ok());
    header.extend_from_slice(sealed.ok_or(SealError::TooLong(plain.len()))?.as_ref());
    Ok(header)
}

/// Decrypts what [`seal`] made.
pub(super) fn open(under: &Secret32, number: u64, header: &[u8], body: &[u8]) -> Result<Vec<u8>, Reason> {
    let mut plain = Zeroizing::new(body.to_vec());
    let key = key(under).ok_or(Reason::Sealed)?;
    let n = key.open_in_place(nonce(number), Aad::from(header), &mut plain).map_err(|_| Reason::Sealed)?.len();
    plain.truncate(n);
    Ok(std::mem::take(&mut *plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 5869, appendix A.1 and A.3, the first 32 bytes.
    #[test]
    fn keys_are_derived_as_in_the_rfc() {
        let hex = |text: &str| data_encoding::HEXLOWER.decode(text.as_bytes()).expect("hex");
        let ikm = [0x0b; 22];
        let with =
            derive(&[&ikm[..10], &ikm[10..]], &hex("000102030405060708090a0b0c"), &[&hex("f0f1f2f3f4f5f6f7f8f9")]);
        assert_eq!(with[..], hex("3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf")[..]);
        let without = derive(&[&ikm], b"", &[]);
        assert_eq!(without[..], hex("8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d")[..]);
    }

    #[test]
    fn what_was_sealed_opens_under_the_same_key_number_and_header_only() {
        let (a, b) = (Secret32::new([1; 32]), Secret32::new([2; 32]));
        let sealed = seal(&a, 7, b"head".to_vec(), b"plain").expect("short");
        assert_eq!(sealed.len(), 4 + 5 + TAG);
        let (head, body) = sealed.split_at(4);
        assert_eq!(open(&a, 7, head, body).as_deref(), Ok(&b"plain"[..]));
        for (key, number, head) in [(&b, 7, head), (&a, 8, head), (&a, 7, &b"hexd"[..])] {
            assert_eq!(open(key, number, head, body), Err(Reason::Sealed));
        }
        assert_eq!(open(&a, 7, head, &body[..TAG - 1]), Err(Reason::Sealed), "less than a tag");
    }
}
