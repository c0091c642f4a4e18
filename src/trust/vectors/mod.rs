//! Makes tests/data/trust/, which tests/trust_vectors.rs and the page's tests read:
//! `cargo test --lib write_vectors -- --ignored`. All keys are new each time; nothing else changes.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

use super::challenge::{self, Challenge, Pinned};
use super::cipher::sha256;
use super::envelope::Kind;
use super::exchange::{Asked as Opening, Exchange, request_key};
use super::key::{DhKey, IdentityKey, Point, Purpose, SigningKey};
use super::watcher::{Asked, Asker};
use super::*;

mod camera;
mod grants;
mod messages;
mod viewer;

const GENERATION: u64 = 1_999_990_000;
const WALL: u64 = 2_000_000_000;
const NUMBER: u64 = 7;
const HELLO: &[u8] = br#"{"v":1,"type":"hello"}"#;
const WELCOME: &[u8] = br#"{"v":1,"type":"welcome","boot":"aaaaaaaaaaaaaaaaaaaaaaaaaa","role":"owner"}"#;
const BYE: &[u8] = br#"{"v":1,"type":"bye","session":"aaaaaaaaaaaaaaaaaaaaaaaaaa"}"#;
const STATUS: &[u8] = br#"{"v":1,"type":"status","online":true,"boot":"aaaaaaaaaaaaaaaaaaaaaaaaaa"}"#;

fn b64(bytes: &[u8]) -> String {
    BASE64URL_NOPAD.encode(bytes)
}

fn key() -> SigningKey {
    SigningKey::generate().expect("a key")
}

fn dh(key: &SigningKey) -> DhKey {
    DhKey::from_scalar(key.scalar()).expect("a key")
}

fn copy(key: &SigningKey) -> SigningKey {
    SigningKey::from_scalar(key.scalar()).expect("a key")
}

/// With `byte` changed at `at`.
fn with(envelope: &[u8], at: usize, byte: impl Fn(u8) -> u8) -> Vec<u8> {
    let mut changed = envelope.to_vec();
    changed[at] = byte(changed[at]);
    changed
}

fn put(envelope: &[u8], at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut changed = envelope.to_vec();
    changed[at..at + bytes.len()].copy_from_slice(bytes);
    changed
}

fn cut(envelope: &[u8], n: usize) -> Vec<u8> {
    envelope[..n].to_vec()
}

/// With the signature made anew by `key`; `before` is what T is to a response.
fn signed(envelope: &[u8], key: &SigningKey, purpose: Purpose, before: &[u8]) -> Vec<u8> {
    let body = &envelope[..envelope.len() - 64];
    [body, key.sign(purpose, &[before, body]).expect("signed").bytes()].concat()
}

/// All keys, and what two sides would make of them.
struct Cast {
    identity: SigningKey,
    signing: SigningKey,
    dh: SigningKey,
    other_identity: SigningKey,
    other_signing: SigningKey,
    other_dh: SigningKey,
    viewer: SigningKey,
    guest: SigningKey,
    ephemeral_viewer: SigningKey,
    ephemeral_camera: SigningKey,
    random: [u8; 16],
}

impl Cast {
    fn new() -> Self {
        Self {
            identity: key(),
            signing: key(),
            dh: key(),
            other_identity: key(),
            other_signing: key(),
            other_dh: key(),
            viewer: key(),
            guest: key(),
            ephemeral_viewer: key(),
            ephemeral_camera: key(),
            random: BootId::random().expect("random").bytes(),
        }
    }

    fn keys(&self) -> Value {
        let one = |key: &SigningKey| {
            let point = key.point();
            let (x, y) = point.bytes()[1..].split_at(32);
            json!({"d": b64(key.scalar()), "x": b64(x), "y": b64(y), "pkcs8": b64(&key.to_pkcs8())})
        };
        json!({
            "identity": one(&self.identity), "signing": one(&self.signing), "dh": one(&self.dh),
            "other_identity": one(&self.other_identity), "other_signing": one(&self.other_signing),
            "other_dh": one(&self.other_dh), "viewer": one(&self.viewer), "guest": one(&self.guest),
            "ephemeral_viewer": one(&self.ephemeral_viewer), "ephemeral_camera": one(&self.ephemeral_camera),
        })
    }

    /// As written down.
    fn read(setup: &Value) -> Self {
        let one = |name: &str| {
            let d = setup["keys"][name]["d"].as_str().expect("a scalar").as_bytes();
            let d = BASE64URL_NOPAD.decode(d).expect("base64url");
            SigningKey::from_scalar(&d.try_into().expect("32 bytes")).expect("a key")
        };
        let random = BASE64URL_NOPAD.decode(setup["random"].as_str().expect("text").as_bytes()).expect("base64url");
        Self {
            identity: one("identity"),
            signing: one("signing"),
            dh: one("dh"),
            other_identity: one("other_identity"),
            other_signing: one("other_signing"),
            other_dh: one("other_dh"),
            viewer: one("viewer"),
            guest: one("guest"),
            ephemeral_viewer: one("ephemeral_viewer"),
            ephemeral_camera: one("ephemeral_camera"),
            random: random.try_into().expect("16 bytes"),
        }
    }

    fn camera(&self) -> CameraId {
        CameraId::of_key(self.identity.point().bytes())
    }

    fn operational(&self) -> Arc<Operational> {
        self.certified(&self.identity, GENERATION, &self.signing, &self.dh)
    }

    fn certified(
        &self,
        by: &SigningKey,
        generation: u64,
        signing: &SigningKey,
        dh_key: &SigningKey,
    ) -> Arc<Operational> {
        let identity = IdentityKey::new(copy(by));
        Arc::new(Operational::certify(&identity, generation, copy(signing), dh(dh_key)).expect("certified"))
    }

    fn challenge(&self) -> Vec<u8> {
        challenge::encode(&self.camera(), &self.operational(), NUMBER, &self.random).expect("signed")
    }

    fn taken(&self) -> Challenge {
        Pinned::new(self.camera()).take(&self.challenge()).expect("its own")
    }

    fn asker(&self, key: &SigningKey) -> Asker {
        Asker::new(copy(key))
    }

    /// A request with the ephemeral key that is written down.
    fn ask(&self, kind: Kind, key: &SigningKey, nonce: u8, plain: &[u8]) -> (Vec<u8>, Asked) {
        let asked = self.asker(key).ask(kind, &self.taken(), [nonce; 16], dh(&self.ephemeral_viewer), plain);
        asked.expect("sealed")
    }

    /// The camera's side of it, and the key that it decrypts with.
    fn accept(&self, envelope: &[u8]) -> (Exchange, Vec<u8>) {
        let pair = envelope[4] == Kind::Pair.code();
        let (viewer, at) = match pair {
            true => (ViewerId::of_key(&envelope[40..105]), 105),
            false => (ViewerId::from_bytes(envelope[40..56].try_into().expect("16")), 56),
        };
        let end = envelope.len() - 64;
        let asked = Opening {
            camera: self.camera(),
            viewer,
            nonce: envelope[at..at + 16].try_into().expect("16"),
            ev: Point::from_bytes(&envelope[at + 16..at + 81]).expect("a point"),
            header: &envelope[..at + 81],
            body: &envelope[at + 81..end],
            envelope,
        };
        let accepted = Exchange::accept(&asked, self.operational(), &dh(&self.ephemeral_camera));
        let z1 = self.operational().dh.agree(&asked.ev).expect("a point");
        (accepted.expect("opened").0, request_key(&z1, asked.header, &self.dh.point()).to_vec())
    }

    fn refusal(&self, code: u8, zero: u8, key: &SigningKey) -> Vec<u8> {
        let viewer = ViewerId::of_key(self.viewer.point().bytes());
        let head = envelope::head(Kind::Refusal, &self.camera());
        let body = [&head[..], &viewer.bytes(), &[1; 16], &[code, 0, 0, 0, 0, 0, 0, zero], &[0; 64]].concat();
        signed(&body, key, Purpose::Refusal, b"")
    }
}

#[test]
#[ignore = "writes tests/data/trust; run by name"]
fn write_vectors() {
    let (cast, secret) = (Cast::new(), Secret::random().expect("random"));
    let id = |key: &SigningKey| ViewerId::of_key(key.point().bytes());
    let setup = json!({
        "keys": cast.keys(), "camera": cast.camera(), "viewer": id(&cast.viewer), "guest": id(&cast.guest),
        "generation": GENERATION, "number": NUMBER, "random": b64(&cast.random), "wall": WALL,
        "boot": messages::boot(), "broadcast_key": &*messages::broadcast_key().text(),
        "words": {"identity": words(&cast.identity.point()), "viewer": words(&cast.viewer.point())},
    });
    let folder = folder();
    fs::create_dir_all(&folder).expect("a folder");
    for (name, value) in [
        ("setup", setup),
        ("messages", messages::all(&cast, &secret)),
        ("camera", camera::attacks(&cast, &secret).into()),
        ("viewer", viewer::attacks(&cast).into()),
        ("grants", grants::all(&cast).into()),
    ] {
        let text = serde_json::to_string_pretty(&value).expect("JSON");
        fs::write(folder.join(name).with_extension("json"), text + "\n").expect("written");
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/trust")
}

/// With the ephemeral keys and nonces that are written down, both sides make the same bytes again; a signature alone is
/// another each time.
#[test]
fn both_sides_seal_as_written() {
    let read = |name: &str| -> Value {
        let text = fs::read(folder().join(name).with_extension("json")).expect("readable");
        serde_json::from_slice(&text).expect("JSON")
    };
    let (cast, messages) = (Cast::read(&read("setup")), read("messages"));
    let bytes = |value: &Value| BASE64URL_NOPAD.decode(value.as_str().expect("text").as_bytes()).expect("base64url");
    let exchanges = messages["exchanges"].as_array().expect("a list");
    assert_eq!(exchanges.len(), 3);
    for written in exchanges {
        let (kind, key) = match written["kind"].as_str() {
            Some("pair") => (Kind::Pair, &cast.guest),
            _ => (Kind::Open, &cast.viewer),
        };
        let plain = written["plain"].as_str().expect("text").as_bytes();
        let envelope = bytes(&written["envelope"]);
        let (asked, _) = cast.ask(kind, key, bytes(&written["nonce"])[0], plain);
        let unsigned = envelope.len() - 64;
        assert_eq!(asked[..unsigned], envelope[..unsigned], "{written}");
        assert_eq!(sha256(&[&envelope])[..], bytes(&written["t"])[..]);
        let (exchange, request_key) = cast.accept(&envelope);
        assert_eq!(request_key, bytes(&written["request_key"]));
        assert_eq!(exchange.response_key()[..], bytes(&written["response_key"])[..]);
        for (i, response) in written["responses"].as_array().expect("a list").iter().enumerate() {
            let sealed = exchange.seal(response["plain"].as_str().expect("text").as_bytes()).expect("sealed");
            let unsigned = sealed.len() - if i == 0 { 64 } else { 0 };
            assert_eq!(sealed[..unsigned], bytes(&response["envelope"])[..unsigned], "{response}");
        }
    }
}
