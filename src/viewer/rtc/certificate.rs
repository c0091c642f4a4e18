//! Who a camera is in a DTLS handshake.

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
            .map(Self)
            .map_err(doing("making the DTLS certificate"))
    }

    /// Reads what [`Certificate::to_pem`] wrote.
    ///
    /// # Errors
    /// When the text is not that.
    pub fn from_pem(pem: &str) -> Result<Self, RtcError> {
        let provider = crypto::default_provider().map_err(doing("choosing a crypto provider"))?;
        RTCCertificate::from_pem(pem, provider.crypto()).map(Self).map_err(doing("reading the DTLS certificate"))
    }

    /// Key and certificate as text, to be kept secret.
    ///
    /// # Errors
    /// When the key cannot be exported.
    pub fn to_pem(&self) -> Result<String, RtcError> {
        self.0.serialize_pem().map_err(doing("writing the DTLS certificate"))
    }
}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Certificate(***)")
    }
}
