//! Whether this machine knows what time it is. Boards without a battery wake up in the past, and an end that is judged by
//! such a clock is no end.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::trust::{self, UnixSeconds};

/// No Lunette is older: 2026-11-23. A clock before that was never set.
pub const NEVER_BEFORE: u64 = 1_795_392_000;

/// What keeps the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sync {
    /// systemd-timesyncd has set it since the boot.
    Done,
    /// systemd-timesyncd runs, and has not yet.
    Waiting,
    /// Another service, which says nothing in a file.
    Unknown(&'static str),
    /// Nothing that we know.
    Nothing,
}

/// What keeps the clock of the system whose files lie below `root`.
pub fn sync(root: &Path) -> Sync {
    let is = |path: &str| root.join(path).exists();
    // systemd-timesyncd.service(8), "Files".
    if is("run/systemd/timesync/synchronized") {
        Sync::Done
    } else if is("run/chrony") {
        Sync::Unknown("chrony")
    } else if is("run/ntpd.pid") || is("run/ntpsec") {
        Sync::Unknown("ntpd")
    } else if is("run/systemd/timesync") {
        Sync::Waiting
    } else {
        Sync::Nothing
    }
}

/// The wall clock of this machine, and whether it is believed.
#[derive(Debug)]
pub struct Wall {
    /// The latest that was ever written down: no time before it can be right.
    floor: AtomicU64,
    /// Whether the system says that it is set, and when it was asked.
    set: Mutex<Option<(Instant, bool)>>,
}

/// The system is asked again after this.
const ASK_AGAIN: Duration = Duration::from_secs(5);

impl Wall {
    /// `floor`: the latest time that was ever written down, Unix seconds.
    pub fn new(floor: u64) -> Self {
        Self { floor: AtomicU64::new(floor), set: Mutex::default() }
    }

    /// What time it is, if that is known.
    pub fn now(&self) -> Option<UnixSeconds> {
        let set = {
            let mut asked = self.set.lock().unwrap_or_else(PoisonError::into_inner);
            match *asked {
                Some((at, set)) if at.elapsed() < ASK_AGAIN => set,
                _ => {
                    let set = is_set(Path::new("/"));
                    *asked = Some((Instant::now(), set));
                    set
                }
            }
        };
        let floor = Some(UnixSeconds(self.floor.load(Ordering::Relaxed)));
        trust::clock::known(reading(), UnixSeconds(NEVER_BEFORE), floor, set)
    }

    /// This time was written down.
    pub fn wrote(&self, at: UnixSeconds) {
        self.floor.fetch_max(at.0, Ordering::Relaxed);
    }
}

/// What the system's clock shows, right or not.
fn reading() -> UnixSeconds {
    UnixSeconds(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs())
}

/// Whether the system says that its clock was set.
fn is_set(root: &Path) -> bool {
    let is = |path: &str| root.join(path).exists();
    match sync(root) {
        Sync::Done | Sync::Unknown(_) => true,
        Sync::Waiting => false,
        // A board's clock comes from its battery or from nowhere; others have one from their firmware or their host.
        Sync::Nothing => is("sys/class/rtc/rtc0") || !is("proc/device-tree"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_right_when_something_says_so_and_nothing_says_otherwise() {
        for (files, right) in [
            (&[][..], true),
            (&["proc/device-tree"], false),
            (&["proc/device-tree", "sys/class/rtc/rtc0"], true),
            (&["proc/device-tree", "run/systemd/timesync"], false),
            (&["run/systemd/timesync"], false),
            (&["proc/device-tree", "run/systemd/timesync/synchronized"], true),
            (&["proc/device-tree", "run/chrony"], true),
        ] {
            let root = tempfile::tempdir().expect("a folder");
            for file in files {
                std::fs::create_dir_all(root.path().join(file)).expect("made");
            }
            assert_eq!(is_set(root.path()), right, "{files:?}");
        }
    }

    #[test]
    fn no_time_before_what_was_written_is_right() {
        let wall = Wall::new(0);
        *wall.set.lock().expect("no panic") = Some((Instant::now(), true));
        let now = wall.now().expect("a machine that runs tests knows the time");
        wall.wrote(UnixSeconds(now.0 + 1000));
        assert_eq!(wall.now(), None);
    }
}
