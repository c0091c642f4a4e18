//! A camera that is the program itself, a real mosquitto, and in between an operator that sees all and may say anything.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use lunette::trust::watcher::{Asked, Asker, Heard, nonce_of};
use lunette::trust::{Asking, CameraId, Challenge, Pinned, Point, Reason, Role, Roll, Secret, SigningKey, ViewerId};
use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS};
use serde_json::{Value, json};

use super::broker_rig::{Mosquitto, poll};
use super::common::logs;
use super::common::sealed::Signal;

/// What the operator saw: topic below the camera's, and payload.
type Seen = Arc<Mutex<Vec<(String, Vec<u8>)>>>;

/// A viewer of the test's own, whose every byte it makes.
pub struct Party {
    pub asker: Asker,
    pub key: SigningKey,
}

impl Party {
    pub fn new() -> Self {
        let key = SigningKey::generate().unwrap();
        let asker = Asker::new(SigningKey::from_pkcs8(&key.to_pkcs8()).unwrap());
        Self { asker, key }
    }

    pub fn id(&self) -> ViewerId {
        self.asker.id()
    }

    pub fn point(&self) -> Point {
        self.key.point()
    }
}

pub struct World {
    pub camera: CameraId,
    pub broker: Mosquitto,
    dir: tempfile::TempDir,
    child: Option<Child>,
    roll: Arc<Mutex<Roll>>,
    operator: AsyncClient,
    seen: Seen,
}

impl World {
    /// The camera has run once, so that it has an id, and is stopped.
    pub async fn open() -> Self {
        let broker = Mosquitto::start_with("allow_anonymous true").await;
        let dir = tempfile::tempdir().unwrap();
        let url = format!("mqtt://127.0.0.1:{}", broker.ports[0]);
        let config = format!(
            "camera = 'testcard'\nname = 'Front door'\n[video]\nsize = '320x240'\n[signal]\npage = 'https://page.example.net/'\n\
             [signal.mqtt]\nurl = '{url}'\n"
        );
        fs::write(dir.path().join("lunette.toml"), config).unwrap();
        let mut options = MqttOptions::new("operator", "127.0.0.1", broker.ports[0]);
        options.set_max_packet_size(1 << 20, 1 << 20);
        let (operator, mut events) = AsyncClient::new(options, 1024);
        // All but what viewers say, which it says itself.
        for rest in ["challenge", "status", "res/+"] {
            operator.subscribe(format!("lunette/1/+/{rest}"), QoS::AtLeastOnce).await.unwrap();
        }
        let seen = Seen::default();
        let sees = seen.clone();
        tokio::spawn(async move {
            while let Ok(event) = events.poll().await {
                if let Event::Incoming(Packet::Publish(publish)) = event {
                    let rest = publish.topic.splitn(4, '/').nth(3).unwrap_or_default().to_owned();
                    sees.lock().unwrap().push((rest, publish.payload.to_vec()));
                }
            }
        });
        let camera = CameraId::random().unwrap();
        let mut world = Self { camera, broker, dir, child: None, roll: Arc::default(), operator, seen };
        world.run().await;
        let link = world.lunette(&["pair"]);
        world.camera = link.split_once("#c=").unwrap().1[..26].parse().unwrap();
        world.stop();
        world
    }

    /// Makes a key known, before the camera runs.
    pub fn knows(&self, key: &Point, role: Role) {
        introduce(&mut self.roll.lock().unwrap(), self.camera, key, role);
    }

    /// Writes down who is known, and runs.
    pub async fn begin(&mut self) {
        let roll: Value = serde_json::from_slice(&self.roll.lock().unwrap().to_json()).unwrap();
        let kept: Value = serde_json::from_slice(&fs::read(self.state().join("trust.json")).unwrap()).unwrap();
        let kept = json!({"version": 1, "generation": kept["generation"], "roll": roll});
        fs::write(self.state().join("trust.json"), kept.to_string()).unwrap();
        self.seen.lock().unwrap().clear();
        self.run().await;
        poll("a challenge", || self.try_challenge().is_some()).await;
    }

    fn state(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lunette"));
        command.env("LUNETTE_CONFIG", self.dir.path().join("lunette.toml"));
        command.args(arguments).arg("--state").arg(self.state());
        command
    }

    async fn run(&mut self) {
        let log = fs::File::options().create(true).append(true).open(self.dir.path().join("log")).unwrap();
        let mut command = self.command(&["run", "--log", "lunette=info,lunette::signal=trace"]);
        let child = command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn();
        self.child = Some(child.unwrap());
        let socket = self.state().join("control.sock");
        poll("the daemon", || std::os::unix::net::UnixStream::connect(&socket).is_ok()).await;
    }

    fn stop(&mut self) {
        let mut child = self.child.take().unwrap();
        assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
        assert!(child.wait().unwrap().success(), "{}", self.log());
    }

    /// Stops it, and starts it again.
    pub async fn again(&mut self) {
        self.stop();
        let mark = self.mark();
        self.run().await;
        self.sees("challenge", mark).await;
    }

    /// So many of these a second, until it is aborted.
    pub fn flood(&self, payload: Vec<u8>, rate: u32) -> tokio::task::JoinHandle<()> {
        let port = self.broker.ports[0];
        let topic = format!("lunette/1/{}/req", self.camera);
        tokio::spawn(async move {
            let (client, mut events) = AsyncClient::new(MqttOptions::new("flood", "127.0.0.1", port), 1024);
            tokio::spawn(async move { while events.poll().await.is_ok() {} });
            let mut beat = tokio::time::interval(Duration::from_millis(10));
            loop {
                beat.tick().await;
                for _ in 0..rate / 100 {
                    let _ = client.publish(topic.clone(), QoS::AtMostOnce, false, payload.clone()).await;
                }
            }
        })
    }

    pub fn pid(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    pub fn says(&self, arguments: &[&str]) -> Output {
        self.command(arguments).stdin(Stdio::null()).output().unwrap()
    }

    /// What a command that succeeds says.
    pub fn lunette(&self, arguments: &[&str]) -> String {
        let output = self.says(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// The secret of a new window.
    pub fn window(&self, role: &str) -> String {
        let link = self.lunette(&["pair", "--role", role]);
        link.split_once("p=").unwrap().1.split(['&', '\n', ' ']).next().unwrap().to_owned()
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    /// Everything that the operator saw on a topic since `from`.
    pub fn saw(&self, rest: &str, from: usize) -> Vec<Vec<u8>> {
        let seen = self.seen.lock().unwrap();
        seen.iter().skip(from).filter(|(at, _)| at == rest).map(|(_, payload)| payload.clone()).collect()
    }

    /// How much it has seen.
    pub fn mark(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    pub async fn sees(&self, rest: &str, from: usize) -> Vec<u8> {
        poll(rest, || !self.saw(rest, from).is_empty()).await;
        self.saw(rest, from).remove(0)
    }

    fn try_challenge(&self) -> Option<Challenge> {
        self.saw("challenge", 0).iter().rev().find_map(|payload| Pinned::new(self.camera).take(payload).ok())
    }

    /// The newest challenge, as a viewer takes it.
    pub fn challenge(&self) -> Challenge {
        self.try_challenge().unwrap()
    }

    pub async fn inject(&self, rest: &str, retain: bool, payload: impl Into<Vec<u8>>) {
        self.operator
            .publish(format!("lunette/1/{}/{rest}", self.camera), QoS::AtLeastOnce, retain, payload)
            .await
            .unwrap();
    }

    /// How often the camera has turned something away, for this reason or for any.
    fn turned(&self, reason: Option<Reason>) -> usize {
        let words = format!("turned away: {}", reason.map_or(String::new(), |reason| format!("{reason}\n")));
        self.log().matches(&words).count()
    }

    /// How many messages the camera has turned away.
    pub fn received(&self) -> usize {
        self.turned(None)
    }

    /// Says something on `req` that the camera must turn away, for this reason.
    pub async fn refuses(&self, attack: &str, payload: &[u8], reason: Reason) {
        let (before, all) = (self.turned(Some(reason)), self.turned(None));
        self.inject("req", false, payload).await;
        poll(attack, || self.turned(None) > all).await;
        let last = self.log().lines().rfind(|line| line.contains("turned away: ")).unwrap().to_owned();
        assert_eq!(self.turned(Some(reason)), before + 1, "{attack}: not {reason}, but {last}");
        assert_eq!(self.turned(None), all + 1, "{attack}");
    }

    /// Says something on `req`, and what the viewer makes of the answer.
    pub async fn asks(&self, (payload, mut asked): (Vec<u8>, Asked)) -> (Value, Asked) {
        let mark = self.mark();
        let rest = format!("res/{}", viewer_of(&payload));
        self.inject("req", false, payload).await;
        let mut answer = None;
        poll("an answer", || {
            answer = self.saw(&rest, mark).into_iter().find(|payload| nonce_of(payload) == Some(asked.nonce()));
            answer.is_some()
        })
        .await;
        let said = match asked.hear(&answer.unwrap(), &self.challenge()).unwrap() {
            Heard::Message(plain) => serde_json::from_slice(&plain).unwrap(),
            Heard::Refused(reason) => json!({"type": "turned", "reason": reason.to_string()}),
        };
        (said, asked)
    }

    pub async fn says_as(&self, who: &Party, message: &Value) -> (Value, Asked) {
        self.asks(who.asker.open(&self.challenge(), message.to_string().as_bytes()).unwrap()).await
    }

    pub async fn pairs_as(&self, who: &Party, message: &Value) -> Value {
        self.asks(who.asker.pair(&self.challenge(), message.to_string().as_bytes()).unwrap()).await.0
    }

    /// Honest viewers, whose messages the operator carries. Those that are paired before [`World::begin`] are known.
    pub fn viewers(&self) -> Arc<Signal> {
        let (operator, seen, roll, camera) = (self.operator.clone(), self.seen.clone(), self.roll.clone(), self.camera);
        let topic = format!("lunette/1/{camera}/req");
        Signal::sealed(
            camera,
            Box::new(move |payload| {
                operator.try_publish(topic.clone(), QoS::AtLeastOnce, false, payload.to_vec()).unwrap();
            }),
            Box::new(move || {
                let seen = seen.lock().unwrap();
                seen.iter().rfind(|(rest, _)| rest == "challenge").unwrap().1.clone()
            }),
            Box::new(move |key| introduce(&mut roll.lock().unwrap(), camera, key, Role::View)),
        )
    }

    /// Carries what the camera says to these viewers, from now on.
    pub fn carry(&self, signal: &Arc<Signal>, ids: &[ViewerId]) {
        let (seen, signal, ids) = (self.seen.clone(), signal.clone(), ids.to_vec());
        let mut from = self.mark();
        tokio::spawn(async move {
            loop {
                let new: Vec<_> = seen.lock().unwrap().iter().skip(from).cloned().collect();
                from += new.len();
                for (rest, payload) in new {
                    if let Some(id) = ids.iter().find(|id| rest == format!("res/{id}")) {
                        signal.hear(*id, &payload);
                    }
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        });
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        logs::keep_file(&self.dir.path().join("log"), "hostile");
        if std::thread::panicking() {
            eprintln!("{}", self.log());
        }
    }
}

/// Whose topic the answer to a request is on.
fn viewer_of(payload: &[u8]) -> ViewerId {
    match payload[4] {
        3 => ViewerId::of_key(&payload[40..105]),
        _ => ViewerId::from_bytes(payload[40..56].try_into().unwrap()),
    }
}

fn introduce(roll: &mut Roll, camera: CameraId, key: &Point, role: Role) {
    let secret = Secret::random().unwrap();
    let asking: Asking = serde_json::from_value(json!({"secret": &*secret.text(), "label": "a test"})).unwrap();
    roll.open_window(&secret, role, Instant::now());
    roll.pair(&camera, key, &asking, Instant::now(), None).unwrap();
}

pub fn flipped(payload: &[u8], at: usize) -> Vec<u8> {
    let mut payload = payload.to_vec();
    payload[at] ^= 1;
    payload
}

pub fn with(payload: &[u8], at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut payload = payload.to_vec();
    payload[at..at + bytes.len()].copy_from_slice(bytes);
    payload
}

/// CPU time that a process has used.
pub fn cpu(pid: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<_> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    // utime and stime (proc(5)), in ticks of 10 ms.
    Duration::from_millis((fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()) * 10)
}

/// One of this machine's that the camera can use, too: it takes none of loopback.
pub fn address() -> String {
    let found =
        if_addrs::get_if_addrs().unwrap().into_iter().map(|i| i.ip()).find(|ip| ip.is_ipv4() && !ip.is_loopback());
    found.expect("an IPv4 address beside 127.0.0.1; the camera takes none of loopback").to_string()
}
