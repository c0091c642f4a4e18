//! The folder that outlives the process.

use std::ffi::OsString;
use std::fs::{DirBuilder, Metadata};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::PathBuf;

use super::State;

/// Why there is no state folder.
#[derive(Debug, thiserror::Error)]
pub enum StateDirError {
    /// Nothing says where.
    #[error(
        "no place for the state folder, since neither $HOME nor $XDG_STATE_HOME is set: give --state DIR, or `[state] dir`"
    )]
    Nowhere,
    /// It cannot be made.
    #[error("cannot make the state folder {}: {error}; another can be given with --state DIR, or `[state] dir`", path.display())]
    Make {
        /// The folder.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

impl State {
    /// The folder, which is made (for this user only) when it is absent: `[state] dir`, else systemd's
    /// `$STATE_DIRECTORY`, else `/var/lib/lunette` for root, else `$XDG_STATE_HOME/lunette` or
    /// `~/.local/state/lunette`.
    ///
    /// # Errors
    /// When there is no place for it, or it cannot be made.
    pub fn open(&self) -> Result<PathBuf, StateDirError> {
        let path = self.path()?;
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&path);
        made.map_err(|error| StateDirError::Make { path: path.clone(), error })?;
        Ok(path)
    }

    /// The folder, which may not exist yet.
    ///
    /// # Errors
    /// When there is no place for it.
    pub fn path(&self) -> Result<PathBuf, StateDirError> {
        self.path_in(|name| std::env::var_os(name), is_root())
    }

    fn path_in(&self, variable: impl Fn(&str) -> Option<OsString>, root: bool) -> Result<PathBuf, StateDirError> {
        let absolute = |name| variable(name).map(PathBuf::from).filter(|p| p.is_absolute());
        // systemd separates several by colons; the first is the unit's own.
        let unit = variable("STATE_DIRECTORY")
            .and_then(|v| v.to_str().and_then(|v| v.split(':').next()).map(PathBuf::from))
            .filter(|p| p.is_absolute());
        self.dir
            .clone()
            .or(unit)
            .or_else(|| root.then(|| "/var/lib/lunette".into()))
            .or_else(|| absolute("XDG_STATE_HOME").map(|p| p.join("lunette")))
            .or_else(|| absolute("HOME").map(|p| p.join(".local/state/lunette")))
            .ok_or(StateDirError::Nowhere)
    }
}

/// The owner of this process' own folder in /proc is the user it runs as.
fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|m: Metadata| m.uid() == 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn each_place_gives_way_to_the_one_before() {
        let all = [("STATE_DIRECTORY", "/s:/t"), ("XDG_STATE_HOME", "/x"), ("HOME", "/h")];
        let path = |dir: Option<&str>, from: usize, root: bool| {
            let variable = |n: &str| all[from..].iter().find(|(name, _)| *name == n).map(|(_, v)| v.into());
            State { dir: dir.map(PathBuf::from) }.path_in(variable, root).ok()
        };
        assert_eq!(path(Some("/d"), 0, true), Some("/d".into()));
        assert_eq!(path(None, 0, true), Some("/s".into()));
        assert_eq!(path(None, 1, true), Some("/var/lib/lunette".into()));
        assert_eq!(path(None, 1, false), Some("/x/lunette".into()));
        assert_eq!(path(None, 2, false), Some("/h/.local/state/lunette".into()));
        assert_eq!(path(None, 3, false), None);
    }

    #[test]
    fn it_is_made_for_this_user_only() {
        let dir = tempfile::tempdir().unwrap();
        let state = State { dir: Some(dir.path().join("a/b")) };
        let path = state.open().unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(state.open().unwrap(), path);
        std::fs::write(dir.path().join("file"), "").unwrap();
        let error = State { dir: Some(dir.path().join("file")) }.open().unwrap_err().to_string();
        assert!(error.contains("file") && error.contains("--state"), "{error}");
    }
}
