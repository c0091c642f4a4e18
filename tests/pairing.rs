//! Pairing, revoking and resetting from outside: the program itself, a real mosquitto, and a viewer beside it.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod broker_rig;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use broker_rig::{Mosquitto, PATIENCE, logs, poll};
use lunette::trust::watcher::{Asked, Asker, Heard, nonce_of};
use lunette::trust::{CameraId, Challenge, Pinned, SigningKey};
use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS};
use serde_json::{Value, json};
use tokio::sync::mpsc;

/// A camera that is the program itself.
struct Daemon {
    dir: tempfile::TempDir,
    child: Option<Child>,
}

impl Daemon {
    fn start(broker: &Mosquitto) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = format!(
            "camera = 'testcard'\nname = 'Front door'\n[signal]\npage = 'https://page.example.net/'\n[signal.mqtt]\nurl = 'mqtt://127.0.0.1:{}'\n",
            broker.ports[0]
        );
        fs::write(dir.path().join("lunette.toml"), config).unwrap();
        let mut daemon = Self { dir, child: None };
        daemon.run();
        daemon
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lunette"));
        command.env("LUNETTE_CONFIG", self.dir.path().join("lunette.toml")).env("LUNETTE_LOG", "lunette=debug");
        command.args(arguments).arg("--state").arg(self.state());
        command
    }

    fn state(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    /// Starts it, and waits until it can be asked.
    fn run(&mut self) {
        let log = fs::File::options().create(true).append(true).open(self.dir.path().join("log")).unwrap();
        let child = self.command(&["run"]).stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn();
        self.child = Some(child.unwrap());
        let start = Instant::now();
        while UnixStream::connect(self.state().join("control.sock")).is_err() {
            assert!(start.elapsed() < PATIENCE, "it does not start: {}", self.log());
            assert_eq!(self.child.as_mut().unwrap().try_wait().unwrap(), None, "{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn stop(&mut self) {
        let mut child = self.child.take().unwrap();
        assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
        assert!(child.wait().unwrap().success(), "{}", self.log());
    }

    fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    fn says(&self, arguments: &[&str]) -> Output {
        self.command(arguments).stdin(Stdio::null()).output().unwrap()
    }

    /// What a command that succeeds says.
    fn tells(&self, arguments: &[&str]) -> String {
        let output = self.says(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", text(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// What a command that fails says.
    fn fails(&self, arguments: &[&str]) -> String {
        let output = self.says(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {}", text(&output));
        text(&output)
    }

    fn viewers(&self) -> Vec<Value> {
        serde_json::from_str(&self.tells(&["viewers", "--json"])).unwrap()
    }
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        logs::keep_file(&self.dir.path().join("log"), "pairing");
        if std::thread::panicking() {
            eprintln!("{}", self.log());
        }
    }
}

/// What a link says.
struct Link {
    text: String,
    camera: CameraId,
    secret: String,
}

fn link(said: &str) -> Link {
    let text = said.split_whitespace().find(|word| word.starts_with("https://page.example.net/#")).unwrap().to_owned();
    let fragment = text.split_once('#').unwrap().1;
    let part = |name: &str| fragment.split('&').find_map(|pair| pair.strip_prefix(name)).unwrap().to_owned();
    assert_eq!(part("n="), "Front%20door");
    Link { camera: part("c=").parse().unwrap(), secret: part("p="), text }
}

/// Somebody with a link.
struct Person {
    asker: Asker,
    camera: CameraId,
    mqtt: AsyncClient,
    messages: mpsc::UnboundedReceiver<(String, Vec<u8>)>,
    challenge: Option<Challenge>,
}

impl Person {
    async fn at(broker: &Mosquitto, camera: CameraId) -> Self {
        let asker = Asker::new(SigningKey::generate().unwrap());
        let mut options = MqttOptions::new(asker.id().as_str(), "127.0.0.1", broker.ports[0]);
        options.set_max_packet_size(1 << 20, 1 << 20);
        let (mqtt, mut events) = AsyncClient::new(options, 64);
        for rest in [format!("res/{}", asker.id()), "status".into(), "challenge".into()] {
            mqtt.subscribe(format!("lunette/1/{camera}/{rest}"), QoS::AtLeastOnce).await.unwrap();
        }
        let (sender, messages) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok(event) = events.poll().await {
                if let Event::Incoming(Packet::Publish(publish)) = event {
                    let _ = sender.send((publish.topic, publish.payload.to_vec()));
                }
            }
        });
        Self { asker, camera, mqtt, messages, challenge: None }
    }

    /// Waits for something on a topic.
    async fn hears<T>(&mut self, rest: &str, mut fits: impl FnMut(&mut Self, &[u8]) -> Option<T>) -> T {
        let topic = format!("lunette/1/{}/{rest}", self.camera);
        let search = async {
            loop {
                let (at, payload) = self.messages.recv().await.unwrap();
                if at.ends_with("/challenge") {
                    self.challenge = Pinned::new(self.camera).take(&payload).ok().or(self.challenge.take());
                }
                if at == topic
                    && let Some(it) = fits(self, &payload)
                {
                    return it;
                }
            }
        };
        tokio::time::timeout(PATIENCE, search).await.unwrap_or_else(|_| panic!("nothing on {rest}"))
    }

    /// Asks, and waits for the answer.
    async fn asks(&mut self, message: &Value) -> Value {
        if self.challenge.is_none() {
            self.hears("challenge", |me, _| me.challenge.clone()).await;
        }
        let (challenge, plain) = (self.challenge.clone().unwrap(), message.to_string());
        let (payload, mut asked) = match message["type"].as_str() {
            Some("pair") => self.asker.pair(&challenge, plain.as_bytes()).unwrap(),
            _ => self.asker.open(&challenge, plain.as_bytes()).unwrap(),
        };
        self.mqtt.publish(format!("lunette/1/{}/req", self.camera), QoS::AtLeastOnce, false, payload).await.unwrap();
        let mine = format!("res/{}", self.asker.id());
        self.hears(&mine, |me, payload| answer(&mut asked, payload, me.challenge.as_ref()?)).await
    }

    async fn pairs(&mut self, secret: &str, label: &str) -> Value {
        self.asks(&json!({"v": 1, "type": "pair", "secret": secret, "label": label})).await
    }
}

fn answer(asked: &mut Asked, payload: &[u8], challenge: &Challenge) -> Option<Value> {
    if nonce_of(payload) != Some(asked.nonce()) {
        return None;
    }
    match asked.hear(payload, challenge).unwrap() {
        Heard::Message(plain) => serde_json::from_slice(&plain).ok(),
        Heard::Refused(reason) => Some(json!({"type": "turned", "reason": reason.to_string()})),
    }
}

async fn broker() -> Mosquitto {
    Mosquitto::start_with("allow_anonymous true").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_pairs_one_viewer_and_what_is_known_outlives_a_restart() {
    let broker = broker().await;
    let mut daemon = Daemon::start(&broker);
    poll("the hint", || daemon.log().contains("nobody is paired yet: run `lunette pair`")).await;
    assert!(daemon.tells(&["viewers"]).contains("Nobody is paired yet"), "the empty list says what to do");
    let first = link(&daemon.tells(&["pair"]));
    let mut anna = Person::at(&broker, first.camera).await;
    let paired = anna.pairs(&first.secret, "Anna's \u{1b}[31mphone").await;
    assert_eq!((&paired["type"], &paired["role"]), (&"paired".into(), &"owner".into()), "the first is the owner");
    assert_eq!(paired["name"], "Front door");
    assert!(!daemon.tells(&["viewers"]).contains('\u{1b}'), "a label does not steer a terminal");

    // The same link, by another; and once more by the same, whose answer was lost.
    let mut thief = Person::at(&broker, first.camera).await;
    assert_eq!(thief.pairs(&first.secret, "thief").await["reason"], "pairing_used");
    assert_eq!(thief.asks(&json!({"v": 1, "type": "hello"})).await, json!({"type": "turned", "reason": "not_paired"}));
    assert_eq!(anna.pairs(&first.secret, "Anna").await["type"], "paired");

    let second = link(&daemon.tells(&["pair", "--broker", "wss://broker.example.net/mqtt"]));
    assert!(second.text.contains("&b=wss%3A%2F%2Fbroker.example.net%2Fmqtt"), "{}", second.text);
    let mut ben = Person::at(&broker, first.camera).await;
    assert_eq!(ben.pairs("AAAAAAAAAAAAAAAAAAAAAA", "Ben").await["reason"], "pairing_wrong");
    assert_eq!(ben.pairs(&second.secret, "Ben").await["role"], "view", "those after the first only watch");
    assert_eq!(ben.asks(&json!({"v": 1, "type": "viewers"})).await["reason"], "not_allowed");

    let state = daemon.state();
    let mode = |name: &str| fs::metadata(state.join(name)).unwrap().permissions().mode() & 0o777;
    for name in ["trust.json", "identity.pem", "control.sock", "audit.log", "lock"] {
        assert_eq!(mode(name), 0o600, "{name}");
    }
    daemon.stop();
    assert!(!state.join("control.sock").exists());
    assert_eq!(daemon.viewers().len(), 2, "known without a daemon");
    assert!(daemon.fails(&["status"]).contains("start it"));
    assert!(daemon.fails(&["pair"]).contains("start it"));

    daemon.run();
    (anna.challenge, ben.challenge) = (None, None);
    let camera = first.camera;
    for (person, role) in [(&mut anna, "owner"), (&mut ben, "view")] {
        // The retained challenge of before may come first.
        let topic = format!("lunette/1/{camera}/challenge");
        person.mqtt.subscribe(topic, QoS::AtLeastOnce).await.unwrap();
        let start = Instant::now();
        let welcome = loop {
            let said = person.asks(&json!({"v": 1, "type": "hello"})).await;
            if said["type"] == "welcome" {
                break said;
            }
            assert_eq!(said["reason"], "stale");
            assert!(start.elapsed() < PATIENCE);
            person.challenge = None;
        };
        assert_eq!(welcome["role"], role);
    }
    let list = anna.asks(&json!({"v": 1, "type": "viewers"})).await;
    assert_eq!(list["viewers"].as_array().unwrap().len(), 2);

    let log = daemon.log();
    for secret in [&first.secret, &second.secret] {
        assert!(!log.contains(secret.as_str()), "a link is not in the log");
        assert!(!fs::read_to_string(daemon.state().join("audit.log")).unwrap().contains(secret.as_str()));
    }
    assert!(daemon.tells(&["audit", "--verify"]).starts_with("All "));
}

#[tokio::test(flavor = "multi_thread")]
async fn revoking_renaming_and_resetting() {
    let broker = broker().await;
    let mut daemon = Daemon::start(&broker);
    let invite = |role: &str| link(&daemon.tells(&["pair", "--role", role]));
    let first = invite("owner");
    let mut anna = Person::at(&broker, first.camera).await;
    anna.pairs(&first.secret, "Anna").await;
    let mut people = Vec::new();
    for name in ["Ben", "Ben", "Cleo"] {
        let link = invite("view");
        let mut person = Person::at(&broker, link.camera).await;
        assert_eq!(person.pairs(&link.secret, name).await["type"], "paired");
        people.push(person);
    }
    let [ben, other, cleo] = people.try_into().ok().unwrap();
    let (mut ben, mut cleo): (Person, Person) = (ben, cleo);
    let hello = json!({"v": 1, "type": "hello"});

    assert!(daemon.fails(&["revoke", "Ben"]).contains(other.asker.id().as_str()), "two of one name are told apart");
    assert!(daemon.fails(&["revoke", "Nobody"]).contains("lunette viewers"));
    daemon.tells(&["revoke", ben.asker.id().as_str()]);
    assert_eq!(ben.asks(&hello).await["reason"], "revoked");

    // By the owner's page; and not by one who only watches.
    let revoke = |who: &Person| json!({"v": 1, "type": "revoke", "viewer": who.asker.id()});
    assert_eq!(cleo.asks(&revoke(&anna)).await["reason"], "not_allowed");
    let rename = json!({"v": 1, "type": "rename", "viewer": cleo.asker.id(), "label": "Cleo's tablet"});
    assert_eq!(anna.asks(&rename).await, json!({"v": 1, "type": "done", "re": "rename"}));
    assert_eq!(cleo.asks(&hello).await["label"], "Cleo's tablet");
    assert_eq!(anna.asks(&revoke(&other)).await["type"], "done");
    assert_eq!(anna.asks(&revoke(&other)).await["reason"], "unknown_viewer");
    assert_eq!(daemon.viewers().len(), 2);

    // Without a daemon, too.
    daemon.stop();
    daemon.tells(&["revoke", "Cleo's tablet"]);
    daemon.run();
    cleo.challenge = None;
    let said = loop {
        let said = cleo.asks(&hello).await;
        if said["reason"] != "stale" {
            break said;
        }
        cleo.challenge = None;
    };
    assert_eq!(said["reason"], "revoked");

    assert!(daemon.fails(&["reset"]).contains("--yes"), "without a terminal it must be meant");
    let refused = daemon.fails(&["reset", "--identity", "--yes"]);
    assert!(refused.contains("stop the Lunette that runs first"), "{refused}");
    let status: Value = serde_json::from_str(&daemon.tells(&["status", "--json"])).unwrap();
    assert_eq!((&status["viewers"], &status["broker"], &status["watching"]), (&1.into(), &true.into(), &json!([])));
    let words = status["words"].as_str().unwrap();
    assert!(words.split(' ').count() == 6 && daemon.tells(&["status"]).contains(words), "{status}");
    daemon.tells(&["reset", "--yes"]);
    assert_eq!(daemon.viewers(), Vec::<Value>::new());
    // Challenges of before the restart may still be waiting to be heard.
    let said = loop {
        let said = anna.asks(&hello).await;
        if said["reason"] != "stale" {
            break said;
        }
        anna.challenge = None;
    };
    assert_eq!(said["reason"], "not_paired");
    daemon.stop();
    daemon.tells(&["reset", "--identity", "--yes"]);
    daemon.run();
    assert_ne!(link(&daemon.tells(&["pair"])).camera, first.camera, "it is another camera");

    let log = daemon.tells(&["audit"]);
    for what in ["pair", "revoke", "rename", "reset", "refused"] {
        assert!(log.contains(&format!("  {what} ")), "{what}: {log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_damaged_is_not_forgotten_and_what_is_changed_is_seen() {
    let broker = broker().await;
    let mut daemon = Daemon::start(&broker);
    let first = link(&daemon.tells(&["pair"]));
    let mut anna = Person::at(&broker, first.camera).await;
    anna.pairs(&first.secret, "Anna").await;
    anna.asks(&json!({"v": 1, "type": "rename", "viewer": anna.asker.id(), "label": "Emil"})).await;
    // A second one on the same folder, and a stranger at the socket's door.
    let second = daemon.says(&["run"]);
    assert!(text(&second).contains("another Lunette uses the state folder"), "{}", text(&second));
    let mut stream = UnixStream::connect(daemon.state().join("control.sock")).unwrap();
    stream.write_all(b"{\"ask\":\"nonsense\"}\n").unwrap();
    let mut said = String::new();
    BufReader::new(stream).read_line(&mut said).unwrap();
    assert!(said.contains("refused"), "{said}");
    daemon.stop();

    let audit = daemon.state().join("audit.log");
    let kept = fs::read_to_string(&audit).unwrap();
    fs::write(&audit, kept.replacen("Anna", "Emma", 1)).unwrap();
    let found = daemon.fails(&["audit", "--verify"]);
    assert!(found.contains("audit.log:"), "{found}");
    fs::write(&audit, kept).unwrap();
    daemon.tells(&["audit", "--verify"]);

    let trust = daemon.state().join("trust.json");
    let whole = fs::read(&trust).unwrap();
    fs::write(&trust, &whole[..whole.len() / 2]).unwrap();
    for arguments in [&["run"][..], &["viewers"], &["revoke", "Anna"]] {
        let output = daemon.says(arguments);
        assert!(!output.status.success());
        assert!(text(&output).contains("trust.json") && text(&output).contains("lunette reset"), "{}", text(&output));
    }
    assert_eq!(daemon.says(&["run"]).status.code(), Some(2), "trying again does not mend it");
    assert_eq!(fs::read(&trust).unwrap().len(), whole.len() / 2, "nothing was written over it");
    daemon.tells(&["reset", "--yes"]);
    assert_eq!(daemon.viewers(), Vec::<Value>::new());
}
