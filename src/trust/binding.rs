//! What ties a data channel to the exchange that it was made by: each side shows which certificates it sees.

use std::fmt;

use data_encoding::BASE64URL_NOPAD;
use ring::hmac;

use super::key::Secret32;

/// SHA-256 over a DTLS certificate.
pub type Fingerprint = [u8; 32];

/// Who says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The one who asked.
    Viewer,
    /// The one who has the pictures.
    Camera,
}

/// The key of an exchange for its data channel.
#[derive(Clone)]
pub struct Binding(Secret32);

impl Binding {
    pub(super) fn new(key: Secret32) -> Self {
        Self(key)
    }

    /// What that side says on the data channel: base64url of 32 bytes.
    pub fn mac(&self, side: Side, viewer: &Fingerprint, camera: &Fingerprint) -> String {
        BASE64URL_NOPAD.encode(hmac::sign(&self.key(), &bound(side, viewer, camera)).as_ref())
    }

    /// Whether that is what the other side had to say.
    pub fn check(&self, side: Side, viewer: &Fingerprint, camera: &Fingerprint, mac: &str) -> bool {
        let mac = BASE64URL_NOPAD.decode(mac.as_bytes()).unwrap_or_default();
        hmac::verify(&self.key(), &bound(side, viewer, camera), &mac).is_ok()
    }

    fn key(&self) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, &*self.0)
    }
}

impl fmt::Debug for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Binding")
    }
}

fn bound(side: Side, viewer: &Fingerprint, camera: &Fingerprint) -> Vec<u8> {
    let label: &[u8] = match side {
        Side::Viewer => b"lunette/1 viewer\0",
        Side::Camera => b"lunette/1 camera\0",
    };
    [label, viewer, camera].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_key_side_or_certificate_says_something_else() {
        let (a, b) = (Binding::new(Secret32::new([1; 32])), Binding::new(Secret32::new([2; 32])));
        let (viewer, camera, swapped) = ([3; 32], [4; 32], [5; 32]);
        let mac = a.mac(Side::Viewer, &viewer, &camera);
        assert!(a.check(Side::Viewer, &viewer, &camera, &mac));
        assert!(!b.check(Side::Viewer, &viewer, &camera, &mac), "another exchange");
        assert!(!a.check(Side::Camera, &viewer, &camera, &mac), "sent back");
        assert!(!a.check(Side::Viewer, &swapped, &camera, &mac), "another viewer's certificate");
        assert!(!a.check(Side::Viewer, &viewer, &swapped, &mac), "another camera's certificate");
        for junk in ["", "====", &mac[1..], &format!("{mac}A")] {
            assert!(!a.check(Side::Viewer, &viewer, &camera, junk), "{junk}");
        }
    }
}
