//! The vectors of tests/data/trust/, which the page's tests read too: every message, and every attack with the name of
//! the reason that it is refused for.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use data_encoding::BASE64URL_NOPAD;
use lunette::trust::door::CHALLENGE_EVERY;
use lunette::trust::key::{DhKey, SigningKey};
use lunette::trust::watcher::{Asked, Heard, Listener, nonce_of};
use lunette::trust::{
    Actor, Asking, BroadcastKey, CameraId, Challenge, Door, IdentityKey, Opened, Operational, Pinned, Point, Reason,
    Role, Roll, Secret, Side, UnixSeconds, ViewerId, words,
};
use serde_json::{Value, json};

fn read(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/trust").join(name).with_extension("json");
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn list(value: &Value) -> &Vec<Value> {
    value.as_array().unwrap_or_else(|| panic!("no list: {value}"))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}

fn bytes(value: &Value) -> Vec<u8> {
    BASE64URL_NOPAD.decode(text(value).as_bytes()).unwrap()
}

/// What setup.json says.
struct Setup {
    json: Value,
    camera: CameraId,
    viewer: ViewerId,
    wall: UnixSeconds,
}

impl Setup {
    fn new() -> Self {
        let json = read("setup");
        let id = |name: &str| text(&json[name]).parse().unwrap();
        let viewer = text(&json["viewer"]).parse().unwrap();
        Self { camera: id("camera"), viewer, wall: UnixSeconds(json["wall"].as_u64().unwrap()), json }
    }

    fn scalar(&self, name: &str) -> [u8; 32] {
        bytes(&self.json["keys"][name]["d"]).try_into().unwrap()
    }

    fn key(&self, name: &str) -> SigningKey {
        SigningKey::from_scalar(&self.scalar(name)).unwrap()
    }

    fn dh(&self, name: &str) -> DhKey {
        DhKey::from_scalar(&self.scalar(name)).unwrap()
    }

    /// The camera with the challenge that all was sealed to.
    fn door(&self, now: Instant) -> Door {
        let identity = Arc::new(IdentityKey::new(self.key("identity")));
        let number = |name: &str| self.json[name].as_u64().unwrap();
        let operational = Operational::certify(&identity, number("generation"), self.key("signing"), self.dh("dh"));
        let random = bytes(&self.json["random"]).try_into().unwrap();
        Door::with(identity, Arc::new(operational.unwrap()), number("number"), random, now).unwrap()
    }

    fn challenge(&self) -> Challenge {
        Pinned::new(self.camera).take(&bytes(&read("messages")["challenge"])).unwrap()
    }

    /// A roll on which the viewer has this role.
    fn roll(&self, role: Role, now: Instant) -> Roll {
        let mut roll = Roll::default();
        admit(&mut roll, &self.camera, &self.key("viewer").point(), role, now);
        roll
    }

    /// One on which its access ends when everything here happens, or later.
    fn roll_with_end(&self, role: Role, ends: u64, now: Instant) -> Roll {
        let json =
            json!({"v": 1, "viewers": [{"key": self.key("viewer").point(), "label": "", "role": role, "until": ends}]});
        let roll = Roll::from_json(json.to_string().as_bytes()).unwrap();
        assert!(roll.window(now).is_none());
        roll
    }
}

fn admit(roll: &mut Roll, camera: &CameraId, key: &Point, role: Role, now: Instant) {
    let secret = Secret::random().unwrap();
    roll.open_window(&secret, role, now);
    let asking = Asking { secret, label: String::new(), grant: None };
    roll.pair(camera, key, &asking, now, None).unwrap();
}

#[test]
fn keys_are_what_they_are_called() {
    let setup = Setup::new();
    let keys = setup.json["keys"].as_object().unwrap();
    assert_eq!(keys.len(), 10);
    for (name, key) in keys {
        let (x, y) = (bytes(&key["x"]), bytes(&key["y"]));
        assert_eq!(setup.key(name).point().bytes()[1..], [x, y].concat(), "{name}");
        assert_eq!(setup.key(name).to_pkcs8()[..], bytes(&key["pkcs8"])[..], "{name}");
        assert!(SigningKey::from_pkcs8(&bytes(&key["pkcs8"])).is_ok(), "{name}");
    }
    assert_eq!(CameraId::of_key(setup.key("identity").point().bytes()), setup.camera);
    assert_eq!(ViewerId::of_key(setup.key("viewer").point().bytes()), setup.viewer);
    assert_eq!(words(&setup.key("identity").point()), text(&setup.json["words"]["identity"]));
    assert_eq!(words(&setup.key("viewer").point()), text(&setup.json["words"]["viewer"]));
}

#[test]
fn every_message_is_opened_by_the_other_side() {
    let (setup, messages, now) = (Setup::new(), read("messages"), Instant::now());
    let (mut door, roll, challenge) = (setup.door(now), setup.roll(Role::Owner, now), setup.challenge());
    assert_eq!(list(&messages["exchanges"]).len(), 3);
    for written in list(&messages["exchanges"]) {
        let envelope = bytes(&written["envelope"]);
        let (plain, held) = match door.open(&envelope, &roll, now, Some(setup.wall)) {
            Ok(Opened::Request { from, plain, exchange, .. }) => {
                assert_eq!((from, text(&written["by"])), (setup.viewer, "viewer"));
                (plain, exchange)
            }
            Ok(Opened::Pair { key, plain, exchange }) => {
                assert_eq!((key, text(&written["by"])), (setup.key("guest").point(), "guest"));
                (plain, exchange)
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(plain, text(&written["plain"]).as_bytes());
        for more in list(&written["more"]) {
            match (door.open(&bytes(&more["envelope"]), &roll, now, Some(setup.wall)), text(&written["kind"])) {
                (Ok(Opened::More { plain, .. }), "open") => assert_eq!(plain, text(&more["plain"]).as_bytes()),
                (Err(turned), "pair") => assert_eq!(turned.reason, Reason::NotPaired),
                (other, _) => panic!("{other:?}"),
            }
        }
        drop(held);
        let mut asked = asked(&setup, &challenge, &envelope);
        for response in list(&written["responses"]) {
            let heard = asked.hear(&bytes(&response["envelope"]), &challenge);
            assert_eq!(heard, Ok(Heard::Message(text(&response["plain"]).into())));
        }
        let said = &written["binding"];
        let [viewer, camera] = ["viewer", "camera"].map(|name| bytes(&said[name]).try_into().unwrap());
        let binding = asked.binding().unwrap();
        assert_eq!(binding.mac(Side::Viewer, &viewer, &camera), text(&said["viewer_mac"]));
        assert!(binding.check(Side::Camera, &viewer, &camera, text(&said["camera_mac"])));
    }
    let key = BroadcastKey::from_text(text(&setup.json["broadcast_key"])).unwrap();
    let mut listener = Listener::new(setup.camera);
    for status in list(&messages["status"]) {
        let heard = listener.hear(&bytes(&status["envelope"]), &challenge, &key);
        assert_eq!(heard, Ok(text(&status["plain"]).into()));
    }
    let hello = bytes(&messages["exchanges"][0]["envelope"]);
    assert_eq!(list(&messages["refusals"]).len(), 6);
    for refusal in list(&messages["refusals"]) {
        let heard = asked(&setup, &challenge, &hello).hear(&bytes(&refusal["envelope"]), &challenge).unwrap();
        let Heard::Refused(reason) = heard else { panic!("{heard:?}") };
        assert_eq!(reason.to_string(), text(&refusal["reason"]));
    }
}

/// The viewer's side of a request that was sealed with the ephemeral key that is written down.
fn asked(setup: &Setup, challenge: &Challenge, envelope: &[u8]) -> Asked {
    let pair = envelope[4] == 3;
    let (viewer, at) = match pair {
        true => (ViewerId::of_key(&envelope[40..105]), 105),
        false => (ViewerId::from_bytes(envelope[40..56].try_into().unwrap()), 56),
    };
    let nonce = envelope[at..at + 16].try_into().unwrap();
    Asked::of(challenge, viewer, nonce, setup.dh("ephemeral_viewer"), envelope).unwrap()
}

#[test]
fn every_attack_on_the_camera_is_turned_away_by_name() {
    let (setup, cases, now) = (Setup::new(), read("camera"), Instant::now());
    assert!(list(&cases).len() >= 50);
    for case in list(&cases) {
        let name = text(&case["name"]);
        let mut door = setup.door(now);
        let ends = setup.wall.0;
        let (roll, wall) = match text(&case["viewer"]) {
            "known" | "long ago" => (setup.roll(Role::Owner, now), Some(setup.wall)),
            "unknown" => (Roll::default(), Some(setup.wall)),
            "ended" => (setup.roll_with_end(Role::View, ends, now), Some(setup.wall)),
            "no clock" => (setup.roll_with_end(Role::View, ends + 1, now), None),
            "revoked" => {
                let mut roll = setup.roll(Role::Owner, now);
                roll.revoke(Actor::Board, &setup.viewer).unwrap();
                (roll, Some(setup.wall))
            }
            other => panic!("{name}: {other}"),
        };
        if case["viewer"] == "long ago" {
            door.rotate(now + CHALLENGE_EVERY, wall).unwrap();
            door.rotate(now + 2 * CHALLENGE_EVERY, wall).unwrap();
        }
        let mut held = vec![];
        for before in list(&case["before"]) {
            match door.open(&bytes(before), &roll, now, wall).unwrap_or_else(|e| panic!("{name}: {e:?}")) {
                Opened::Request { exchange, .. } | Opened::More { exchange, .. } | Opened::Pair { exchange, .. } => {
                    held.push(exchange);
                }
            }
        }
        let turned = door.open(&bytes(&case["envelope"]), &roll, now, wall).map(|_| ()).expect_err(name);
        assert_eq!(turned.reason.to_string(), text(&case["reason"]), "{name}");
        let told = matches!(text(&case["reason"]), "stale" | "not_paired" | "expired" | "revoked" | "clock" | "busy");
        assert_eq!(turned.refusal.is_some(), told, "{name}");
    }
}

#[test]
fn every_attack_on_a_viewer_is_dropped_by_name() {
    let (setup, cases) = (Setup::new(), read("viewer"));
    let (challenge, key) = (setup.challenge(), BroadcastKey::from_text(text(&setup.json["broadcast_key"])).unwrap());
    assert!(list(&cases).len() >= 50);
    for case in list(&cases) {
        let (name, envelope) = (text(&case["name"]), bytes(&case["envelope"]));
        let before = list(&case["before"]).iter().map(bytes);
        let reason = match text(&case["on"]) {
            "challenge" => {
                let mut pinned = Pinned::new(setup.camera);
                before.for_each(|before| assert!(pinned.take(&before).is_ok(), "{name}"));
                let was = pinned.clone();
                let refused = pinned.take(&envelope).map(|_| ()).expect_err(name);
                assert_eq!(pinned, was, "{name}");
                refused
            }
            "res" => {
                let mut asked = asked(&setup, &challenge, &bytes(&case["asked"]));
                before.for_each(|before| assert!(asked.hear(&before, &challenge).is_ok(), "{name}"));
                asked.hear(&envelope, &challenge).map(|_| ()).expect_err(name)
            }
            "status" => {
                let mut listener = Listener::new(setup.camera);
                before.for_each(|before| assert!(listener.hear(&before, &challenge, &key).is_ok(), "{name}"));
                listener.hear(&envelope, &challenge, &key).map(|_| ()).expect_err(name)
            }
            other => panic!("{name}: {other}"),
        };
        assert_eq!(reason.to_string(), text(&case["reason"]), "{name}");
    }
    assert_eq!(nonce_of(&[0; 40]), None);
}

#[test]
fn every_grant_is_judged_as_written() {
    let (setup, cases, now) = (Setup::new(), read("grants"), Instant::now());
    assert!(list(&cases).len() >= 20);
    for case in list(&cases) {
        let name = text(&case["name"]);
        let mut roll = match text(&case["giver"]) {
            "nobody" => Roll::default(),
            "ended" => setup.roll_with_end(Role::Owner, setup.wall.0, now),
            "revoked" => {
                let mut roll = setup.roll(Role::Owner, now);
                roll.revoke(Actor::Board, &setup.viewer).unwrap();
                roll
            }
            role => setup.roll(role.parse().unwrap(), now),
        };
        let asking: Asking = serde_json::from_value(json!({
            "v": 1, "type": "pair", "secret": case["secret"], "label": "", "grant": case["grant"],
        }))
        .unwrap();
        let wall = case["wall"].as_u64().map(UnixSeconds);
        let paired = roll.pair(&setup.camera, &setup.key("guest").point(), &asking, now, wall);
        let result = paired.map_or_else(|refused| refused.to_string(), |paired| paired.role.to_string());
        assert_eq!(result, text(&case["result"]), "{name}");
    }
}
