//! The state folder, and the disk below it.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::finding::{Area, Finding};

/// Less is soon nothing: a log, an upgrade.
const LITTLE: u64 = 100 << 20;

/// What is known of a folder and its file system.
#[derive(Debug)]
pub struct Folder {
    /// The folder, or the nearest above it that is there.
    pub path: PathBuf,
    /// Whether it is the folder itself.
    pub exists: bool,
    /// Bytes that can still be written.
    pub free: io::Result<u64>,
    /// What came of writing a file into it and flushing it. Not tried in a folder above.
    pub written: Option<io::Result<()>>,
}

/// Looks at a folder, and writes a file into it that it removes again.
pub fn examine(folder: &Path) -> Vec<Finding> {
    judge(&look(folder))
}

/// Can it be written, and for how long?
pub fn judge(folder: &Folder) -> Vec<Finding> {
    let path = folder.path.display();
    let mut findings = Vec::new();
    findings.push(match &folder.written {
        None => {
            Finding::note("state", Area::State, format!("the state folder is made at the first start, below {path}"))
        }
        Some(Ok(())) => Finding::ok("state", Area::State, format!("{path} can be written")),
        Some(Err(error)) => unwritable(&folder.path, error),
    });
    findings.push(match &folder.free {
        Ok(free) if *free < LITTLE => {
            let text = format!("only {} are free at {path}", megabytes(*free));
            Finding::warn("disk", Area::State, text, "make room: sudo journalctl --vacuum-size=50M; sudo apt clean")
        }
        Ok(free) => Finding::ok("disk", Area::State, format!("{} are free", megabytes(*free))),
        Err(error) => Finding::note("disk", Area::State, format!("how much is free at {path} is not known: {error}")),
    });
    findings
}

fn unwritable(path: &Path, error: &io::Error) -> Finding {
    let path = path.display();
    let fail = |text: String, fix: String| Finding::fail("state", Area::State, text, fix);
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            fail(format!("{path}: the disk is full"), "make room: sudo journalctl --vacuum-size=50M".to_owned())
        }
        io::ErrorKind::ReadOnlyFilesystem => fail(
            format!("{path}: the file system is read-only"),
            "dmesg says why: a card that wears out does so. Meant to be? [state] dir on one that can be written"
                .to_owned(),
        ),
        io::ErrorKind::PermissionDenied => fail(
            format!("{path}: permission denied"),
            format!("run it as the user that owns it (sudo -u lunette lunette doctor), or: sudo chown USER {path}"),
        ),
        _ => fail(format!("{path}: {error}"), "another folder: --state DIR, or [state] dir".to_owned()),
    }
}

/// In MB or GB.
fn megabytes(bytes: u64) -> String {
    match bytes {
        bytes if bytes >= 10_000_000_000 => format!("{} GB", bytes / 1_000_000_000),
        bytes => format!("{} MB", bytes / 1_000_000),
    }
}

fn look(folder: &Path) -> Folder {
    let there = folder.ancestors().find(|path| path.is_dir()).unwrap_or(Path::new("/"));
    let exists = there == folder;
    let free = rustix::fs::statvfs(there).map(|fs| fs.f_bavail.saturating_mul(fs.f_frsize)).map_err(io::Error::from);
    Folder { path: there.to_owned(), exists, free, written: exists.then(|| write(there)) }
}

/// As the identity is written: a new file, flushed.
fn write(folder: &Path) -> io::Result<()> {
    let path = folder.join(format!(".doctor-{}", std::process::id()));
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
    let written = file.and_then(|mut file| file.write_all(&[b'x'; 4096]).and_then(|()| file.sync_all()));
    // What could not be made need not be removed.
    let _ = fs::remove_file(&path);
    written
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Verdict::{self, Fail, Note, Ok, Warn};
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    fn said(findings: &[Finding]) -> Vec<(&'static str, Verdict)> {
        findings.iter().map(|f| (f.id, f.verdict)).collect()
    }

    #[test]
    fn a_folder_is_tried_and_left_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(said(&examine(dir.path()))[0], ("state", Ok));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        let found = examine(&dir.path().join("a/b"));
        assert_eq!(found[0].verdict, Note);
        assert!(found[0].text.ends_with(dir.path().to_str().unwrap()), "{}", found[0].text);
        assert!(!dir.path().join("a").exists());
        assert_eq!(examine(Path::new("/proc/self"))[0].verdict, Fail, "nobody writes there");
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o500)).unwrap();
        // Root may all the same.
        let root = fs::metadata("/proc/self").unwrap().uid() == 0;
        assert_eq!(examine(dir.path())[0].verdict, if root { Ok } else { Fail });
    }

    #[test]
    fn each_error_has_its_way_out() {
        for (errno, text, fix) in [
            (28, "full", "make room"),
            (30, "read-only", "dmesg"),
            (13, "permission denied", "sudo -u lunette"),
            (5, "Input/output error", "--state"),
        ] {
            let written = Some(Err(io::Error::from_raw_os_error(errno)));
            let found = judge(&Folder { path: "/s".into(), exists: true, free: io::Result::Ok(1 << 40), written });
            assert_eq!(said(&found), [("state", Fail), ("disk", Ok)]);
            assert!(found[0].text.contains(text), "{}", found[0].text);
            assert!(found[0].fix.as_ref().unwrap().contains(fix), "{:?}", found[0].fix);
        }
    }

    #[test]
    fn little_room_is_said() {
        let room = |free| {
            let free = io::Result::Ok(free);
            judge(&Folder { path: "/s".into(), exists: true, free, written: Some(io::Result::Ok(())) }).remove(1)
        };
        assert_eq!((room(LITTLE).verdict, room(LITTLE - 1).verdict), (Ok, Warn));
        assert_eq!(room(0).text, "only 0 MB are free at /s");
        assert_eq!(room(25_400_000_000).text, "25 GB are free");
    }
}
