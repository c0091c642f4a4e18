//! Who a camera is in a DTLS handshake.

use std::time::{Duration, SystemTime};

use rtc::peer_connection::certificate::CertificateParams;
use webrtc::peer_connection::{RTCCertificate, crypto};

use super::{RtcError, doing};

/// What a camera's DTLS handshake proves: its long-lived P-256 key and certificate.
#[derive(Clone)]
pub struct Certificate(pub(super) RTCCertificate);

impl Certificate {
    /// Makes a key and its self-signed certificate.
    ///
    /// # Errors
    /// When the system has no random bits to give.
    pub fn generate() -> Result<Self, RtcError> {
        let provider = crypto::default_provider().map_err(doing("choosing a crypto provider"))?;
        let scheme = crypto::SignatureScheme::EcdsaP256Sha256;
        RTCCertificate::generate(provider.crypto(), scheme, CertificateParams::default())
            .map(Self::lasting)
            .map_err(doing("making the DTLS certificate"))
    }

    /// Reads what [`Certificate::to_pem`] wrote.
    ///
    /// # Errors
    /// When the text is not that.
    pub fn from_pem(pem: &str) -> Result<Self, RtcError> {
        let doing = doing("reading the DTLS certificate");
        if !has_date(pem) {
            return Err(doing("its date is missing".into()));
        }
        let provider = crypto::default_provider().map_err(|e| doing(e.to_string()))?;
        RTCCertificate::from_pem(pem, provider.crypto()).map(Self::lasting).map_err(|e| doing(e.to_string()))
    }

    /// What a browser trusts is the fingerprint; a date would only lock out a board with a wrong clock, or one whose
    /// library gives 32-bit ARM two days.
    fn lasting(mut certificate: RTCCertificate) -> Self {
        certificate.expires = SystemTime::UNIX_EPOCH + Duration::from_secs(200 * 365 * 86_400);
        Self(certificate)
    }

    /// SHA-256 over it, as it is shown in a handshake.
    ///
    /// # Errors
    /// When the library does not tell it.
    pub fn fingerprint(&self) -> Result<[u8; 32], RtcError> {
        let doing = doing("reading the DTLS certificate's fingerprint");
        let provider = crypto::default_provider().map_err(|e| doing(e.to_string()))?;
        let fingerprints = self.0.get_fingerprints(provider.crypto()).map_err(|e| doing(e.to_string()))?;
        let hex = |text: &str| data_encoding::HEXLOWER_PERMISSIVE.decode(text.replace(':', "").as_bytes()).ok();
        let sha256 = fingerprints.iter().find(|f| f.algorithm.eq_ignore_ascii_case("sha-256"));
        sha256.and_then(|f| hex(&f.value)?.try_into().ok()).ok_or_else(|| doing("there is no SHA-256".into()))
    }

    /// Key and certificate as text, to be kept secret.
    ///
    /// # Errors
    /// When the key cannot be exported.
    pub fn to_pem(&self) -> Result<String, RtcError> {
        self.0.serialize_pem().map_err(doing("writing the DTLS certificate"))
    }
}

/// Whether the text begins with the block of eight bytes or more that the library takes for granted.
fn has_date(pem: &str) -> bool {
    let block = pem.split("\n\n").next().unwrap_or_default();
    let base64: String = block.lines().filter(|line| !line.starts_with("-----")).map(str::trim).collect();
    data_encoding::BASE64.decode(base64.as_bytes()).is_ok_and(|bytes| bytes.len() >= 8)
}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Certificate(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_outlives_the_board() {
        let made = Certificate::generate().unwrap();
        let read = Certificate::from_pem(&made.to_pem().unwrap()).unwrap();
        for certificate in [made, read] {
            assert!(certificate.0.expires > SystemTime::now() + Duration::from_secs(50 * 365 * 86_400));
        }
    }

    #[test]
    fn a_truncated_file_is_an_error() {
        let pem = Certificate::generate().unwrap().to_pem().unwrap();
        for end in 0..pem.len() - 40 {
            assert!(Certificate::from_pem(&pem[..end]).is_err(), "{end} of {} bytes", pem.len());
        }
    }
}
