//! Who this camera is, kept in the state folder: the key that its id is made of, and its DTLS key.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use data_encoding::BASE64;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject;
use tracing::info;
use zeroize::Zeroizing;

use crate::config::write_secret_file;
use crate::trust::{CameraId, IdentityKey, KeyError, SigningKey};
use crate::viewer::rtc::{Certificate, RtcError};

/// The identity key's file in the state folder: PKCS#8 in PEM (RFC 7468), as `openssl genpkey` writes it.
pub const FILE: &str = "identity.pem";
/// The systemd credential that takes its place (systemd.exec(5), `LoadCredential=`).
pub const CREDENTIAL: &str = "lunette-identity";
/// What older versions had; nothing reads it any more.
const OLD: &str = "camera-id";

/// What is kept.
#[derive(Clone, Debug)]
pub struct Identity {
    /// What makes a camera this camera: its id on the broker is this key's.
    pub key: Arc<IdentityKey>,
    /// What its DTLS handshakes prove.
    pub certificate: Certificate,
}

/// Why the identity could not be read or made.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The folder or a file in it.
    #[error("{path}: {source}; choose another folder with --state or [state] dir")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file does not hold what was written.
    #[error(
        "{path} is damaged ({why}); restore it from a backup, or remove it, and everybody must be paired again by a new link"
    )]
    Damaged {
        /// Which.
        path: PathBuf,
        /// How it is seen.
        why: String,
    },
    /// A key could not be made.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The DTLS key could not be made.
    #[error(transparent)]
    Rtc(#[from] RtcError),
}

impl Identity {
    /// The camera's id, if it has one already; makes nothing.
    ///
    /// # Errors
    /// See [`IdentityError`].
    pub fn look(folder: &Path) -> Result<Option<CameraId>, IdentityError> {
        let path = folder.join("dtls.pem");
        if let Some(text) = read(&path)? {
            Certificate::from_pem(&text).map_err(|e| damaged(&path, &e))?;
        }
        let path = Self::place(folder);
        read(&path)?.map(|text| key(&path, &text).map(|key| key.camera())).transpose()
    }

    /// Reads the identity, making at first start what is not there yet.
    ///
    /// # Errors
    /// See [`IdentityError`].
    pub fn load(folder: &Path) -> Result<Self, IdentityError> {
        let io = |path: &Path| {
            let path = path.to_owned();
            move |source| IdentityError::Io { path, source }
        };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(io(folder))?;
        if folder.join(OLD).exists() {
            info!("{OLD} in the state folder is of an older version and not read; the camera's id is its key's now");
        }

        let path = Self::place(folder);
        let identity = match read(&path)? {
            Some(text) => key(&path, &text)?,
            None => {
                let made = SigningKey::generate()?;
                write_secret_file(&path, &pem(&made)).map_err(io(&path))?;
                IdentityKey::new(made)
            }
        };
        let path = folder.join("dtls.pem");
        let certificate = match read(&path)? {
            Some(text) => Certificate::from_pem(&text).map_err(|e| damaged(&path, &e))?,
            None => {
                let certificate = Certificate::generate()?;
                write_secret_file(&path, &certificate.to_pem()?).map_err(io(&path))?;
                certificate
            }
        };
        Ok(Self { key: Arc::new(identity), certificate })
    }

    /// Where the key is: the credential, where there is one.
    pub fn place(folder: &Path) -> PathBuf {
        let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
        let credential = credentials.map(|folder| folder.join(CREDENTIAL)).filter(|path| path.exists());
        credential.unwrap_or_else(|| folder.join(FILE))
    }
}

fn key(path: &Path, text: &str) -> Result<IdentityKey, IdentityError> {
    let der = PrivatePkcs8KeyDer::from_pem_slice(text.as_bytes()).map_err(|e| damaged(path, &e))?;
    let der = Zeroizing::new(der.secret_pkcs8_der().to_vec());
    SigningKey::from_pkcs8(&der).map(IdentityKey::new).map_err(|e| damaged(path, &e))
}

fn pem(key: &SigningKey) -> Zeroizing<String> {
    let base64 = Zeroizing::new(BASE64.encode(&key.to_pkcs8()));
    let mut text = Zeroizing::new(String::with_capacity(512));
    text.push_str("-----BEGIN PRIVATE KEY-----\n");
    for line in base64.as_bytes().chunks(64) {
        text.push_str(std::str::from_utf8(line).unwrap_or_default());
        text.push('\n');
    }
    text.push_str("-----END PRIVATE KEY-----\n");
    text
}

fn damaged(path: &Path, why: &dyn std::fmt::Display) -> IdentityError {
    IdentityError::Damaged { path: path.to_owned(), why: why.to_string() }
}

fn read(path: &Path) -> Result<Option<Zeroizing<String>>, IdentityError> {
    match fs::read(path).map(Zeroizing::new) {
        // What is not text is damaged, and is said to be so by whoever parses it.
        Ok(bytes) => Ok(Some(Zeroizing::new(String::from_utf8_lossy(&bytes).into_owned()))),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(IdentityError::Io { path: path.to_owned(), source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn an_identity_is_made_once_and_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let folder = folder.path().join("lunette");
        assert_eq!(Identity::look(&folder).expect("nothing yet"), None);
        assert!(!folder.exists(), "looking makes nothing");
        let made = Identity::load(&folder).expect("made");
        assert_eq!(Identity::look(&folder).expect("readable"), Some(made.key.camera()));
        let kept = Identity::load(&folder).expect("kept");
        assert_eq!(made.key.camera(), kept.key.camera());
        assert_eq!(made.certificate.to_pem().expect("pem"), kept.certificate.to_pem().expect("pem"));
        let mode = |name: &str| fs::metadata(folder.join(name)).expect("there").permissions().mode() & 0o777;
        assert_eq!((mode("dtls.pem"), mode(FILE), mode("")), (0o600, 0o600, 0o700));
    }

    #[test]
    fn a_damaged_file_is_named_and_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in [FILE, "dtls.pem"] {
            fs::write(folder.path().join(name), b"\xffnonsense").expect("written");
            let looked = Identity::look(folder.path()).expect_err("damaged").to_string();
            let error = Identity::load(folder.path()).expect_err("damaged").to_string();
            assert_eq!(looked, error);
            assert!(error.contains(name) && error.contains("remove it"), "{error}");
            assert_eq!(fs::read(folder.path().join(name)).expect("still there"), b"\xffnonsense");
            fs::remove_file(folder.path().join(name)).expect("removed");
        }
    }
}
