//! The broker: MQTT 5 over TCP, TLS or WebSocket. The only file that imports `rumqttc`.
//!
//! One task polls the connection for the daemon's whole life. On every CONNACK it subscribes and says challenge and status
//! again; after a loss it waits with full jitter and tries again. Viewers do not notice any of it. Another one
//! ([`tend`]) makes new challenges, and puts right what others wrote on the camera's own topics.

mod losses;
mod standing;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Filter, LastWill, Packet, PubAckReason, Publish, PublishProperties};
use rumqttc::v5::{AsyncClient, ConnectionError, Event, EventLoop, MqttOptions, MqttState};
use rumqttc::{NetworkOptions, Outgoing, TlsConfiguration, Transport};
use tokio::sync::{Notify, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::message::{Response, Status};
use super::{Inbound, Intake, topic};
use crate::config::{BrokerScheme, BrokerUrl};
use crate::keeper::Keeper;
use crate::trust::{BootId, CameraId, MAX_MESSAGE, ViewerId};
use losses::Losses;
use standing::{Standing, tend};

pub(super) use losses::explain;

/// Outgoing messages that wait for the connection.
const OUTGOING: usize = 256;
/// Outgoing messages that the broker has not acknowledged. The library keeps a place for each.
const IN_FLIGHT: u16 = 64;
/// A response that did not reach its viewer by then is of no use (docs/signaling.md: the viewer asks again).
const EXPIRY_SECONDS: u32 = 30;
/// The largest packet that a broker may hand us: a message, its topic, its properties.
const MAX_PACKET: u32 = MAX_MESSAGE as u32 + 1024;
const KEEP_ALIVE: Duration = Duration::from_secs(20);
const GOODBYE: Duration = Duration::from_secs(2);

/// How to reach a broker, and as whom.
#[derive(Debug)]
pub struct Broker {
    /// Where.
    pub url: BrokerUrl,
    /// User and password.
    pub login: Option<(String, crate::config::Secret)>,
    /// For `mqtts` and `wss`.
    pub tls: Option<Arc<rustls::ClientConfig>>,
}

/// The way out to the broker.
#[derive(Clone)]
pub struct Outbox(Arc<Inner>);

struct Inner {
    client: AsyncClient,
    camera: CameraId,
    boot: BootId,
    keeper: Keeper,
    /// What is published on each connection.
    standing: Mutex<Standing>,
    /// Challenge or status found no room among the messages that wait.
    challenge_unsaid: AtomicBool,
    status_unsaid: AtomicBool,
    /// Something else stands on one of our topics.
    meddled: Notify,
    connected: AtomicBool,
    closing: AtomicBool,
    /// Cancelled with it, for the task that tends.
    tending: CancellationToken,
    closed: Notify,
    /// The network is another one.
    moved: Notify,
    intake: Intake,
    /// Where what is published on the topic `ice` goes, when somebody wants it.
    ice: Option<watch::Sender<Vec<u8>>>,
}

impl std::fmt::Debug for Outbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("mqtt::Outbox").field("camera", &self.0.camera).finish_non_exhaustive()
    }
}

/// Connects, now and whenever the connection is lost. `ice` gets what the fleet publishes on the camera's topic of that
/// name; without it nothing is asked for there. Needs a tokio runtime.
pub fn open(
    broker: Broker,
    keeper: Keeper,
    ice: Option<watch::Sender<Vec<u8>>>,
) -> (mpsc::Receiver<Inbound>, super::Outbox) {
    let scheme = broker.url.scheme;
    let (camera, boot) = (keeper.camera(), keeper.boot());
    let (client, connection) = AsyncClient::new(options(broker, &camera, boot), OUTGOING);
    let (intake, requests) = Intake::new(keeper.clone());
    let inner = Arc::new(Inner {
        client,
        camera,
        boot,
        keeper,
        standing: Mutex::default(),
        challenge_unsaid: AtomicBool::new(false),
        status_unsaid: AtomicBool::new(false),
        meddled: Notify::new(),
        connected: AtomicBool::new(false),
        closing: AtomicBool::new(false),
        tending: CancellationToken::new(),
        closed: Notify::new(),
        moved: Notify::new(),
        intake,
        ice,
    });
    tokio::spawn(inner.clone().run(connection, scheme));
    tokio::spawn(tend(Arc::downgrade(&inner)));
    (requests, super::Outbox::Mqtt(Outbox(inner)))
}

fn options(broker: Broker, camera: &CameraId, boot: BootId) -> MqttOptions {
    let will = Response::Status(Status { online: false, boot, about: None }).to_json();
    let mut options = login(broker, format!("lunette-{camera}"));
    options.set_last_will(LastWill::new(topic::status(camera), will, QoS::AtLeastOnce, true, None));
    options
}

/// All of a connection but its last will.
pub(super) fn login(broker: Broker, client: String) -> MqttOptions {
    let BrokerUrl { scheme, host, port, .. } = &broker.url;
    // rumqttc wants the whole URL in the host's place for WebSocket.
    let address = if scheme.is_websocket() { broker.url.to_string() } else { host.clone() };
    let mut options = MqttOptions::new(client, address, *port);
    let tls = || broker.tls.clone().map_or_else(TlsConfiguration::default, TlsConfiguration::Rustls);
    options.set_transport(match scheme {
        BrokerScheme::Mqtt => Transport::Tcp,
        BrokerScheme::Mqtts => Transport::tls_with_config(tls()),
        BrokerScheme::Ws => Transport::Ws,
        BrokerScheme::Wss => Transport::wss_with_config(tls()),
    });
    if let Some((user, password)) = &broker.login {
        options.set_credentials(user, password.expose());
    }
    let mut network = NetworkOptions::new();
    network.set_tcp_nodelay(true);
    options.set_network_options(network);
    options
        .set_keep_alive(KEEP_ALIVE)
        .set_clean_start(true)
        .set_max_packet_size(Some(MAX_PACKET))
        .set_outgoing_inflight_upper_limit(IN_FLIGHT);
    options
}

impl Inner {
    async fn run(self: Arc<Self>, mut connection: EventLoop, scheme: BrokerScheme) {
        let mut losses = Losses::default();
        loop {
            let lost = tokio::select! {
                lost = self.run_once(&mut connection, &mut losses, scheme) => Some(lost),
                () = self.moved.notified() => None,
            };
            self.connected.store(false, Ordering::Relaxed);
            if self.closing.load(Ordering::Relaxed) {
                break;
            }
            // What was still heard may say why; the rest that the library remembers can block the next connection.
            let state = std::mem::replace(&mut connection.state, MqttState::new(IN_FLIGHT, false));
            state.events.into_iter().for_each(|event| self.event(event));
            let Some(lost) = lost else {
                debug!("signal: the network changed; connecting anew");
                connection.clean();
                continue;
            };
            debug!("signal: {lost:?}");
            if losses.count == 0 {
                warn!("signal: no connection to the broker ({scheme:?}): {}; trying again", explain(&lost));
            }
            tokio::select! {
                () = tokio::time::sleep(losses.next_wait()) => {}
                // There may be a way again.
                () = self.moved.notified() => {}
            }
        }
        self.closed.notify_one();
    }

    /// One connection, from CONNECT to its loss.
    async fn run_once(&self, connection: &mut EventLoop, losses: &mut Losses, scheme: BrokerScheme) -> ConnectionError {
        let mut subscribed = true;
        loop {
            match connection.poll().await {
                Ok(Event::Incoming(Packet::ConnAck(_))) => {
                    if self.closing.load(Ordering::Relaxed) {
                        return ConnectionError::RequestsDone;
                    }
                    self.connected.store(true, Ordering::Relaxed);
                    match losses.connected() {
                        0 => info!("signal: connected to the broker ({scheme:?})"),
                        n => info!("signal: connected to the broker ({scheme:?}) again, after {n} attempts"),
                    }
                    subscribed = false;
                    self.challenge_unsaid.store(true, Ordering::Relaxed);
                    self.status_unsaid.store(true, Ordering::Relaxed);
                }
                // Some brokers keep the connection open after our goodbye.
                Ok(Event::Outgoing(Outgoing::Disconnect)) => return ConnectionError::RequestsDone,
                Ok(event) => self.event(event),
                Err(e) => return e,
            }
            // Old messages may fill the queue; each that leaves comes by here.
            subscribed = subscribed || self.subscribe();
            let closing = self.closing.load(Ordering::Relaxed);
            if subscribed && !closing {
                self.say_unsaid();
            }
        }
    }

    fn event(&self, event: Event) {
        use rumqttc::v5::mqttbytes::v5::SubscribeReasonCode::Success;
        match event {
            Event::Incoming(Packet::Publish(publish)) => self.incoming(&publish),
            Event::Incoming(Packet::SubAck(ack)) if !ack.return_codes.iter().all(|c| matches!(c, Success(_))) => {
                warn!("signal: the broker does not let this user subscribe below lunette/1/{}", self.camera);
            }
            Event::Incoming(Packet::PubAck(ack)) if ack.reason == PubAckReason::NotAuthorized => {
                let why = format!("the broker does not let this user publish below lunette/1/{}", self.camera);
                self.intake.junk(&why);
            }
            _ => {}
        }
    }

    fn subscribe(&self) -> bool {
        let ice = self.ice.is_some().then(|| topic::ice(&self.camera));
        let own = [topic::request(&self.camera), topic::status(&self.camera), topic::challenge(&self.camera)];
        let topics = own.into_iter().chain(ice);
        let filters: Vec<_> = topics.map(|path| Filter::new(path, QoS::AtLeastOnce)).collect();
        self.client.try_subscribe_many(filters).is_ok()
    }

    fn incoming(&self, publish: &Publish) {
        let is = |path: String| publish.topic == path.as_bytes();
        if is(topic::status(&self.camera)) {
            // A last will, of an earlier start or of an earlier connection of ours, can come after our status and would
            // then stay; so could junk.
            self.compare((&publish.payload, publish.retain), &self.status(), "status");
        } else if is(topic::challenge(&self.camera)) {
            self.compare((&publish.payload, publish.retain), &self.keeper.challenge(), "challenge");
        } else if publish.topic == topic::ice(&self.camera).as_bytes() {
            if let Some(ice) = &self.ice {
                ice.send_if_modified(|known| {
                    let new = *known != *publish.payload;
                    if new {
                        *known = publish.payload.to_vec();
                    }
                    new
                });
            }
        } else if publish.retain {
            self.intake.junk("a request that the broker keeps: nobody asks it now");
        } else if let Some((to, payload)) = self.intake.take(&publish.payload) {
            self.publish(topic::response(&self.camera, &to), payload, false);
        }
    }

    /// Whether it found room.
    fn publish(&self, topic: String, payload: Vec<u8>, retain: bool) -> bool {
        let expiry = (!retain).then_some(EXPIRY_SECONDS);
        let properties = PublishProperties { message_expiry_interval: expiry, ..PublishProperties::default() };
        let queued = self.client.try_publish_with_properties(topic, QoS::AtLeastOnce, retain, payload, properties);
        if queued.is_err() {
            self.intake.junk("too many messages wait for the broker");
        }
        queued.is_ok()
    }
}

impl Outbox {
    pub(super) fn respond(&self, to: &ViewerId, payload: Vec<u8>) {
        self.0.publish(topic::response(&self.0.camera, to), payload, false);
    }

    pub(super) fn set_status(&self, plain: Vec<u8>) {
        *self.0.standing() = Standing { plain, status: Vec::new() };
        if self.0.connected.load(Ordering::Relaxed) {
            self.0.say_status();
        }
    }

    pub(super) fn is_connected(&self) -> bool {
        self.0.connected.load(Ordering::Relaxed)
    }

    pub(super) fn reconnect(&self) {
        self.0.moved.notify_waiters();
    }

    pub(super) async fn close(&self) {
        self.0.closing.store(true, Ordering::Relaxed);
        self.0.tending.cancel();
        if !self.0.connected.load(Ordering::Relaxed) {
            return;
        }
        // A clean disconnect suppresses the last will (MQTT 5, 3.14.4), so its text is published.
        let offline = Response::Status(Status { online: false, boot: self.0.boot, about: None }).to_json();
        self.0.publish(topic::status(&self.0.camera), offline, true);
        if self.0.client.try_disconnect().is_ok() {
            let _ = tokio::time::timeout(GOODBYE, self.0.closed.notified()).await;
        }
    }
}
