//! A real coturn on this machine.
#![allow(dead_code, clippy::unwrap_used, clippy::panic, reason = "each test uses a part of it")]

use std::net::UdpSocket;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use lunette::config::Secret;
use lunette::turn::Login;
use lunette::viewer::rtc::{Server, Via};

/// Ended when dropped.
pub struct Coturn {
    pub port: u16,
    pub folder: tempfile::TempDir,
    child: Child,
}

impl Coturn {
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// With user `u`, password `p`; it relays to this machine too.
    pub fn start_with(more: &[&str]) -> Self {
        Self::start_tls(&[&["--no-tls"], more].concat())
    }

    /// The same, and TLS where `more` says how.
    pub fn start_tls(more: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new("turnserver");
        command.args(["-n", "--no-cli", "--no-dtls", "--lt-cred-mech", "--user=u:p", "--realm=test"]);
        command.args([
            "--listening-ip=127.0.0.1",
            "--relay-ip=127.0.0.1",
            "--allow-loopback-peers",
            "--log-file=stdout",
        ]);
        command.args(["--cli-password=unused", "--verbose"]);
        command.arg(format!("--listening-port={port}")).args(more);
        command.arg(format!("--pidfile={}", folder.path().join("pid").display()));
        command.arg(format!("--userdb={}", folder.path().join("db").display()));
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let child = command.stdout(log).stderr(Stdio::null()).spawn();
        let child = child.unwrap_or_else(|e| panic!("turnserver: {e}; these tests need Debian's package coturn"));
        let coturn = Self { port, folder, child };
        // It answers a binding request when it is ready.
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let start = Instant::now();
        let request = [&[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42][..], &[7; 12]].concat();
        loop {
            assert!(start.elapsed() < Duration::from_secs(20), "coturn does not answer:\n{}", coturn.log());
            let _ = socket.send_to(&request, ("127.0.0.1", port));
            if socket.recv(&mut [0; 1500]).is_ok() {
                return coturn;
            }
        }
    }

    pub fn server(&self) -> Server {
        self.server_for("u", "p")
    }

    pub fn server_for(&self, user: &str, password: &str) -> Server {
        let login = Some(Login { user: user.to_owned(), password: Secret::new(password) });
        Server { via: Via::Udp, host: "127.0.0.1".into(), port: self.port, login, tls: None }
    }

    /// What it said.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Coturn {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("coturn said:\n{}", self.log());
        }
    }
}
