//! A real mosquitto, a camera's signaling on it, and a viewer beside it.
#![allow(dead_code, clippy::unwrap_used, clippy::panic, reason = "each test uses a part of it")]

#[allow(clippy::duplicate_mod, reason = "a test may have two rigs")]
#[path = "../logs/mod.rs"]
pub mod logs;

use std::fmt::Write as _;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use lunette::config::Config;
use lunette::keeper::Keeper;
use lunette::media::status::CameraState;
use lunette::signal::broker::BrokerError;
use lunette::signal::message::{About, CameraLine, Request};
use lunette::signal::mqtt::{self, Broker};
use lunette::signal::{Asked, Inbound, Outbox};
use lunette::trust::watcher::{self, Asker, Heard, Listener, nonce_of};
use lunette::trust::{
    Asking, BootId, BroadcastKey, CameraId, Challenge, Exchange, IdentityKey, Pinned, Role, Roll, Secret, SigningKey,
    ViewerId,
};
use rcgen::{CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS};
use serde_json::{Value, json};
use tokio::sync::mpsc;

/// Of a listener.
const WS: &str = "protocol websockets\n";
/// A machine may be slow, and a reconnection waits; what does not come in this time does not come.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// The cameras that there are, whose status viewers can read. All have one identity.
static CAMERAS: Mutex<Vec<Keeper>> = Mutex::new(Vec::new());

fn identity() -> IdentityKey {
    IdentityKey::new(SigningKey::from_scalar(&[7; 32]).unwrap())
}

fn viewer() -> Asker {
    Asker::new(SigningKey::from_scalar(&[9; 32]).unwrap())
}

/// As it stands in a state folder.
pub fn identity_pem() -> String {
    let key = SigningKey::from_scalar(&[7; 32]).unwrap().to_pkcs8();
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", data_encoding::BASE64.encode(&key))
}

pub fn cam() -> CameraId {
    identity().camera()
}

pub fn me() -> ViewerId {
    viewer().id()
}

pub fn topic(rest: &str) -> String {
    format!("lunette/1/{}/{rest}", cam())
}

/// Where this viewer is answered.
pub fn mine() -> String {
    format!("res/{}", me())
}

/// A camera's keeper, to which this viewer is known.
pub fn keeper() -> Keeper {
    let keeper = Keeper::forgetful(identity(), Roll::default(), BootId::random().unwrap()).unwrap();
    let secret = Secret::random().unwrap();
    let asking: Asking = serde_json::from_value(json!({"secret": &*secret.text(), "label": "me"})).unwrap();
    let mut roll = keeper.roll();
    roll.open_window(&secret, Role::View, Instant::now());
    roll.pair(&keeper.camera(), &viewer().key().point(), &asking, Instant::now(), keeper.wall()).unwrap();
    drop(roll);
    CAMERAS.lock().unwrap().push(keeper.clone());
    keeper
}

/// mosquitto in a fresh folder. Dropped, it is ended; in a test that fails it shows its log.
pub struct Mosquitto {
    pub dir: tempfile::TempDir,
    /// Of the listeners mqtt, mqtts, ws, wss, and mqtts that demands a client's certificate.
    pub ports: [u16; 5],
    extra: String,
    child: Option<Child>,
}

impl Mosquitto {
    pub async fn start() -> Self {
        Self::start_with("allow_anonymous true").await
    }

    /// `extra`: lines of its config; `DIR` is its folder.
    pub async fn start_with(extra: &str) -> Self {
        logs::keep("lunette=debug");
        let dir = tempfile::tempdir().unwrap();
        certificates(&dir);
        for file in ["passwords", "acl"] {
            std::fs::write(dir.path().join(file), "").unwrap();
        }
        let extra = extra.replace("DIR", dir.path().to_str().unwrap());
        let mut broker = Self { dir, ports: std::array::from_fn(|_| free_port()), extra, child: None };
        broker.run().await;
        broker
    }

    /// Starts it, at first or again, on the same ports.
    pub async fn run(&mut self) {
        let dir = self.dir.path().display();
        let mut config =
            format!("user root\nlog_dest file {dir}/log\nlog_type all\nmax_queued_messages 0\n{}\n", self.extra);
        let tls = format!("certfile {dir}/server.pem\nkeyfile {dir}/server.key\ncafile {dir}/ca.pem\n");
        let kinds =
            ["".into(), tls.clone(), WS.into(), format!("{WS}{tls}"), format!("{tls}require_certificate true\n")];
        for (port, lines) in self.ports.iter().zip(kinds) {
            write!(config, "listener {port} 127.0.0.1\n{lines}").unwrap();
            // A WebSocket listener has both families, whatever is said.
            if !lines.starts_with(WS) && TcpListener::bind("[::1]:0").is_ok() {
                write!(config, "listener {port} ::1\n{lines}").unwrap();
            }
        }
        std::fs::write(self.dir.path().join("config"), config).unwrap();
        // Debian keeps it where a user's PATH does not lead.
        let path = format!("{}:/usr/sbin:/usr/local/sbin", std::env::var("PATH").unwrap_or_default());
        let mut command = Command::new("/usr/bin/env");
        command.env("PATH", path).arg("mosquitto").arg("-c").arg(self.dir.path().join("config"));
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        self.child = Some(child);
        poll("mosquitto to listen", || {
            if let Some(status) = self.child.as_mut().unwrap().try_wait().unwrap() {
                panic!("mosquitto ended ({status}); these tests need Debian's package mosquitto:\n{}", self.log());
            }
            self.ports.iter().all(|port| TcpStream::connect(("127.0.0.1", *port)).is_ok())
        })
        .await;
    }

    pub fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Waits, in the place of one that was killed, until a camera looks for it.
    pub async fn is_missed(&self) {
        let plain = tokio::net::TcpListener::bind(("127.0.0.1", self.ports[0])).await.unwrap();
        tokio::time::timeout(PATIENCE, plain.accept()).await.expect("a try").unwrap();
    }

    /// `HUP`, `STOP`, `CONT`.
    pub fn signal(&self, name: &str) {
        let id = self.child.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args([format!("-{name}"), id]).status().unwrap().success());
    }

    /// Sets passwords and has them read, for the `turn`th time.
    pub async fn passwords(&self, logins: &[(&str, &str)], turn: usize) {
        let file = self.dir.path().join("passwords");
        std::fs::write(&file, "").unwrap();
        for (user, password) in logins {
            let status = Command::new("mosquitto_passwd").arg("-b").arg(&file).args([user, password]).status();
            assert!(status.expect("mosquitto_passwd, of Debian's package mosquitto").success());
        }
        self.signal("HUP");
        self.says("Reloading config", turn).await;
    }

    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.dir.path().join("log")).unwrap_or_default()).into_owned()
    }

    /// Waits until its log has these words so many times.
    pub async fn says(&self, words: &str, times: usize) {
        poll(words, || self.log().matches(words).count() >= times).await;
    }

    /// How often a camera was let in.
    pub fn connections(&self) -> usize {
        self.log().matches(&format!(" as lunette-{}", cam())).count()
    }

    pub fn path(&self, file: &str) -> String {
        self.dir.path().join(file).to_str().unwrap().to_owned()
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        if self.child.is_some() {
            self.kill();
        }
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<_> = log.lines().collect();
            eprintln!("mosquitto: {}", lines[lines.len().saturating_sub(40)..].join("\nmosquitto: "));
        }
    }
}

/// Below the ports that outgoing connections take, so that nobody takes it while the broker is down.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = std::process::id() * 64 % 20_000;
    let ports =
        std::iter::repeat_with(|| 10_000 + ((first + u32::from(NEXT.fetch_add(1, Ordering::Relaxed))) % 20_000) as u16);
    let free = |port: &u16| TcpListener::bind(("0.0.0.0", *port)).is_ok();
    ports.take(1000).find(free).expect("a free port")
}

/// A CA, the broker's certificate, a client's.
fn certificates(dir: &tempfile::TempDir) {
    let write = |file: &str, text: String| std::fs::write(dir.path().join(file), text).unwrap();
    let issuer = |file: &str| {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, file);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        write(file, issuer.pem());
        issuer
    };
    let (ca, _) = (issuer("ca.pem"), issuer("other-ca.pem"));
    for name in ["server", "client"] {
        let names = ["localhost".into(), "127.0.0.1".into(), "::1".into()];
        let key = KeyPair::generate().unwrap();
        write(&format!("{name}.pem"), CertificateParams::new(names).unwrap().signed_by(&key, &ca).unwrap().pem());
        write(&format!("{name}.key"), key.serialize_pem());
    }
}

/// A camera's end.
pub struct Camera {
    pub requests: mpsc::Receiver<Inbound>,
    pub outbox: Outbox,
    pub boot: BootId,
    pub keeper: Keeper,
}

impl Camera {
    /// `mqtt`: lines of `[signal.mqtt]`.
    pub fn open(mqtt: &str) -> Result<Self, BrokerError> {
        let config = Config::parse(&format!("[signal.mqtt]\n{mqtt}")).unwrap();
        let broker = Broker::open(&config.signal.mqtt.unwrap())?;
        let keeper = keeper();
        let boot = keeper.boot();
        let (requests, outbox) = mqtt::open(broker, keeper.clone(), None);
        let camera = Self { requests, outbox, boot, keeper };
        camera.say("hello");
        Ok(camera)
    }

    /// On the plain listener.
    pub fn at(broker: &Mosquitto) -> Self {
        Self::open(&format!("url = 'mqtt://127.0.0.1:{}'", broker.ports[0])).unwrap()
    }

    /// Its status.
    pub fn say(&self, text: &str) {
        let camera = CameraLine { state: CameraState::Idle, text: text.into() };
        let about = About { name: "Front door".into(), version: "0".into(), camera, streams: Vec::new() };
        self.outbox.set_status(self.boot, about);
    }

    /// Waits for the next request, and in which exchange it is to be answered.
    pub async fn asked(&mut self) -> (Arc<Exchange>, Request) {
        let next = tokio::time::timeout(PATIENCE, self.requests.recv());
        let Inbound { exchange, asked } = next.await.expect("a request").unwrap();
        match asked {
            Asked::Request(request) => (exchange, request),
            other => panic!("{other:?}"),
        }
    }

    /// Whether a status is this camera's.
    pub fn is_status(&self, online: bool) -> impl Fn(&Value) -> bool + use<> {
        let boot = self.boot.to_string();
        move |status| status["online"] == online && status["boot"] == boot.as_str()
    }
}

/// A viewer on the plain listener: it sees all that the camera says to it and to everyone.
pub struct Viewer {
    mqtt: AsyncClient,
    messages: mpsc::UnboundedReceiver<(String, Vec<u8>)>,
    challenge: Option<Challenge>,
    open: Vec<watcher::Asked>,
}

impl Viewer {
    pub async fn at(broker: &Mosquitto) -> Self {
        static NUMBER: AtomicU16 = AtomicU16::new(0);
        let name = format!("viewer-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let mut options = MqttOptions::new(name, "127.0.0.1", broker.ports[0]);
        options.set_credentials("viewer", "geheim").set_max_packet_size(2 << 20, 2 << 20);
        let (mqtt, mut events) = AsyncClient::new(options, 64);
        for rest in ["challenge", "status", &mine()] {
            mqtt.subscribe(topic(rest), QoS::AtLeastOnce).await.unwrap();
        }
        let (sender, messages) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok(event) = events.poll().await {
                if let Event::Incoming(Packet::Publish(publish)) = event {
                    let _ = sender.send((publish.topic, publish.payload.to_vec()));
                }
            }
        });
        Self { mqtt, messages, challenge: None, open: Vec::new() }
    }

    pub async fn publish(&self, rest: &str, retain: bool, payload: impl Into<Vec<u8>>) {
        self.mqtt.publish(topic(rest), QoS::AtLeastOnce, retain, payload.into()).await.unwrap();
    }

    pub async fn hello(&mut self) {
        self.ask(&Request::Hello.to_json()).await;
    }

    /// Opens an exchange.
    pub async fn ask(&mut self, plain: &[u8]) {
        // What waits may be a newer challenge.
        while let Ok((at, payload)) = self.messages.try_recv() {
            self.take(&at, &payload);
        }
        if self.challenge.is_none() {
            self.sees("challenge", |_| true).await;
        }
        let (payload, asked) = viewer().open(self.challenge.as_ref().unwrap(), plain).unwrap();
        self.open.push(asked);
        self.publish("req", false, payload).await;
    }

    /// What is said on a topic, as JSON; nothing, where it is something else.
    fn take(&mut self, at: &str, payload: &[u8]) -> Option<Value> {
        println!("{at}: {} bytes", payload.len());
        if at == topic("challenge") {
            if let Ok(challenge) = Pinned::new(cam()).take(payload) {
                self.challenge = Some(challenge);
            }
            None
        } else if at == topic("status") {
            let plain = status(payload).unwrap_or_else(|| payload.to_vec());
            serde_json::from_slice(&plain).ok()
        } else {
            let nonce = nonce_of(payload)?;
            let asked = self.open.iter_mut().find(|asked| asked.nonce() == nonce)?;
            match asked.hear(payload, self.challenge.as_ref().unwrap()).unwrap() {
                Heard::Message(plain) => serde_json::from_slice(&plain).ok(),
                Heard::Refused(reason) => Some(json!({"type": "turned", "reason": reason.to_string()})),
            }
        }
    }

    /// The next message on a topic that fits.
    async fn finds(&mut self, rest: &str, fits: impl Fn(&[u8], Option<&Value>) -> bool) {
        let search = async {
            while let Some((at, payload)) = self.messages.recv().await {
                let json = self.take(&at, &payload);
                if at == topic(rest) && fits(&payload, json.as_ref()) {
                    return;
                }
            }
            panic!("the viewer's connection ended");
        };
        tokio::time::timeout(PATIENCE, search).await.unwrap_or_else(|_| panic!("nothing that fits on {rest}"));
    }

    /// The next payload on a topic that fits.
    pub async fn sees(&mut self, rest: &str, fits: impl Fn(&[u8]) -> bool) {
        self.finds(rest, |payload, _| fits(payload)).await;
    }

    /// The next message on a topic that fits.
    pub async fn reads(&mut self, rest: &str, fits: impl Fn(&Value) -> bool) {
        self.finds(rest, |_, json| json.is_some_and(&fits)).await;
    }
}

/// What a sealed status says; `None`: it is of none of the cameras that there are.
fn status(payload: &[u8]) -> Option<Vec<u8>> {
    let boot = BootId::from_bytes(payload.get(24..40)?.try_into().ok()?);
    let keeper = CAMERAS.lock().unwrap().iter().find(|keeper| keeper.boot() == boot)?.clone();
    let challenge = Pinned::new(cam()).take(&keeper.challenge()).unwrap();
    let key = BroadcastKey::from_text(&keeper.broadcast_key()).unwrap();
    Listener::new(cam()).hear(payload, &challenge, &key).ok()
}

/// Waits until something is so.
pub async fn poll(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "waited in vain for: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
