//! The file of the audit log, and the one before it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::chain::{Entry, Follow, Line, Link};
use crate::trust::BootId;

/// Its name in the state folder.
pub const FILE: &str = "audit.log";
/// The one before it; the chain goes on from that to this.
pub const OLDER: &str = "audit.log.1";
/// From this size on, in bytes, a new file is begun.
pub const MAX: u64 = 1 << 20;
/// No line is longer.
const LINE: u64 = 4096;

/// A log that is written. Opened when something is to be written, and again after a failure.
#[derive(Debug)]
pub struct Log {
    folder: PathBuf,
    boot: Option<BootId>,
    open: Option<Open>,
    max: u64,
}

#[derive(Debug)]
struct Open {
    file: File,
    size: u64,
    link: Link,
}

/// What was found.
#[derive(Debug, PartialEq, Eq)]
pub struct Report {
    /// Lines that hold.
    pub lines: u64,
    /// The first that does not: where, and why.
    pub broken: Option<(String, String)>,
}

impl Log {
    /// The log in a state folder. `boot`: the run of the daemon; `None`: a command writes.
    pub fn new(folder: &Path, boot: Option<BootId>) -> Self {
        Self { folder: folder.to_owned(), boot, open: None, max: MAX }
    }

    /// Writes entries down. `at`: the time in Unix seconds, if it is known.
    ///
    /// # Errors
    /// When the folder cannot be written to; the next call tries again.
    pub fn append(&mut self, entries: &[Entry], at: Option<u64>) -> io::Result<()> {
        let done = self.try_append(entries, at);
        if done.is_err() {
            // What was written is seen when it is opened again.
            self.open = None;
        }
        done
    }

    fn try_append(&mut self, entries: &[Entry], at: Option<u64>) -> io::Result<()> {
        for entry in entries {
            let mut open = match self.open.take() {
                Some(open) => open,
                None => open_at_end(&self.folder)?,
            };
            if open.size >= self.max {
                fs::rename(self.folder.join(FILE), self.folder.join(OLDER))?;
                open = Open { file: append_to(&self.folder)?, size: 0, link: open.link };
            }
            let (mut line, next) = open.link.line(entry, at, self.boot);
            line.push('\n');
            open.file.write_all(line.as_bytes())?;
            (open.size, open.link) = (open.size + line.len() as u64, next);
            self.open = Some(open);
        }
        self.open.as_ref().map_or(Ok(()), |open| open.file.sync_data())
    }
}

fn append_to(folder: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(folder.join(FILE))?;
    crate::config::give_to_owner(folder, &folder.join(FILE));
    Ok(file)
}

/// Opens the file, and finds the end of the chain. A line that a power cut left without its end is taken away.
fn open_at_end(folder: &Path) -> io::Result<Open> {
    let mut file = append_to(folder)?;
    let size = file.metadata()?.len();
    let tail = tail(&mut file, size)?;
    let whole = tail.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
    let torn = (tail.len() - whole) as u64;
    if torn > 0 {
        file.set_len(size - torn)?;
    }
    let link = match last_line(&tail[..whole]) {
        Some(link) => link,
        // A new file: the chain goes on from the older one.
        None => match File::open(folder.join(OLDER)) {
            Ok(mut older) => {
                let size = older.metadata()?.len();
                last_line(&self::tail(&mut older, size)?).unwrap_or_default()
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => Link::default(),
            Err(e) => return Err(e),
        },
    };
    Ok(Open { file, size: size - torn, link })
}

fn tail(file: &mut File, size: u64) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(size.saturating_sub(2 * LINE)))?;
    let mut tail = Vec::new();
    file.take(2 * LINE).read_to_end(&mut tail)?;
    Ok(tail)
}

/// What follows on the last of these lines. One that is damaged is followed all the same, so that the damage is seen, and what
/// comes after it is not damaged too.
fn last_line(text: &[u8]) -> Option<Link> {
    let line = text.strip_suffix(b"\n")?.rsplit(|b| *b == b'\n').next()?;
    let n = serde_json::from_slice::<Line>(line).map_or(0, |line| line.n);
    Some(Link::after(n, line))
}

/// Hands over each line, the oldest first, with its name, as `audit.log:7`; until it is told to stop.
///
/// # Errors
/// When a file cannot be read. That there is none is no error.
pub fn read(folder: &Path, mut each: impl FnMut(String, &[u8]) -> bool) -> io::Result<()> {
    for name in [OLDER, FILE] {
        let file = match File::open(folder.join(name)) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
            Err(e) => return Err(e),
        };
        for (i, line) in BufReader::new(file.take(2 * MAX)).split(b'\n').enumerate() {
            if !each(format!("{name}:{}", i + 1), &line?) {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Follows the chain through both files.
///
/// # Errors
/// When a file cannot be read.
pub fn verify(folder: &Path) -> io::Result<Report> {
    let (mut follow, mut broken) = (Follow::default(), None);
    read(folder, |at, line| {
        broken = follow.line(line).err().map(|why| (at, why));
        broken.is_none()
    })?;
    Ok(Report { lines: follow.lines, broken })
}

#[cfg(test)]
mod tests {
    use super::super::chain::What;
    use super::*;

    fn entry(label: &str) -> Entry {
        Entry { label: Some(label.into()), ..Entry::new(What::Join) }
    }

    #[test]
    fn it_goes_on_after_a_restart_and_from_file_to_file() {
        let dir = tempfile::tempdir().unwrap();
        for i in 0..100 {
            let mut log = Log::new(dir.path(), None);
            log.max = 1000;
            log.append(&[entry(&i.to_string()), entry("again")], Some(i)).unwrap();
        }
        let report = verify(dir.path()).unwrap();
        assert!(report.broken.is_none() && (4..20).contains(&report.lines), "{report:?}");
        let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(dir.path().join(FILE)).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
        assert!(fs::metadata(dir.path().join(FILE)).unwrap().len() < 1300);
    }

    #[test]
    fn the_first_broken_line_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE);
        let entries: Vec<_> = (0..5).map(|i| entry(&format!("phone {i}"))).collect();
        Log::new(dir.path(), None).append(&entries, None).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replace("phone 2", "phone 9")).unwrap();
        assert_eq!(verify(dir.path()).unwrap().broken.unwrap().0, "audit.log:4");
        fs::write(&path, text.replace("{\"n\":3", "{\"m\":3")).unwrap();
        assert_eq!(verify(dir.path()).unwrap().broken.unwrap().0, "audit.log:3");
        // A power cut: what was not whole was never written.
        fs::write(&path, &text[..text.len() - 10]).unwrap();
        Log::new(dir.path(), None).append(&[entry("new")], None).unwrap();
        assert_eq!(verify(dir.path()).unwrap(), Report { lines: 5, broken: None });
    }
}
