//! The service: its units as systemd reads them, and the daemon as systemd hears it.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

/// A machine may be slow; what does not come in this time does not come.
const PATIENCE: Duration = Duration::from_secs(20);

/// What `systemd-analyze security` may say at most. The rest is what the daemon is for: the network, and cameras.
const EXPOSURE: f64 = 1.3;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd")
}

fn unit(name: &str) -> String {
    fs::read_to_string(folder().join(name)).unwrap()
}

/// What a tool of systemd says; that it is there is what scripts/setup.sh is for.
fn tool(command: &mut Command) -> Output {
    let output = command.env("SYSTEMD_COLORS", "0").env("LC_ALL", "C.UTF-8").output();
    output.unwrap_or_else(|e| panic!("{}: {e}; it is in the package systemd", command.get_program().display()))
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn the_units_are_closed_to_what_the_daemon_is_not_for() {
    for name in ["lunette.service", "lunette@.service"] {
        let report = tool(Command::new("systemd-analyze").args(["security", "--offline=yes"]).arg(folder().join(name)));
        let text = said(&report);
        let overall = text.lines().find_map(|line| line.split_once("Overall exposure level for "));
        let level = overall.and_then(|(_, rest)| rest.split_whitespace().nth(1)?.parse::<f64>().ok());
        let level = level.unwrap_or_else(|| panic!("systemd-analyze gave no level:\n{text}"));
        assert!(level <= EXPOSURE, "{name}: {level}\n{text}");
    }
}

#[test]
fn the_drop_ins_leave_most_of_it_closed() {
    for file in fs::read_dir(folder().join("drop-in")).unwrap() {
        let file = file.unwrap().path();
        let dir = tempfile::tempdir().unwrap();
        let whole = dir.path().join("lunette.service");
        // As systemd does: the drop-in's sections after the unit's.
        fs::write(&whole, unit("lunette.service") + "\n" + &fs::read_to_string(&file).unwrap()).unwrap();
        let text = said(&tool(Command::new("systemd-analyze").args(["security", "--offline=yes"]).arg(&whole)));
        let unknown = text.lines().find(|line| line.contains("lunette.service:") && line.contains("ignoring"));
        assert_eq!(unknown, None, "{}", file.display());
        let level =
            text.lines().find_map(|line| line.split_once("lunette.service: ")).unwrap_or_else(|| panic!("{text}"));
        let level: f64 = level.1.split_whitespace().next().unwrap().parse().unwrap();
        assert!(level <= 2.0, "{}: {level}", file.display());
    }
}

#[test]
fn the_template_is_the_same_unit_for_another_config() {
    let template = unit("lunette@.service")
        .replace(" --config /etc/lunette/%i.toml", "")
        .replace("Description=Lunette camera %i", "Description=Lunette camera")
        .replace("StateDirectory=lunette/%i", "StateDirectory=lunette");
    let (first, template) = template.split_once('\n').unwrap();
    assert!(first.starts_with("# "), "{first}");
    assert_eq!(template, unit("lunette.service"));
}

#[test]
fn the_user_is_made() {
    let plan = tool(
        Command::new("systemd-sysusers")
            .arg("--dry-run")
            .arg("--root")
            .arg(empty().path())
            .arg(folder().join("lunette.sysusers")),
    );
    let text = said(&plan);
    assert!(plan.status.success(), "{text}");
    // Newer ones quote names, and say "Would create" instead of "Creating".
    let plain = text.replace('\'', "");
    for made in ["group video", "group lunette", "user lunette (Lunette camera)"] {
        assert!(plain.contains(made), "{made}: {text}");
    }
}

#[test]
fn secrets_beside_the_config_are_closed_to_others() {
    let root = empty();
    let me = fs::metadata(root.path()).unwrap();
    // For the tool, this user is root and the service at once, so that no rights are needed.
    for (file, line) in [
        ("passwd", format!("root:x:{}:{}::/:/bin/sh\n", me.uid(), me.gid())),
        ("group", format!("root:x:{0}:\nlunette:x:{0}:\n", me.gid())),
    ] {
        fs::create_dir_all(root.path().join("etc/lunette")).unwrap();
        fs::write(root.path().join("etc").join(file), line).unwrap();
    }
    let files = ["mqtt-password", "client.key", "lunette.toml"].map(|name| root.path().join("etc/lunette").join(name));
    for file in &files {
        fs::write(file, "").unwrap();
        fs::set_permissions(file, fs::Permissions::from_mode(0o644)).unwrap();
    }
    let done = tool(
        Command::new("systemd-tmpfiles")
            .arg("--create")
            .arg(format!("--root={}", root.path().display()))
            .arg(folder().join("lunette.tmpfiles")),
    );
    assert!(done.status.success(), "{}", said(&done));
    let modes = files.map(|file| fs::metadata(file).unwrap().permissions().mode() & 0o777);
    assert_eq!(modes, [0o640, 0o640, 0o644]);
}

fn empty() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

/// The daemon as a service, and what it says to its manager.
struct Service {
    daemon: Child,
    socket: UnixDatagram,
    dir: tempfile::TempDir,
}

impl Service {
    fn start(config: &str, watchdog: Option<Duration>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let socket = UnixDatagram::bind(dir.path().join("notify")).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        fs::write(dir.path().join("lunette.toml"), config).unwrap();
        let mut command = lunette(dir.path());
        command.env("NOTIFY_SOCKET", dir.path().join("notify"));
        if let Some(within) = watchdog {
            command.env("WATCHDOG_USEC", within.as_micros().to_string());
        }
        Self { daemon: command.args(["run", "--state"]).arg(dir.path().join("state")).spawn().unwrap(), socket, dir }
    }

    /// The next lines that it says, in one message.
    fn hear(&self) -> Vec<String> {
        let mut buffer = [0; 4096];
        let n = self.socket.recv(&mut buffer).unwrap_or_else(|e| panic!("it says nothing more: {e}"));
        String::from_utf8(buffer[..n].to_vec()).unwrap().lines().map(str::to_owned).collect()
    }

    /// Waits until it says a line that fits.
    fn until(&self, what: impl Fn(&str) -> bool) -> String {
        loop {
            if let Some(line) = self.hear().into_iter().find(|line| what(line)) {
                return line;
            }
        }
    }

    fn end(mut self) -> ExitStatus {
        let pid = self.daemon.id().to_string();
        assert!(Command::new("kill").arg(&pid).status().unwrap().success());
        self.until(|line| line == "STOPPING=1");
        self.daemon.wait().unwrap()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
        assert!(self.dir.path().exists());
    }
}

/// The program, with the config in a folder.
fn lunette(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lunette"));
    command.env("LUNETTE_CONFIG", dir.join("lunette.toml")).env("LUNETTE_LOG", "warn");
    command
}

const UNREACHABLE: &str = "camera = \"testcard\"\n[signal.mqtt]\nurl = \"mqtt://127.0.0.1:9\"\n";

#[test]
fn it_is_ready_though_the_broker_is_not_and_says_so() {
    let service = Service::start(UNREACHABLE, None);
    assert!(service.hear().contains(&"READY=1".to_owned()), "the first that it says");
    service.until(|line| line == "STATUS=idle: nobody watches; no connection to the broker");
    assert_eq!(service.end().code(), Some(0));
}

/// Where a process listens for TCP connections, as the kernel has it.
fn listens(pid: u32) -> Vec<String> {
    let sockets: Vec<_> = fs::read_dir(format!("/proc/{pid}/fd"))
        .unwrap()
        .filter_map(|entry| fs::read_link(entry.ok()?.path()).ok())
        .filter_map(|link| Some(link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
        .collect();
    assert!(!sockets.is_empty(), "a daemon has sockets");
    let mut found = Vec::new();
    for table in ["tcp", "tcp6"] {
        // Address, state and inode are the 2nd, 4th and 10th column; 0A is LISTEN (linux/Documentation/networking/proc_net_tcp.rst).
        let Ok(table) = fs::read_to_string(format!("/proc/{pid}/net/{table}")) else { continue };
        for columns in table.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>()) {
            if columns[3] == "0A" && sockets.iter().any(|inode| inode == columns[9]) {
                found.push(columns[1].to_owned());
            }
        }
    }
    found
}

#[test]
fn it_listens_on_no_tcp_port() {
    let service = Service::start(UNREACHABLE, None);
    service.until(|line| line.starts_with("STATUS=idle"));
    assert_eq!(listens(service.daemon.id()), [""; 0]);
    assert_eq!(service.end().code(), Some(0));

    // The same look at one that does: page, and broker.
    let dir = empty();
    fs::write(dir.path().join("lunette.toml"), UNREACHABLE).unwrap();
    let mut command = lunette(dir.path());
    command.args(["run", "--local", "--listen", "127.0.0.1:0", "--state"]).arg(dir.path().join("state"));
    let socket = UnixDatagram::bind(dir.path().join("notify")).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let daemon = command.env("NOTIFY_SOCKET", dir.path().join("notify")).stdout(Stdio::null()).spawn().unwrap();
    let local = Service { daemon, socket, dir };
    local.until(|line| line.starts_with("READY=1"));
    let found = listens(local.daemon.id());
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found.iter().all(|at| at.starts_with("0100007F:")), "beyond loopback: {found:?}");
}

#[test]
fn the_watchdog_is_fed_in_time_all_the_time() {
    let within = Duration::from_secs(2);
    let service = Service::start(UNREACHABLE, Some(within));
    service.until(|line| line == "READY=1");
    for _ in 0..4 {
        let start = Instant::now();
        service.until(|line| line == "WATCHDOG=1");
        assert!(start.elapsed() < within, "after {:?}", start.elapsed());
    }
}

#[test]
fn what_is_wrong_with_the_config_ends_it_for_good() {
    let dir = empty();
    for (config, why) in [
        ("", "there is no broker"),
        ("[signal.mqtt]\nurl = \"http://h\"\n", "url"),
        ("[signal.mqtt]\nurl = \"mqtt://h\"\nuser = \"u\"\npassword_file = \"/nonexistent\"\n", "/nonexistent"),
    ] {
        fs::write(dir.path().join("lunette.toml"), config).unwrap();
        let run = lunette(dir.path()).args(["run", "--state"]).arg(dir.path().join("state")).output().unwrap();
        assert!(said(&run).contains(why), "{config:?}: {}", said(&run));
        assert_eq!(run.status.code(), Some(2), "RestartPreventExitStatus=2; {config:?}");
    }
    assert!(unit("lunette.service").contains("RestartPreventExitStatus=2\n"));
}

#[test]
fn a_unit_without_a_broker_is_not_started_and_one_with_a_mistake_is() {
    let dir = empty();
    for (config, code) in [("", Some(2)), (UNREACHABLE, Some(0)), ("nonsense", Some(0))] {
        fs::write(dir.path().join("lunette.toml"), config).unwrap();
        let check = lunette(dir.path()).args(["check", "--service"]).stdin(Stdio::null()).output().unwrap();
        assert_eq!(check.status.code(), code, "{config:?}: {}", said(&check));
        assert_eq!(said(&check).contains("there is no broker"), code == Some(2), "{}", said(&check));
    }
}
