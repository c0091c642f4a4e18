//! What is kept of trust: `trust.json`, whole or as it was before; and the lock of the state folder.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::config::{give_to_owner, write_secret_file};
use crate::trust::{Roll, UnixSeconds};

/// Its name in the state folder.
pub const FILE: &str = "trust.json";
const LOCK: &str = "lock";
/// 256 viewers take 100 kB.
const MAX: u64 = 4 << 20;
const VERSION: u32 = 1;

/// Why the state folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file.
    #[error("{}: {error}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Another Lunette has it.
    #[error(
        "another Lunette uses the state folder {}; stop it, or give this one its own with --state or [state] dir",
        .0.display()
    )]
    Locked(PathBuf),
    /// The file does not hold what was written.
    #[error(
        "{} is damaged ({why}), so nobody would be known any more; restore it from a backup, or forget all viewers: lunette reset",
        path.display()
    )]
    Damaged {
        /// Which.
        path: PathBuf,
        /// How it is seen.
        why: String,
    },
}

/// What is kept.
#[derive(Debug, Default)]
pub struct Kept {
    /// The generation of the operational keys that were made last.
    pub generation: u64,
    /// When it was written; no time before it can be right.
    pub written: Option<UnixSeconds>,
    /// Who is known.
    pub roll: Roll,
}

#[derive(Serialize, Deserialize)]
struct Text {
    version: u32,
    generation: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    written: Option<UnixSeconds>,
    roll: serde_json::Value,
}

impl Kept {
    /// Reads it; what was never written is empty.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn read(folder: &Path) -> Result<Self, StoreError> {
        let path = folder.join(FILE);
        let mut text = Vec::new();
        match File::open(&path).and_then(|file| file.take(MAX).read_to_end(&mut text)) {
            Ok(_) => {}
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(StoreError::Io { path, error }),
        }
        let damaged = |why: String| StoreError::Damaged { path: path.clone(), why };
        let kept: Text = serde_json::from_slice(&text).map_err(|e| damaged(e.to_string()))?;
        if kept.version != VERSION {
            return Err(damaged(format!("its version is {}, and this Lunette reads {VERSION}", kept.version)));
        }
        let roll = Roll::from_json(kept.roll.to_string().as_bytes()).map_err(|e| damaged(e.to_string()))?;
        Ok(Self { generation: kept.generation, written: kept.written, roll })
    }
}

/// Writes it down, whole or not at all. `roll`: [`Roll::to_json`].
///
/// # Errors
/// When the folder cannot be written to.
pub fn write(folder: &Path, generation: u64, written: Option<UnixSeconds>, roll: &[u8]) -> Result<(), StoreError> {
    let path = folder.join(FILE);
    let text = || {
        let roll = serde_json::from_slice(roll)?;
        serde_json::to_string(&Text { version: VERSION, generation, written, roll })
    };
    let io = |error: io::Error| StoreError::Io { path: path.clone(), error };
    write_secret_file(&path, &(text().map_err(|e| io(e.into()))? + "\n")).map_err(io)
}

/// The right to write to a state folder, until it is dropped.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes it, if nobody else has it.
    ///
    /// # Errors
    /// When somebody has, or it cannot be had in this folder.
    pub fn take(folder: &Path) -> Result<Self, StoreError> {
        let path = folder.join(LOCK);
        let open = || OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
        let file = open().map_err(|error| StoreError::Io { path: path.clone(), error })?;
        give_to_owner(folder, &path);
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(StoreError::Locked(folder.to_owned())),
            Err(TryLockError::Error(error)) => Err(StoreError::Io { path, error }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_what_is_damaged_is_named() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Kept::read(dir.path()).unwrap().generation, 0);
        write(dir.path(), 7, Some(UnixSeconds(9)), &Roll::default().to_json()).unwrap();
        let kept = Kept::read(dir.path()).unwrap();
        assert_eq!((kept.generation, kept.written), (7, Some(UnixSeconds(9))));
        let whole = std::fs::read_to_string(dir.path().join(FILE)).unwrap();
        for damaged in [&whole[..whole.len() / 2], "", "{}", "[]", &whole.replace("\"version\":1", "\"version\":2")] {
            std::fs::write(dir.path().join(FILE), damaged).unwrap();
            let error = Kept::read(dir.path()).unwrap_err().to_string();
            assert!(error.contains(FILE) && error.contains("lunette reset"), "{damaged:?}: {error}");
        }
    }

    #[test]
    fn one_has_the_lock() {
        let dir = tempfile::tempdir().unwrap();
        let lock = Lock::take(dir.path()).unwrap();
        assert!(Lock::take(dir.path()).unwrap_err().to_string().contains("another Lunette"));
        drop(lock);
        Lock::take(dir.path()).unwrap();
    }
}
