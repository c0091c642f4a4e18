//! MQTT 3.1.1 clients that try what they may not, and a RabbitMQ.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rumqttc::{AsyncClient, Event, EventLoop, LastWill, MqttOptions, Packet, QoS, SubscribeReasonCode};
use tokio::time::timeout;

pub const CAM: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaa";
pub const NEIGHBOUR: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbb";
pub const ME: &str = "mmmmmmmmmmmmmmmmmmmmmmmmmm";
pub const OTHER: &str = "oooooooooooooooooooooooooo";
/// May read all and write all: how the test sees what came through.
pub const OBSERVER: &str = "observer";
pub const FLEET: &str = "fleet";
/// A machine may be slow.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub fn topic(rest: &str) -> String {
    format!("lunette/1/{CAM}/{rest}")
}

/// What `lunette acl` prints.
pub fn lunette_acl(args: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_lunette")).arg("acl").args(args).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A message: topic and text.
pub type Heard = (String, String);

pub struct Client {
    mqtt: AsyncClient,
    events: EventLoop,
    heard: Vec<Heard>,
    gone: bool,
}

impl Client {
    pub fn options(port: u16, user: &str, id: &str) -> MqttOptions {
        let mut options = MqttOptions::new(id, "127.0.0.1", port);
        options.set_credentials(user, user).set_keep_alive(Duration::from_secs(60));
        options
    }

    /// Nobody, when the broker does not let it in.
    pub async fn with(options: MqttOptions) -> Option<Self> {
        let (mqtt, mut events) = AsyncClient::new(options, 64);
        match timeout(PATIENCE, events.poll()).await.expect("an answer") {
            Ok(Event::Incoming(Packet::ConnAck(_))) => Some(Self { mqtt, events, heard: vec![], gone: false }),
            _ => None,
        }
    }

    pub async fn login(port: u16, user: &str) -> Self {
        let name = if user == "camera" { format!("lunette-{CAM}") } else { user.to_owned() };
        let id = format!("{name}-{}", lunette::trust::SessionId::random().unwrap());
        Self::with(Self::options(port, user, &id)).await.unwrap_or_else(|| panic!("{user} is not let in"))
    }

    /// Handles what comes until something fits; nothing, when the connection ends before.
    async fn until<T>(&mut self, fits: impl Fn(&Packet) -> Option<T>) -> Option<T> {
        while !self.gone {
            match timeout(PATIENCE, self.events.poll()).await.expect("a packet") {
                Ok(Event::Incoming(packet)) => {
                    if let Packet::Publish(publish) = &packet {
                        let text = String::from_utf8_lossy(&publish.payload).into_owned();
                        self.heard.push((publish.topic.clone(), text));
                    }
                    if let Some(found) = fits(&packet) {
                        return Some(found);
                    }
                }
                Ok(Event::Outgoing(_)) => {}
                Err(_) => self.gone = true,
            }
        }
        None
    }

    /// Whether the broker says yes; it may say so, and then hand out nothing.
    pub async fn subscribe(&mut self, filter: &str) -> bool {
        self.mqtt.subscribe(filter, QoS::AtLeastOnce).await.unwrap();
        let ack = |p: &Packet| if let Packet::SubAck(ack) = p { Some(ack.return_codes.clone()) } else { None };
        self.until(ack).await.is_some_and(|codes| codes != [SubscribeReasonCode::Failure])
    }

    /// Whether it was acknowledged, which does not say that it was taken.
    pub async fn publish(&mut self, topic: &str, retain: bool, text: &str) -> bool {
        self.mqtt.publish(topic, QoS::AtLeastOnce, retain, text).await.unwrap();
        self.until(|p| matches!(p, Packet::PubAck(_)).then_some(())).await.is_some()
    }

    /// Waits for a message.
    pub async fn hears(&mut self, topic: &str, text: &str) {
        let wanted = (topic.to_owned(), text.to_owned());
        while !self.heard.contains(&wanted) {
            let came = self.until(|p| matches!(p, Packet::Publish(_)).then_some(())).await;
            assert!(came.is_some(), "the connection ended before {wanted:?}");
        }
    }

    /// All that came, once what is under way has arrived.
    pub async fn all(&mut self) -> Vec<Heard> {
        if !self.gone {
            self.mqtt.unsubscribe("nothing").await.unwrap();
            self.until(|p| matches!(p, Packet::UnsubAck(_)).then_some(())).await;
        }
        std::mem::take(&mut self.heard)
    }
}

/// With a last will, whose connection then breaks.
pub async fn leave_a_will(port: u16, user: &str, topic: &str) {
    let mut options = Client::options(port, user, &format!("{user}-dying"));
    options.set_last_will(LastWill::new(topic, "will", QoS::AtLeastOnce, true));
    // Dropped without a DISCONNECT.
    drop(Client::with(options).await);
}

/// A RabbitMQ in a fresh folder, with MQTT. Dropped, it is ended.
pub struct Rabbit {
    pub port: u16,
    names: u16,
    dir: tempfile::TempDir,
    child: Child,
}

impl Rabbit {
    pub async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let free = || std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let (port, names) = (free(), free());
        let config =
            format!("listeners.tcp = none\nmqtt.listeners.tcp.1 = 127.0.0.1:{port}\nmqtt.allow_anonymous = false\n");
        std::fs::write(dir.path().join("rabbitmq.conf"), config).unwrap();
        std::fs::write(dir.path().join("plugins"), "[rabbitmq_mqtt].").unwrap();
        // Its tools find it by these, too.
        let variables = format!(
            "NODENAME=lunette{port}@localhost\nMNESIA_BASE={0}/db\nLOG_BASE={0}/log\nCONFIG_FILE={0}/rabbitmq\n\
             ENABLED_PLUGINS_FILE={0}/plugins\nNODE_IP_ADDRESS=127.0.0.1\nDIST_PORT={1}\n\
             export ERL_EPMD_PORT={2}\nexport ERL_EPMD_ADDRESS=127.0.0.1\n",
            dir.path().display(),
            free(),
            names
        );
        std::fs::write(dir.path().join("env"), variables).unwrap();
        let mut server = Self::tool(&dir, "rabbitmq-server");
        let log = std::fs::File::create(dir.path().join("out")).unwrap();
        let child = server.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn();
        let child = child.expect("rabbitmq-server, of Debian's package of this name");
        let mut rabbit = Self { port, names, dir, child };
        let start = std::time::Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            let out = std::fs::read_to_string(rabbit.dir.path().join("out")).unwrap_or_default();
            assert!(rabbit.child.try_wait().unwrap().is_none(), "rabbitmq-server ended:\n{out}");
            assert!(start.elapsed() < 6 * PATIENCE, "rabbitmq-server does not listen:\n{out}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        rabbit
    }

    /// Its own scripts: those in the PATH of Debian change the user.
    fn tool(dir: &tempfile::TempDir, name: &str) -> Command {
        let mut command = Command::new(format!("/usr/lib/rabbitmq/bin/{name}"));
        command.env("HOME", dir.path()).env("RABBITMQ_CONF_ENV_FILE", dir.path().join("env"));
        command
    }

    pub fn control(&self, args: &[&str]) {
        let output = Self::tool(&self.dir, "rabbitmqctl").args(args).output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// Runs a script that calls `rabbitmqctl`.
    pub fn script(&self, text: &str, args: &[&str]) {
        let mut shell = Command::new("sh");
        shell.env("HOME", self.dir.path()).env("RABBITMQ_CONF_ENV_FILE", self.dir.path().join("env"));
        shell.env("PATH", format!("/usr/lib/rabbitmq/bin:{}", std::env::var("PATH").unwrap_or_default()));
        let file = self.dir.path().join("script");
        std::fs::write(&file, text).unwrap();
        let output = shell.arg(&file).args(args).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

impl Drop for Rabbit {
    fn drop(&mut self) {
        let _ = Self::tool(&self.dir, "rabbitmqctl").args(["shutdown"]).output();
        let _ = self.child.kill();
        let _ = self.child.wait();
        // The node started a name service of its own, and leaves it behind.
        let _ = Command::new("epmd").args(["-port", &self.names.to_string(), "-kill"]).output();
    }
}
