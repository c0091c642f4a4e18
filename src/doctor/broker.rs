//! The broker: is it reached, does it let us in, and what may be done there?

use crate::config::{BrokerUrl, Mqtt};
use crate::signal::mqtt::Broker;
use crate::signal::rights::{self, Act, Outcome, Trial, Tried};
use crate::trust::CameraId;

use super::finding::{Area, Finding};

/// Connects, and tries what the daemon would do. `camera`: `None` before the first start, when there is no id yet.
pub async fn examine(mqtt: Option<&Mqtt>, camera: Option<CameraId>) -> Vec<Finding> {
    let Some(mqtt) = mqtt else {
        let text = "none configured: only `lunette run --local` works, which brings its own";
        return vec![Finding::note("broker", Area::Broker, text)];
    };
    let broker = match Broker::open(mqtt) {
        Ok(broker) => broker,
        Err(error) => {
            let fix = "the file must be readable for the user that runs Lunette";
            return vec![Finding::fail("broker", Area::Broker, error.to_string(), fix)];
        }
    };
    let id = match camera.map_or_else(CameraId::random, Ok) {
        Ok(id) => id,
        Err(error) => return vec![Finding::fail("broker", Area::Broker, format!("no random bits: {error}"), "reboot")],
    };
    let mut findings = judge(&mqtt.url, mqtt.user.as_deref(), &id, &rights::try_out(broker, &id).await);
    if camera.is_none() && findings.iter().any(|f| f.id == "topics" && f.fix.is_some()) {
        let text = "this camera has no id before its first start; the topics were tried with another";
        findings.push(Finding::note("topics", Area::Broker, text));
    }
    findings
}

/// What a trial says.
pub fn judge(url: &BrokerUrl, user: Option<&str>, camera: &CameraId, trial: &Result<Trial, String>) -> Vec<Finding> {
    let who = user.map_or_else(|| "without a login".to_owned(), |user| format!("as {user}"));
    let trial = match trial {
        Ok(trial) => trial,
        Err(why) => {
            let fix = "lunette check shows what is configured; see docs/operations.md, “A broker”";
            return vec![Finding::fail("broker", Area::Broker, format!("{url} {who}: {why}"), fix)];
        }
    };
    let text = format!("connected to {url} {who} in {} ms", trial.after.as_millis());
    let mut findings = vec![Finding::ok("broker", Area::Broker, text)];
    findings.extend(trial.tried.iter().filter_map(|tried| topic(camera, tried)));
    if findings.len() == 1 {
        let text = format!("all that is needed below lunette/1/{camera}/ is allowed");
        findings.push(Finding::ok("topics", Area::Broker, text));
    }
    findings
}

fn topic(camera: &CameraId, Tried { act, topic, outcome }: &Tried) -> Option<Finding> {
    let path = format!("lunette/1/{camera}/{topic}");
    let right = match act {
        Act::Subscribe | Act::Receive => "read",
        Act::Publish => "write",
    };
    let pattern = path.replace("<viewer>", "+");
    let fix = format!("let this user {right} {pattern}; in mosquitto's acl_file: topic {right} {pattern}");
    let fail = |text: String| Some(Finding::fail("topics", Area::Broker, text, fix.clone()));
    let warn = |text: String| Some(Finding::warn("topics", Area::Broker, text, fix.clone()));
    match (act, outcome) {
        (_, Outcome::Allowed) => None,
        (Act::Subscribe, Outcome::Denied(why)) => fail(format!("may not subscribe to {path}: {why}")),
        (Act::Publish, Outcome::Denied(why)) => fail(format!("may not publish to {path}: {why}")),
        // Brokers like mosquitto grant every subscription, and then give nothing.
        (_, Outcome::Silent) if *topic == "req" => {
            fail(format!("subscribed to {path}, but what is published there does not come: viewers ask in vain"))
        }
        (_, Outcome::Silent) => warn(format!(
            "subscribed to {path}, but what is published there does not come: what others write there is not put right"
        )),
        (_, Outcome::Untried) => Some(Finding::note(
            "topics",
            Area::Broker,
            format!("whether {path} is heard could not be tried: this login may not publish there, and need not"),
        )),
        (Act::Receive, Outcome::Denied(why)) => fail(format!("may not receive on {path}: {why}")),
    }
}
