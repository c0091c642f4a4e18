//! Who this camera is, kept in the state folder: its id, and its DTLS key.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::config::write_secret_file;
use crate::trust::CameraId;
use crate::viewer::rtc::{Certificate, RtcError};

/// What is kept.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The camera's id on the broker.
    pub camera: CameraId,
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
    #[error("{path} is damaged ({why}); restore it from a backup, or remove it and viewers must be told the new link")]
    Damaged {
        /// Which.
        path: PathBuf,
        /// How it is seen.
        why: String,
    },
    /// A key could not be made.
    #[error(transparent)]
    Rtc(#[from] RtcError),
}

impl Identity {
    /// The camera's id, if it has one already; makes nothing.
    ///
    /// # Errors
    /// See [`IdentityError`].
    pub fn look(folder: &Path) -> Result<Option<CameraId>, IdentityError> {
        let text = |name: &str| {
            let path = folder.join(name);
            read(&path).map(|text| (path.clone(), text)).map_err(|source| IdentityError::Io { path, source })
        };
        if let (path, Some(text)) = text("dtls.pem")? {
            Certificate::from_pem(&text).map_err(|e| damaged(&path, &e))?;
        }
        let (path, text) = text("camera-id")?;
        text.map(|text| text.trim().parse().map_err(|e| damaged(&path, &e))).transpose()
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

        let path = folder.join("camera-id");
        let camera = match read(&path).map_err(io(&path))? {
            Some(text) => text.trim().parse().map_err(|e| damaged(&path, &e))?,
            None => {
                let id = CameraId::random().map_err(io(&path))?;
                write_secret_file(&path, &format!("{id}\n")).map_err(io(&path))?;
                id
            }
        };
        let path = folder.join("dtls.pem");
        let certificate = match read(&path).map_err(io(&path))? {
            Some(text) => Certificate::from_pem(&text).map_err(|e| damaged(&path, &e))?,
            None => {
                let certificate = Certificate::generate()?;
                write_secret_file(&path, &certificate.to_pem()?).map_err(io(&path))?;
                certificate
            }
        };
        Ok(Self { camera, certificate })
    }
}

fn damaged(path: &Path, why: &dyn std::fmt::Display) -> IdentityError {
    IdentityError::Damaged { path: path.to_owned(), why: why.to_string() }
}

fn read(path: &Path) -> io::Result<Option<String>> {
    match fs::read(path) {
        // What is not text is damaged, and is said to be so by whoever parses it.
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
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
        assert_eq!(Identity::look(&folder).expect("readable"), Some(made.camera));
        let kept = Identity::load(&folder).expect("kept");
        assert_eq!(made.camera, kept.camera);
        assert_eq!(made.certificate.to_pem().expect("pem"), kept.certificate.to_pem().expect("pem"));
        let mode = |name: &str| fs::metadata(folder.join(name)).expect("there").permissions().mode() & 0o777;
        assert_eq!((mode("dtls.pem"), mode("camera-id"), mode("")), (0o600, 0o600, 0o700));
    }

    #[test]
    fn a_damaged_file_is_named_and_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["camera-id", "dtls.pem"] {
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
