//! `lunette doctor` as it is run: on brokers that deny, disks that are full, devices that may not be opened.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod broker_rig;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use broker_rig::{Camera, Mosquitto, Viewer, cam};
use serde_json::Value;

/// A folder for its state, with this camera's key in it.
struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("state")).unwrap();
        fs::write(dir.path().join("state/identity.pem"), broker_rig::identity_pem()).unwrap();
        Self { dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// With this config; what it found, and the exit code.
    fn doctor(&self, config: &str) -> (Vec<Value>, i32) {
        let output = self.run(Command::new(env!("CARGO_BIN_EXE_lunette")), config, &[]);
        findings(&output)
    }

    /// `command` is Lunette, or what starts it.
    fn run(&self, mut command: Command, config: &str, more: &[&str]) -> Output {
        let file = self.path("lunette.toml");
        let listen = "[local]\nlisten = '127.0.0.1:0'\n";
        fs::write(&file, format!("camera = 'testcard'\n{listen}{config}")).unwrap();
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.args(["doctor", "--json", "--config"]).arg(file).arg("--state").arg(self.path("state"));
        command.args(more).output().unwrap()
    }
}

fn findings(output: &Output) -> (Vec<Value>, i32) {
    let text = String::from_utf8_lossy(&output.stdout);
    let json: Value = serde_json::from_str(&text)
        .unwrap_or_else(|e| panic!("{e}: {text}{}", String::from_utf8_lossy(&output.stderr)));
    assert_eq!(json["version"], env!("CARGO_PKG_VERSION"));
    (json["findings"].as_array().unwrap().clone(), output.status.code().unwrap())
}

/// Verdicts and texts of all findings of this id.
fn of<'a>(findings: &'a [Value], id: &str) -> Vec<(&'a str, &'a str)> {
    let these = findings.iter().filter(|f| f["id"] == id);
    these.map(|f| (f["verdict"].as_str().unwrap(), f["text"].as_str().unwrap())).collect()
}

fn is_bad(finding: &Value) -> bool {
    matches!(finding["verdict"].as_str(), Some("warn" | "fail"))
}

/// The broker's own log is beside its config; its users are `camera` and `viewer`.
async fn broker(acl: &str) -> Mosquitto {
    // With a queue of 0 messages mosquitto 2.0 may end a connection when it denies a message.
    let lines = "allow_anonymous false\npassword_file DIR/passwords\nacl_file DIR/acl\nmax_queued_messages 1000";
    let mut broker = Mosquitto::start_with(lines).await;
    fs::write(broker.path("acl"), acl).unwrap();
    for (user, password) in [("camera", "richtig"), ("viewer", "geheim")] {
        let status =
            Command::new("mosquitto_passwd").arg("-b").args([&broker.path("passwords"), user, password]).status();
        assert!(status.expect("mosquitto_passwd, of Debian's package mosquitto").success());
    }
    // A signal to read them again could come before it is ready for one.
    broker.kill();
    broker.run().await;
    broker
}

fn login(broker: &Mosquitto, place: &Place, password: &str) -> String {
    let secret = place.path("secret");
    fs::write(&secret, password).unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    format!(
        "[signal.mqtt]\nurl = 'mqtt://127.0.0.1:{}'\nuser = 'camera'\npassword_file = '{}'",
        broker.ports[0],
        secret.display()
    )
}

const ALL: &str = "user camera\ntopic readwrite lunette/1/#\nuser viewer\ntopic readwrite #\n";

#[test]
fn the_test_card_is_all_green() {
    let place = Place::new();
    let (findings, code) = place.doctor("");
    let bad: Vec<_> = findings.iter().filter(|f| is_bad(f)).collect();
    assert!(code == 0 && bad.is_empty(), "{code}: {bad:?}");
    let ids: Vec<_> = findings.iter().map(|f| f["id"].as_str().unwrap()).collect();
    for id in ["board", "clock", "config", "state", "disk", "camera", "pace", "key-frames", "profile", "broker", "ice"]
    {
        assert!(ids.contains(&id), "{id} is missing: {ids:?}");
    }
    let docs = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/operations.md")).unwrap();
    for id in ids {
        assert!(docs.contains(&format!("| `{id}` |")), "docs/operations.md has no row for {id}");
    }
    let made: Vec<_> = fs::read_dir(place.path("state")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(made, ["identity.pem"], "nothing was made");
}

#[test]
fn people_get_a_table_without_color() {
    let output = Command::new(env!("CARGO_BIN_EXE_lunette"))
        .args(["doctor", "--camera", "testcard", "--state"])
        .arg(tempfile::tempdir().unwrap().path().join("none"))
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("✓ camera   Constrained Baseline"), "{text}");
    assert!(!text.contains('\x1b'), "{text}");
}

#[test]
fn a_wrong_config_ends_with_2() {
    let (findings, code) = Place::new().doctor("[video]\nfps = 500");
    assert_eq!((code, of(&findings, "config")[0].0), (2, "fail"));
    assert!(of(&findings, "clock").len() == 1, "the rest is looked at all the same");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_allows_all_is_good_and_its_daemon_is_not_disturbed() {
    let (broker, place) = (broker(ALL).await, Place::new());
    let config = login(&broker, &place, "richtig");
    let mut viewer = Viewer::at(&broker).await;
    let mqtt = config.strip_prefix("[signal.mqtt]\n").unwrap();
    let camera = Camera::open(mqtt).unwrap();
    viewer.reads("status", camera.is_status(true)).await;

    let (findings, code) = place.doctor(&config);
    assert_eq!((code, of(&findings, "broker")[0].0), (0, "ok"));
    let topics = of(&findings, "topics");
    assert_eq!((topics.len(), topics[0].0), (1, "ok"), "{topics:?}");

    // What the doctor said was no message to it, or what stood there already.
    let ours = camera.keeper.challenge();
    Viewer::at(&broker).await.sees("challenge", |m| m == ours).await;
    Viewer::at(&broker).await.reads("status", camera.is_status(true)).await;
    let log = broker.log();
    assert_eq!(log.matches(&format!(" as lunette-{} (", cam())).count(), 1, "the daemon kept its connection: {log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_broker_denies_is_said_topic_by_topic() {
    // mosquitto grants every subscription, and gives nothing; publishing is denied in the acknowledgement.
    let table = [
        (
            "topic readwrite lunette/1/+/status\ntopic readwrite lunette/1/+/req",
            vec![("fail", "/challenge"), ("fail", "/res/")],
        ),
        ("topic write lunette/1/#", vec![("warn", "/status"), ("warn", "/challenge"), ("fail", "/req")]),
        (
            "topic read lunette/1/+/req\ntopic readwrite lunette/1/+/status\ntopic readwrite lunette/1/+/challenge\n\
          topic write lunette/1/+/res/+",
            vec![("note", "/req")],
        ),
        (
            "topic readwrite elsewhere/#",
            vec![("fail", "/status"), ("fail", "/challenge"), ("fail", "/res/"), ("note", "/req")],
        ),
    ];
    for (acl, expected) in table {
        let (broker, place) = (broker(&format!("user camera\n{acl}\n")).await, Place::new());
        let (findings, code) = place.doctor(&login(&broker, &place, "richtig"));
        let topics = of(&findings, "topics");
        let fits = |((verdict, text), (want, topic)): (&(&str, &str), &(&str, &str))| {
            verdict == want && text.contains(&format!("lunette/1/{}{topic}", cam()))
        };
        assert!(topics.len() == expected.len() && topics.iter().zip(&expected).all(fits), "{acl}: {topics:?}");
        assert_eq!(code, i32::from(expected.iter().any(|(verdict, _)| *verdict == "fail")), "{acl}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_does_not_let_us_in_says_why() {
    let (broker, place) = (broker(ALL).await, Place::new());
    let say = |config: &str| {
        let (findings, code) = place.doctor(config);
        let said = of(&findings, "broker");
        assert_eq!((code, said.len(), said[0].0), (1, 1, "fail"), "{said:?}");
        said[0].1.to_owned()
    };
    assert!(say(&login(&broker, &place, "falsch")).contains("refused the login"));
    let tls = |ca: &str| {
        format!("[signal.mqtt]\nurl = 'mqtts://127.0.0.1:{}'\nca_file = '{}'", broker.ports[1], broker.path(ca))
    };
    assert!(say(&tls("other-ca.pem")).contains("TLS: "), "{}", say(&tls("other-ca.pem")));
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert!(say(&format!("[signal.mqtt]\nurl = 'mqtt://{free}'")).contains("nothing listens there"));
}

/// In a mount namespace of its own, where its state folder is a file system of 64 kB.
fn on_a_small_disk(script: &str) -> (Vec<Value>, i32) {
    let place = Place::new();
    let mut command = Command::new("unshare");
    let script = format!("mount -t tmpfs -o size=64k none \"$STATE\" && {script} && exec \"$0\" \"$@\"");
    command.args(["--map-root-user", "--mount", "sh", "-c", &script]).arg(env!("CARGO_BIN_EXE_lunette"));
    let state = place.path("state");
    let mut wrapped = Command::new("env");
    wrapped.arg(format!("STATE={}", state.display())).arg("unshare").args(command.get_args());
    findings(&place.run(wrapped, "", &[]))
}

#[test]
fn a_full_disk_and_one_that_is_read_only_are_told_apart() {
    let (findings, code) = on_a_small_disk("! head -c 70000 /dev/zero > \"$STATE/fill\"");
    let state = of(&findings, "state");
    assert!(code == 1 && state[0].0 == "fail" && state[0].1.ends_with("the disk is full"), "{code}: {state:?}");
    assert_eq!(of(&findings, "disk")[0].0, "warn");

    let (findings, code) = on_a_small_disk("mount -o remount,ro \"$STATE\"");
    let state = of(&findings, "state");
    assert!(code == 1 && state[0].1.ends_with("the file system is read-only"), "{code}: {state:?}");
}

#[test]
fn a_node_that_may_not_be_opened_is_said_with_its_group() {
    let place = Place::new();
    let node = place.path("root/dev/video0");
    fs::create_dir_all(node.parent().unwrap()).unwrap();
    fs::write(&node, "").unwrap();
    fs::set_permissions(&node, fs::Permissions::from_mode(0o000)).unwrap();
    fs::create_dir(place.path("root/etc")).unwrap();
    let group = std::os::unix::fs::MetadataExt::gid(&fs::metadata(&node).unwrap());
    fs::write(place.path("root/etc/group"), format!("{}:x:{group}:\n", if group == 0 { "root" } else { "cameras" }))
        .unwrap();
    for open in [place.dir.path().to_owned(), place.path("root"), place.path("root/dev"), place.path("state")] {
        fs::set_permissions(open, fs::Permissions::from_mode(0o777)).unwrap();
    }
    let lunette = env!("CARGO_BIN_EXE_lunette");
    let is_root = std::os::unix::fs::MetadataExt::uid(&fs::metadata("/proc/self").unwrap()) == 0;
    // Root may open anything: without its rights, then.
    let mut command = Command::new(if is_root { "setpriv" } else { lunette });
    if is_root {
        command.args(["--bounding-set=-all", "--inh-caps=-all", "--", lunette]);
    }
    let root = place.path("root");
    let (findings, code) = findings(&place.run(command, "", &["--root", root.to_str().unwrap()]));
    let said = of(&findings, "nodes");
    // The test card needs none.
    let group = if group == 0 { "root alone" } else { "the group cameras" };
    let denied = format!("/dev/video0: permission denied; it is for {group}");
    assert_eq!((code, said), (0, vec![("warn", denied.as_str())]));
}
