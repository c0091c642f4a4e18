//! A Lunette that serves page and broker, and what speaks with it: HTTP requests and MQTT clients.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use lunette::config;
use lunette::local::{self, Listed, Login};
use rumqttc::{AsyncClient, ConnectReturnCode, ConnectionError, Event, EventLoop, LastWill, MqttOptions, Packet, QoS};
use rumqttc::{SubscribeReasonCode, Transport};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

pub const CAM: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaa";
pub const ME: &str = "mmmmmmmmmmmmmmmmmmmmmmmmmm";
pub const SOON: Duration = Duration::from_secs(5);
/// What does not come within this time does not come.
pub const NEVER: Duration = Duration::from_millis(400);

pub fn topic(rest: &str) -> String {
    format!("lunette/1/{CAM}/{rest}")
}

/// A Lunette that serves.
pub struct Server {
    pub address: SocketAddr,
    pub login: Login,
    pub links: Vec<String>,
    pub fingerprint: Option<String>,
    pub stop: CancellationToken,
    pub running: JoinHandle<()>,
    pub state: tempfile::TempDir,
}

impl Server {
    pub async fn start() -> Self {
        Self::listen("127.0.0.1:0", None).await
    }

    pub async fn listen(address: &str, password: Option<&str>) -> Self {
        let state = tempfile::tempdir().unwrap();
        let password_file = password.map(|password| {
            let path = state.path().join("password");
            std::fs::write(&path, format!("{password}\n")).unwrap();
            path
        });
        let config = config::Local { listen: address.parse().unwrap(), password_file, ..config::Local::default() };
        let local = open(&config, state.path()).await.unwrap();
        let stop = CancellationToken::new();
        Self {
            address: ([127, 0, 0, 1], local.address().port()).into(),
            login: local.login(),
            links: local.links(),
            fingerprint: local.fingerprint().map(str::to_owned),
            running: tokio::spawn(local.run(stop.clone())),
            stop,
            state,
        }
    }

    /// The daemon's own client, with the last will that it has.
    pub fn camera(&self) -> MqttOptions {
        let mut options = MqttOptions::new(format!("lunette-{CAM}"), self.login.url.host.clone(), self.login.url.port);
        options.set_credentials(&self.login.user, self.login.password.expose());
        options.set_last_will(LastWill::new(topic("status"), "offline", QoS::AtLeastOnce, true));
        options.set_keep_alive(Duration::from_secs(20)).set_max_packet_size(1 << 20, 1 << 20);
        options
    }

    /// A page's client.
    pub fn page(&self) -> MqttOptions {
        let mut options =
            MqttOptions::new(format!("{ME}-page"), format!("ws://{}/mqtt", self.address), self.address.port());
        options.set_transport(Transport::Ws).set_max_packet_size(1 << 20, 1 << 20);
        options
    }

    pub async fn stop(self) {
        self.stop.cancel();
        timeout(SOON, self.running).await.expect("it stops").unwrap();
    }

    /// The answer to a request, on a connection of its own.
    pub async fn http(&self, request: &str) -> Answer {
        Answer::to(TcpStream::connect(self.address).await.unwrap(), request).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.http(&format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.address)).await
    }

    pub async fn websocket(&self, headers: &str) -> Answer {
        let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n";
        self.http(&format!("GET /mqtt HTTP/1.1\r\n{upgrade}{headers}\r\n")).await
    }
}

pub async fn open(config: &config::Local, state: &Path) -> Result<local::Local, local::LocalError> {
    local::open(config, state, &[Listed { id: CAM.into(), name: "Front \"door\"".into() }]).await
}

/// An answer to a request, as text.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    pub async fn to(mut stream: impl AsyncRead + AsyncWrite + Unpin, request: &str) -> Self {
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut bytes = Vec::new();
        while !Self::is_whole(&bytes) {
            let mut chunk = [0; 4096];
            match timeout(SOON, stream.read(&mut chunk)).await.expect("an answer") {
                Ok(0) | Err(_) => break,
                Ok(n) => bytes.extend(&chunk[..n]),
            }
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0);
        Self { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
    }

    /// A connection that was to be upgraded does not end with the answer.
    fn is_whole(bytes: &[u8]) -> bool {
        let text = String::from_utf8_lossy(bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
        let head = head.to_ascii_lowercase();
        let length = head.lines().find_map(|l| l.strip_prefix("content-length: ")?.parse().ok());
        head.starts_with("http/1.1 101") || (!head.contains("connection: close") && length == Some(body.len()))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(": "))
    }
}

/// An MQTT client.
pub struct Client {
    pub mqtt: AsyncClient,
    pub events: EventLoop,
}

impl Client {
    pub async fn connect(options: MqttOptions) -> Result<Self, ConnectionError> {
        let (mqtt, mut events) = AsyncClient::new(options, 64);
        match timeout(SOON, events.poll()).await.expect("an answer")? {
            Event::Incoming(Packet::ConnAck(_)) => Ok(Self { mqtt, events }),
            other => panic!("{other:?}"),
        }
    }

    /// Why the broker does not let it in.
    pub async fn refused(options: MqttOptions) -> ConnectReturnCode {
        match Self::connect(options).await.map(drop) {
            Err(ConnectionError::ConnectionRefused(code)) => code,
            other => panic!("{other:?}"),
        }
    }

    /// The next packet that fits.
    pub async fn next<T>(&mut self, wait: Duration, fits: impl Fn(Packet) -> Option<T>) -> Option<T> {
        let search = async {
            loop {
                if let Event::Incoming(packet) = self.events.poll().await.unwrap()
                    && let Some(it) = fits(packet)
                {
                    return it;
                }
            }
        };
        timeout(wait, search).await.ok()
    }

    pub async fn subscribe(&mut self, filter: &str) -> bool {
        self.mqtt.subscribe(filter, QoS::AtLeastOnce).await.unwrap();
        let ack = self.next(SOON, |p| if let Packet::SubAck(ack) = p { Some(ack.return_codes) } else { None });
        ack.await.expect("an answer") != [SubscribeReasonCode::Failure]
    }

    pub async fn publish(&mut self, topic: &str, retain: bool, text: &str) {
        self.mqtt.publish(topic, QoS::AtLeastOnce, retain, text).await.unwrap();
        self.next(SOON, |p| matches!(p, Packet::PubAck(_)).then_some(())).await.expect("an acknowledgement");
    }

    /// The next message: topic, text, retained.
    pub async fn message(&mut self, wait: Duration) -> Option<(String, String, bool)> {
        self.next(wait, |p| match p {
            Packet::Publish(p) => Some((p.topic, String::from_utf8(p.payload.to_vec()).unwrap(), p.retain)),
            _ => None,
        })
        .await
    }
}

pub fn message(topic: String, text: &str, retained: bool) -> Option<(String, String, bool)> {
    Some((topic, text.to_owned(), retained))
}
