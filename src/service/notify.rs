//! The service manager's socket: sd_notify(3), "Notes", has the protocol.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// A manager that does not read must not stop the daemon.
const PATIENCE: Duration = Duration::from_millis(100);

/// A connection to the service manager.
#[derive(Debug)]
pub struct Notify(UnixDatagram);

impl Notify {
    /// To the manager that started this process; `None`: there is none, or it does not listen.
    ///
    /// # Errors
    /// When there is one, and it cannot be reached.
    pub fn from_env() -> io::Result<Option<Self>> {
        std::env::var_os("NOTIFY_SOCKET").filter(|path| !path.is_empty()).map(|path| Self::to(&path)).transpose()
    }

    /// To a path, or to an abstract address, which begins with `@`.
    fn to(address: &OsStr) -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        match address.as_bytes() {
            [b'@', name @ ..] => socket.connect_addr(&SocketAddr::from_abstract_name(name)?)?,
            _ => socket.connect(address)?,
        }
        socket.set_write_timeout(Some(PATIENCE))?;
        Ok(Self(socket))
    }

    /// Says one or more assignments, `READY=1` for example, in one message.
    ///
    /// # Errors
    /// When the manager is gone or does not read.
    pub fn say(&self, lines: &[&str]) -> io::Result<()> {
        self.0.send(lines.join("\n").as_bytes()).map(drop)
    }
}

/// How often the manager wants to hear `WATCHDOG=1`; `None`: it does not watch this process. sd_watchdog_enabled(3).
pub fn watchdog() -> Option<Duration> {
    watchdog_in(|name| std::env::var_os(name), std::process::id())
}

fn watchdog_in(variable: impl Fn(&str) -> Option<OsString>, own: u32) -> Option<Duration> {
    let number = |name| variable(name).map(|text| text.to_str().and_then(|text| text.parse::<u64>().ok()));
    match number("WATCHDOG_PID") {
        Some(pid) if pid != Some(u64::from(own)) => None,
        _ => number("WATCHDOG_USEC").flatten().filter(|usec| *usec > 0).map(Duration::from_micros),
    }
}

/// A text as the value of one assignment: a line break in it would begin another.
pub fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_address() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("notify");
        let name = format!("lunette-test-{}", std::process::id());
        let named = SocketAddr::from_abstract_name(&name).expect("a name");
        for (socket, address) in [
            (UnixDatagram::bind(&path).expect("bound"), path.clone().into_os_string()),
            (UnixDatagram::bind_addr(&named).expect("bound"), format!("@{name}").into()),
        ] {
            Notify::to(&address).expect("connected").say(&["READY=1", "STATUS=well"]).expect("said");
            let mut heard = [0; 64];
            let n = socket.recv(&mut heard).expect("heard");
            assert_eq!(&heard[..n], b"READY=1\nSTATUS=well");
        }
        assert!(Notify::to(OsStr::new("/nonexistent/notify")).is_err());
    }

    #[test]
    fn a_manager_that_does_not_read_stops_nobody() {
        let dir = tempfile::tempdir().expect("a folder");
        let _deaf = UnixDatagram::bind(dir.path().join("notify")).expect("bound");
        let notify = Notify::to(dir.path().join("notify").as_os_str()).expect("connected");
        let full = (0..100_000).find_map(|_| notify.say(&["WATCHDOG=1"]).err()).expect("full some time");
        assert_eq!(full.kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn the_watchdog_of_another_process_is_not_ours() {
        let interval = |pid: Option<&str>, usec: Option<&str>| {
            watchdog_in(|name| if name == "WATCHDOG_PID" { pid } else { usec }.map(Into::into), 42)
        };
        assert_eq!(interval(Some("42"), Some("3000000")), Some(Duration::from_secs(3)));
        assert_eq!(interval(None, Some("3000000")), Some(Duration::from_secs(3)));
        for (pid, usec) in
            [(Some("41"), Some("1")), (Some("x"), Some("1")), (None, None), (None, Some("0")), (None, Some("-1"))]
        {
            assert_eq!(interval(pid, usec), None, "{pid:?} {usec:?}");
        }
    }

    #[test]
    fn a_status_is_one_line() {
        assert_eq!(one_line("a\nMAINPID=1\u{7f}"), "a MAINPID=1 ");
        assert_eq!(one_line(&"ü".repeat(300)).chars().count(), 200);
    }
}
