//! What a broker lets this camera do: each thing that the daemon will do is done once.
//!
//! Nobody is disturbed by it: a running daemon keeps its connection, since the trial has a name of its own, and what is
//! published is what stands there already, or what nobody takes for a message.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Filter, Packet, PubAckReason, Publish, SubscribeReasonCode};
use rumqttc::v5::{AsyncClient, Event, EventLoop};
use tokio::time::{Instant, timeout, timeout_at};

use super::mqtt::{self, Broker};
use super::topic;
use crate::trust::{CameraId, ViewerId};

/// For the connection, and then for the rest.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// For what was published to come back.
const ECHO: Duration = Duration::from_secs(2);

/// A connection as good as the daemon's, and what could be done on it.
#[derive(Debug)]
pub struct Trial {
    /// How long it took until the broker let us in.
    pub after: Duration,
    /// In the order of the trial. What the broker ended the connection at is the last.
    pub tried: Vec<Tried>,
}

/// One thing that the daemon does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    /// What.
    pub act: Act,
    /// Below `lunette/1/<camera>/`: `status`, `req`.
    pub topic: &'static str,
    /// What came of it.
    pub outcome: Outcome,
}

/// What is done with a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Subscribing.
    Subscribe,
    /// Publishing.
    Publish,
    /// Getting what was published.
    Receive,
}

/// What a broker makes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is done.
    Allowed,
    /// It is refused, for this reason.
    Denied(String),
    /// No word, and nothing came.
    Silent,
    /// It could not be tried, since this login may not publish there; the daemon need not.
    Untried,
}

/// Connects as the daemon would, and tries what it would do.
///
/// # Errors
/// When the broker cannot be reached or does not let us in; the way out is in the text.
pub async fn try_out(broker: Broker, camera: &CameraId) -> Result<Trial, String> {
    let nobody = ViewerId::random().map_err(|e| format!("no random bits: {e}"))?;
    let mut options = mqtt::login(broker, format!("lunette-{camera}-doctor"));
    options.set_connection_timeout(PATIENCE.as_secs());
    let (client, connection) = AsyncClient::new(options, 16);
    let mut session = Session { client, connection, heard: HashSet::new(), standing: HashMap::new() };
    let started = Instant::now();
    timeout(PATIENCE, session.until(|packet| matches!(packet, Packet::ConnAck(_)).then_some(())))
        .await
        .map_err(|_| "no answer in time".to_owned())??;
    let after = started.elapsed();
    let mut tried = Vec::new();
    if timeout(PATIENCE, session.try_all(camera, &nobody, &mut tried)).await.is_err() {
        tried.push(Tried { act: Act::Receive, topic: "status", outcome: Outcome::Silent });
    }
    let _ = session.client.try_disconnect();
    let _ = timeout(Duration::from_millis(500), session.until(|_| None::<()>)).await;
    Ok(Trial { after, tried })
}

struct Session {
    client: AsyncClient,
    connection: EventLoop,
    /// The topics on which anything came.
    heard: HashSet<String>,
    /// What stands on the topics that the broker keeps.
    standing: HashMap<String, Vec<u8>>,
}

impl Session {
    /// Tries one thing after the other; an end of the connection is the outcome of what was tried when it came.
    async fn try_all(&mut self, camera: &CameraId, nobody: &ViewerId, tried: &mut Vec<Tried>) {
        let (status, challenge, request) = (topic::status(camera), topic::challenge(camera), topic::request(camera));
        let subscribe = [("status", status.clone()), ("challenge", challenge.clone()), ("req", request.clone())];
        for (name, path) in subscribe {
            if !note(tried, Act::Subscribe, name, self.subscribe(path).await) {
                return;
            }
        }
        // What the broker keeps came with the subscription. It is said again as it is, and not to be kept.
        for (name, path) in [
            ("status", status.clone()),
            ("challenge", challenge.clone()),
            ("res/<viewer>", topic::response(camera, nobody)),
            ("req", request.clone()),
        ] {
            let payload = self.standing.get(&path).cloned().unwrap_or_else(|| b"{}".to_vec());
            self.heard.remove(&path);
            let said = self.publish(path, payload).await;
            let ended = said.is_err();
            match said {
                // The daemon has no need of it.
                Ok(Some(_)) if name == "req" => {
                    tried.push(Tried { act: Act::Receive, topic: "req", outcome: Outcome::Untried });
                }
                Ok(None) if name == "req" => {}
                said => {
                    note(tried, Act::Publish, name, said);
                }
            }
            if ended {
                return;
            }
        }
        let allowed = |act: Act, topic: &str, tried: &[Tried]| {
            tried.iter().any(|t| t.act == act && t.topic == topic && t.outcome == Outcome::Allowed)
        };
        let until = Instant::now() + ECHO;
        for (name, path) in [("status", status), ("challenge", challenge), ("req", request)] {
            let untried = tried.iter().any(|t| t.outcome == Outcome::Untried && t.topic == name);
            let said = name == "req" || allowed(Act::Publish, name, tried);
            if untried || !said || !allowed(Act::Subscribe, name, tried) {
                continue;
            }
            let came = self.heard.contains(&path) || timeout_at(until, self.hears(&path)).await.is_ok_and(|came| came);
            let outcome = if came { Outcome::Allowed } else { Outcome::Silent };
            tried.push(Tried { act: Act::Receive, topic: name, outcome });
        }
    }

    /// The refusal, if it is refused; the end of the connection is an error.
    async fn subscribe(&mut self, path: String) -> Result<Option<String>, String> {
        self.client
            .try_subscribe_many([Filter::new(path, QoS::AtLeastOnce)])
            .map_err(|e| format!("cannot be sent: {e}"))?;
        let code = |packet: &Packet| match packet {
            Packet::SubAck(ack) => Some(ack.return_codes.first().copied()),
            _ => None,
        };
        Ok(match self.until(code).await? {
            Some(SubscribeReasonCode::Success(_)) => None,
            Some(code) => Some(words(&format!("{code:?}"))),
            None => Some("no reason".to_owned()),
        })
    }

    async fn publish(&mut self, path: String, payload: Vec<u8>) -> Result<Option<String>, String> {
        self.client.try_publish(path, QoS::AtLeastOnce, false, payload).map_err(|e| format!("cannot be sent: {e}"))?;
        let reason = |packet: &Packet| match packet {
            Packet::PubAck(ack) => Some(ack.reason),
            _ => None,
        };
        Ok(match self.until(reason).await? {
            PubAckReason::Success | PubAckReason::NoMatchingSubscribers => None,
            reason => Some(words(&format!("{reason:?}"))),
        })
    }

    async fn hears(&mut self, path: &str) -> bool {
        let came = |packet: &Packet| matches!(packet, Packet::Publish(p) if p.topic == path.as_bytes()).then_some(());
        self.until(came).await.is_ok()
    }

    /// Handles what comes until something fits.
    async fn until<T>(&mut self, mut fits: impl FnMut(&Packet) -> Option<T>) -> Result<T, String> {
        loop {
            match self.connection.poll().await {
                Ok(Event::Incoming(packet)) => {
                    if let Packet::Publish(publish) = &packet {
                        self.hear(publish);
                    }
                    if let Some(found) = fits(&packet) {
                        return Ok(found);
                    }
                }
                Ok(Event::Outgoing(_)) => {}
                Err(e) => return Err(mqtt::explain(&e)),
            }
        }
    }

    fn hear(&mut self, publish: &Publish) {
        let path = String::from_utf8_lossy(&publish.topic).into_owned();
        if publish.retain {
            self.standing.insert(path.clone(), publish.payload.to_vec());
        }
        self.heard.insert(path);
    }
}

/// Notes an outcome; whether the connection still stands.
fn note(tried: &mut Vec<Tried>, act: Act, topic: &'static str, outcome: Result<Option<String>, String>) -> bool {
    let (outcome, stands) = match outcome {
        Ok(None) => (Outcome::Allowed, true),
        Ok(Some(why)) => (Outcome::Denied(why), true),
        Err(ended) => (Outcome::Denied(ended), false),
    };
    tried.push(Tried { act, topic, outcome });
    stands
}

/// `NotAuthorized` → `not authorized`.
fn words(name: &str) -> String {
    let mut text = String::new();
    for c in name.chars() {
        if c.is_uppercase() && !text.is_empty() {
            text.push(' ');
        }
        text.extend(c.to_lowercase());
    }
    text
}
