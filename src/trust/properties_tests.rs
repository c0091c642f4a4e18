//! What holds for all envelopes: changed by a bit or cut short they are refused, and no bytes at all do harm.

use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::collection::vec;
use proptest::prelude::*;

use super::challenge::{Challenge, Pinned};
use super::envelope::{self, Kind};
use super::key::{IdentityKey, SigningKey};
use super::watcher::{Asked, Asker, Heard, Listener};
use super::*;

const WALL: Option<UnixSeconds> = Some(UnixSeconds(2_000_000_000));

/// A camera, a viewer that it knows, and one envelope of each kind.
struct Stage {
    door: Door,
    roll: Roll,
    asker: Asker,
    challenge: Challenge,
    broadcast: Broadcast,
    now: Instant,
}

impl Stage {
    fn new() -> Self {
        let now = Instant::now();
        let identity = Arc::new(IdentityKey::new(SigningKey::generate().expect("a key")));
        let door = Door::new(identity, 0, now, WALL).expect("a door");
        let asker = Asker::new(SigningKey::generate().expect("a key"));
        let (mut roll, secret) = (Roll::default(), Secret::random().expect("random"));
        roll.open_window(&secret, Role::Owner, now);
        let asking = Asking { secret, label: String::new(), grant: None };
        roll.pair(&door.camera(), &asker.key().point(), &asking, now, WALL).expect("paired");
        let challenge = Pinned::new(door.camera()).take(door.challenge()).expect("its own");
        let boot = BootId::random().expect("random");
        let broadcast = Broadcast::new(door.camera(), boot, BroadcastKey::generate().expect("random"));
        Self { door, roll, asker, challenge, broadcast, now }
    }

    /// A second later each time, so that pairing is looked at.
    fn open(&mut self, payload: &[u8]) -> Result<Opened, Turned> {
        self.now += Duration::from_secs(1);
        self.door.open(payload, &self.roll, self.now, WALL)
    }

    fn exchange(&mut self) -> (Asked, Arc<Exchange>) {
        let (payload, asked) = self.asker.open(&self.challenge, b"an offer").expect("sealed");
        match self.open(&payload) {
            Ok(Opened::Request { exchange, .. }) => (asked, exchange),
            other => panic!("{other:?}"),
        }
    }
}

/// Every envelope that is one bit away from a good one, and every one that is shorter.
fn spoilt(good: &[u8]) -> impl Iterator<Item = (String, Vec<u8>)> {
    let flipped = (0..good.len() * 8).map(|bit| {
        let mut bad = good.to_vec();
        bad[bit / 8] ^= 1 << (bit % 8);
        (format!("byte {}, bit {}", bit / 8, bit % 8), bad)
    });
    flipped.chain((0..good.len()).map(|n| (format!("{n} bytes"), good[..n].to_vec())))
}

#[test]
fn a_camera_takes_only_what_was_sealed() {
    let mut stage = Stage::new();
    let guest = Asker::new(SigningKey::generate().expect("a key"));
    let (open, _) = stage.asker.open(&stage.challenge, b"hello").expect("sealed");
    let (pair, _) = guest.pair(&stage.challenge, b"{\"secret\":\"\"}").expect("sealed");
    let (mut asked, exchange) = stage.exchange();
    let more = asked.more(b"a candidate").expect("sealed");
    for good in [open, pair, more] {
        for (how, bad) in spoilt(&good) {
            assert!(stage.open(&bad).is_err(), "kind {}, {how}", good[4]);
        }
        assert!(stage.open(&good).is_ok(), "nothing of all that was remembered");
        assert!(stage.open(&good).is_err(), "twice");
    }
    drop(exchange);
}

#[test]
fn a_viewer_takes_only_what_its_camera_sealed() {
    let mut stage = Stage::new();
    let (mut asked, exchange) = stage.exchange();
    let challenge = stage.challenge.clone();
    for text in ["an answer", "a candidate"] {
        let good = exchange.seal(text.as_bytes()).expect("sealed");
        for (how, bad) in spoilt(&good) {
            assert!(asked.hear(&bad, &challenge).is_err(), "kind {}, {how}", good[4]);
        }
        assert_eq!(asked.hear(&good, &challenge), Ok(Heard::Message(text.into())));
    }
    let unknown = Asker::new(SigningKey::generate().expect("a key"));
    let (payload, mut asked) = unknown.open(&challenge, b"hello").expect("sealed");
    let refusal = stage.open(&payload).expect_err("not known").refusal.expect("told").1;
    for (how, bad) in spoilt(&refusal) {
        assert!(asked.hear(&bad, &challenge).is_err(), "a refusal, {how}");
    }
    assert_eq!(asked.hear(&refusal, &challenge), Ok(Heard::Refused(Reason::NotPaired)));
}

#[test]
fn everybody_takes_only_what_the_camera_publishes() {
    let mut stage = Stage::new();
    let (mut pinned, good) = (Pinned::new(stage.door.camera()), stage.door.challenge().to_vec());
    for (how, bad) in spoilt(&good) {
        assert!(pinned.take(&bad).is_err(), "a challenge, {how}");
    }
    assert_eq!(pinned.take(&good).as_ref(), Ok(&stage.challenge));
    let (mut listener, key) = (Listener::new(stage.door.camera()), stage.broadcast.key().clone());
    let good = stage.broadcast.seal(stage.door.operational(), b"live").expect("sealed");
    for (how, bad) in spoilt(&good) {
        assert!(listener.hear(&bad, &stage.challenge, &key).is_err(), "a status, {how}");
    }
    assert_eq!(listener.hear(&good, &stage.challenge, &key).as_deref(), Ok(&b"live"[..]));
}

/// Bytes that get as far as they can without a key.
fn deep(camera: CameraId, challenge: [u8; 16], viewer: ViewerId) -> impl Strategy<Value = Vec<u8>> {
    let kinds = prop_oneof![Just(Kind::Open), Just(Kind::More), Just(Kind::Pair), Just(Kind::First), Just(Kind::Next)];
    (kinds, vec(any::<u8>(), 0..700), any::<bool>()).prop_map(move |(kind, rest, known)| {
        let mut payload = envelope::head(kind, &camera);
        payload.extend_from_slice(&challenge);
        if known {
            payload.extend_from_slice(&viewer.bytes());
        }
        payload.extend(rest);
        payload
    })
}

#[test]
fn no_bytes_do_harm() {
    let stage = std::cell::RefCell::new(Stage::new());
    let (mut asked, _exchange) = stage.borrow_mut().exchange();
    let (camera, random) = (stage.borrow().door.camera(), stage.borrow().challenge.random);
    let viewer = stage.borrow().asker.id();
    let payloads = prop_oneof![vec(any::<u8>(), 0..700), deep(camera, random, viewer)];
    let asked = std::cell::RefCell::new(&mut asked);
    proptest!(ProptestConfig::with_cases(2_000), |(payload in payloads)| {
        let mut stage = stage.borrow_mut();
        prop_assert!(stage.open(&payload).is_err());
        let challenge = stage.challenge.clone();
        prop_assert!(asked.borrow_mut().hear(&payload, &challenge).is_err());
        prop_assert!(Pinned::new(camera).take(&payload).is_err());
        prop_assert!(Listener::new(camera).hear(&payload, &challenge, stage.broadcast.key()).is_err());
        prop_assert!(Grant::from_bytes(&payload).is_err());
        let _ = Roll::from_json(&payload);
    });
}

#[test]
fn numbers_are_taken_upwards_only() {
    let stage = std::cell::RefCell::new(Stage::new());
    proptest!(ProptestConfig::with_cases(40), |(order in vec(0usize..12, 0..30), plain in vec(any::<u8>(), 0..2_000))| {
        let stage = &mut *stage.borrow_mut();
        // Two or three challenges in all, so that nobody's nonces are used up.
        stage.door.rotate(stage.now, WALL).expect("rotated");
        stage.challenge = Pinned::new(stage.door.camera()).take(stage.door.challenge()).expect("its own");
        let challenge = stage.challenge.clone();
        let (mut asked, exchange) = stage.exchange();
        let first = exchange.seal(&plain).expect("sealed");
        prop_assert_eq!(asked.hear(&first, &challenge), Ok(Heard::Message(plain.clone())));
        let more: Vec<_> = (0..12).map(|_| asked.more(&plain).expect("sealed")).collect();
        let next: Vec<_> = (0..12).map(|_| exchange.seal(&plain).expect("sealed")).collect();
        let mut highest = None;
        for i in order {
            let newer = highest.is_none_or(|highest| i > highest);
            highest = highest.max(Some(i));
            match stage.open(&more[i]) {
                Ok(Opened::More { plain: opened, .. }) => prop_assert!(newer && opened == plain),
                Err(turned) => prop_assert!(!newer && turned.reason == Reason::Replay),
                other => panic!("{other:?}"),
            }
            let heard = asked.hear(&next[i], &challenge);
            prop_assert_eq!(heard, if newer { Ok(Heard::Message(plain.clone())) } else { Err(Reason::Replay) });
        }
    });
}

/// What may happen to a roll.
#[derive(Clone, Debug)]
enum Happens {
    Window(Role),
    Show { who: usize, wrong: bool },
    Grant { giver: usize, to: usize, role: Role, ends: Option<u64> },
    Revoke { actor: usize, whom: usize },
    Time(u64),
    Restart,
}

fn happens() -> impl Strategy<Value = Happens> {
    let role = || prop_oneof![Just(Role::View), Just(Role::Talk), Just(Role::Admin), Just(Role::Owner)];
    prop_oneof![
        role().prop_map(Happens::Window),
        (0usize..6, any::<bool>()).prop_map(|(who, wrong)| Happens::Show { who, wrong }),
        (0usize..6, 0usize..6, role(), proptest::option::of(0u64..2_000))
            .prop_map(|(giver, to, role, ends)| Happens::Grant { giver, to, role, ends }),
        (0usize..6, 0usize..6).prop_map(|(actor, whom)| Happens::Revoke { actor, whom }),
        (0u64..1_000).prop_map(Happens::Time),
        Just(Happens::Restart),
    ]
}

#[test]
fn nobody_comes_in_or_up_but_by_somebody_above() {
    let keys: Vec<_> = (0..6).map(|_| SigningKey::generate().expect("a key")).collect();
    let id = |who: usize| ViewerId::of_key(keys[who].point().bytes());
    let camera = CameraId::from_bytes([7; 16]);
    proptest!(ProptestConfig::with_cases(200), |(events in vec(happens(), 0..40))| {
        let (mut roll, mut now, mut wall) = (Roll::default(), Instant::now(), 2_000_000_000);
        let mut open: Option<(Secret, Role)> = None;
        for event in events {
            let before = roll.clone();
            let had = |who| before.judge(&id(who), Some(UnixSeconds(wall))).ok().map(|known| known.role);
            match event {
                Happens::Window(role) => {
                    let secret = Secret::random().expect("random");
                    roll.open_window(&secret, role, now);
                    open = Some((secret, role));
                }
                Happens::Show { who, wrong } => {
                    let Some((secret, role)) = &open else { continue };
                    let secret = if wrong { Secret::random().expect("random") } else { secret.clone() };
                    let asking = Asking { secret, label: "x".into(), grant: None };
                    if let Ok(paired) = roll.pair(&camera, &keys[who].point(), &asking, now, Some(UnixSeconds(wall))) {
                        prop_assert!(!wrong && before.window(now).is_some());
                        prop_assert!(Some(paired.role) == had(who) || paired.role == *role);
                        prop_assert_eq!(roll.window(now).and_then(|window| window.used_by()), Some(id(who)));
                    }
                }
                Happens::Grant { giver, to, role, ends } => {
                    let secret = Secret::random().expect("random");
                    let ends = ends.map(|ends| UnixSeconds(wall + ends));
                    let grant = Grant::sign(&keys[giver], camera, role, &secret, UnixSeconds(wall + 10), ends);
                    let asking = Asking { secret, label: "x".into(), grant: Some(grant.expect("signed").text()) };
                    let paired = roll.pair(&camera, &keys[to].point(), &asking, now, Some(UnixSeconds(wall)));
                    let may = had(giver).is_some_and(|giver| giver.above(role)) && role != Role::Owner;
                    prop_assert!(may || paired == Err(PairRefused::GrantInvalid));
                    if let Ok(paired) = paired {
                        prop_assert_eq!(Some(paired.role), had(to).max(Some(role)));
                        let end = |who| roll.get(&id(who)).and_then(|known: &Known| known.until);
                        if had(to).is_none() && giver != to {
                            let latest = end(giver).is_none_or(|giver| end(to).is_some_and(|to| to <= giver));
                            prop_assert!(latest, "no longer than the giver's own");
                        }
                    }
                }
                Happens::Revoke { actor, whom } => {
                    let may = roll.may(Actor::Viewer(id(actor)), Act::Revoke(id(whom)));
                    let revoked = roll.revoke(Actor::Viewer(id(actor)), &id(whom));
                    prop_assert_eq!(revoked.is_ok(), may && before.get(&id(whom)).is_some());
                    prop_assert_eq!(roll.get(&id(whom)).is_some(), before.get(&id(whom)).is_some() && revoked.is_err());
                }
                Happens::Time(seconds) => {
                    now += Duration::from_secs(seconds);
                    wall += seconds;
                }
                Happens::Restart => {
                    roll = Roll::from_json(&roll.to_json()).expect("its own");
                    prop_assert!(roll.viewers().eq(before.viewers()));
                    prop_assert!(roll.window(now).is_none());
                }
            }
            for known in roll.viewers() {
                prop_assert_ne!(roll.judge(&known.id(), Some(UnixSeconds(wall))).err(), Some(Reason::Revoked));
            }
        }
    });
}
