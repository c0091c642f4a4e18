//! Passwords and keys, which stand in files of their own.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// A password. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a text as a secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The secret itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Why there is no password.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file could not be read.
    #[error("cannot read the password file {}: {error}; it must be readable for the user that runs Lunette", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The first line is empty.
    #[error("the password file {} has no password in its first line", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// No line of a legal length.
    #[error("the first line of the password file {} has more than {MAX} bytes", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
    },
}

/// The longest password.
const MAX: usize = 1024;

/// Reads the password in a file's first line. A relative path is looked up among the unit's systemd credentials
/// (`$CREDENTIALS_DIRECTORY`) first.
///
/// # Errors
/// With the file's name.
pub fn read_secret_file(path: &Path) -> Result<Secret, SecretError> {
    let path = resolve(path);
    let mut bytes = Vec::new();
    // One more than a password and its line break can have.
    let read = File::open(&path).and_then(|f| f.take(MAX as u64 + 3).read_to_end(&mut bytes));
    let first = bytes.split(|b| *b == b'\n').next().unwrap_or_default();
    let text = match read.and_then(|_| String::from_utf8(first.to_vec()).map_err(io::Error::other)) {
        Ok(text) => text,
        Err(error) => return Err(SecretError::Read { path, error }),
    };
    match text.trim_end_matches('\r') {
        "" => Err(SecretError::Empty { path }),
        line if line.len() > MAX => Err(SecretError::TooLong { path }),
        line => Ok(Secret::new(line)),
    }
}

/// Writes a file for this user only, so that a power cut leaves all of it or what was there before.
///
/// # Errors
/// When the folder cannot be written to.
pub fn write_secret_file(path: &Path, text: &str) -> io::Result<()> {
    let fresh = path.with_extension("new");
    match fs::remove_file(&fresh) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
    if let Some(folder) = path.parent() {
        give_to_owner(folder, &fresh);
    }
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&fresh, path)
}

/// Gives a file to whom its folder belongs: root may have made it in the place of the user that the daemon runs as.
pub fn give_to_owner(folder: &Path, file: &Path) {
    let (Ok(folder), Ok(made)) = (fs::metadata(folder), fs::metadata(file)) else { return };
    if folder.uid() != made.uid() {
        // Only root may; for others it is as it was.
        let _ = std::os::unix::fs::chown(file, Some(folder.uid()), Some(folder.gid()));
    }
}

/// The file that a path in the config means.
pub fn resolve(path: &Path) -> PathBuf {
    resolve_in(path, std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from))
}

fn resolve_in(path: &Path, credentials: Option<PathBuf>) -> PathBuf {
    let credential = credentials.filter(|_| path.is_relative()).map(|c| c.join(path)).filter(|p| p.exists());
    credential.unwrap_or_else(|| path.to_owned())
}

/// Whether it may be a credential of a unit that this process is not: `lunette check` in a shell.
pub(super) fn is_unseen_credential(path: &Path) -> bool {
    path.is_relative() && std::env::var_os("CREDENTIALS_DIRECTORY").is_none() && !path.exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_is_the_password() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("password");
        for (content, password) in
            [("geheim", Some("geheim")), ("a b \n", Some("a b ")), ("x\r\ny", Some("x")), ("", None), ("\nx", None)]
        {
            std::fs::write(&path, content).unwrap();
            assert_eq!(read_secret_file(&path).ok().as_ref().map(Secret::expose), password, "{content:?}");
        }
        std::fs::write(&path, "x".repeat(MAX)).unwrap();
        assert!(read_secret_file(&path).is_ok());
        std::fs::write(&path, "x".repeat(MAX + 1)).unwrap();
        assert!(matches!(read_secret_file(&path), Err(SecretError::TooLong { .. })));
        std::fs::write(&path, b"\xff\n").unwrap();
        assert!(matches!(read_secret_file(&path), Err(SecretError::Read { .. })));
        assert!(read_secret_file(&dir.path().join("absent")).unwrap_err().to_string().contains("absent"));
    }

    #[test]
    fn a_secret_is_not_shown() {
        assert_eq!(format!("{:?}", Secret::new("geheim")), "***");
    }

    #[test]
    fn relative_paths_are_credentials_first() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("there"), "x").unwrap();
        let credentials = || Some(dir.path().to_owned());
        assert_eq!(resolve_in(Path::new("there"), credentials()), dir.path().join("there"));
        assert_eq!(resolve_in(Path::new("elsewhere"), credentials()), Path::new("elsewhere"));
        assert_eq!(resolve_in(Path::new("/there"), credentials()), Path::new("/there"));
        assert_eq!(resolve_in(Path::new("there"), None), Path::new("there"));
    }
}
