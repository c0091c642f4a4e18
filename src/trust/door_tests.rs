use super::*;
use crate::trust::act::Actor;
use crate::trust::challenge::{Challenge, Pinned};
use crate::trust::clock::UnixSeconds;
use crate::trust::key::SigningKey;
use crate::trust::roll::{Asking, Roll};
use crate::trust::secret::Secret;
use crate::trust::watcher::{Asked, Asker, Heard};

const WALL: Option<UnixSeconds> = Some(UnixSeconds(2_000_000_000));

/// A camera, a viewer that it knows, and the time.
struct Stage {
    door: Door,
    roll: Roll,
    asker: Asker,
    pinned: Pinned,
    now: Instant,
}

fn asker() -> Asker {
    Asker::new(SigningKey::generate().expect("a key"))
}

impl Stage {
    fn new() -> Self {
        let identity = Arc::new(IdentityKey::new(SigningKey::generate().expect("a key")));
        let now = Instant::now();
        let door = Door::new(identity, 0, now, WALL).expect("a door");
        let pinned = Pinned::new(door.camera());
        let mut stage = Self { door, roll: Roll::default(), asker: asker(), pinned, now };
        stage.admit(&Point::from_bytes(stage.asker.key().point().bytes()).expect("a point"), Role::Owner);
        stage
    }

    fn admit(&mut self, key: &Point, role: Role) {
        let secret = Secret::random().expect("random");
        self.roll.open_window(&secret, role, self.now);
        let asking = Asking { secret, label: "a phone".into(), grant: None };
        self.roll.pair(&self.door.camera(), key, &asking, self.now, WALL).expect("paired");
    }

    fn challenge(&mut self) -> Challenge {
        self.pinned.take(self.door.challenge()).expect("a challenge")
    }

    fn ask(&mut self, plain: &[u8]) -> (Vec<u8>, Asked) {
        let challenge = self.challenge();
        self.asker.open(&challenge, plain).expect("sealed")
    }

    fn open(&mut self, payload: &[u8]) -> Result<Opened, Turned> {
        self.door.open(payload, &self.roll, self.now, WALL)
    }

    /// The reason, and what a viewer that asked makes of the refusal.
    fn turned(&mut self, payload: &[u8]) -> (Reason, Option<Vec<u8>>) {
        let turned = self.open(payload).expect_err("turned away");
        (turned.reason, turned.refusal.map(|(_, payload)| payload))
    }
}

fn request(opened: Result<Opened, Turned>) -> (Arc<Exchange>, Vec<u8>) {
    match opened {
        Ok(Opened::Request { exchange, plain, .. }) => (exchange, plain),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_request_is_answered_and_more_follows_each_way() {
    let mut stage = Stage::new();
    let challenge = stage.challenge();
    let (payload, mut asked) = stage.ask(b"hello");
    let early = asked.more(b"a candidate").expect("sealed");
    let (exchange, plain) = request(stage.open(&payload));
    assert_eq!((plain.as_slice(), exchange.viewer()), (&b"hello"[..], stage.asker.id()));
    match stage.open(&early) {
        Ok(Opened::More { from, plain, .. }) => {
            assert_eq!((from, plain.as_slice()), (stage.asker.id(), &b"a candidate"[..]))
        }
        other => panic!("{other:?}"),
    }
    for text in ["welcome", "a candidate of mine", "another"] {
        let payload = exchange.seal(text.as_bytes()).expect("sealed");
        assert_eq!(asked.hear(&payload, &challenge), Ok(Heard::Message(text.into())));
        assert!(asked.hear(&payload, &challenge).is_err(), "twice");
    }
    let (viewer, camera) = ([1; 32], [2; 32]);
    let mac = asked.binding().expect("answered").mac(crate::trust::Side::Viewer, &viewer, &camera);
    assert!(exchange.binding().check(crate::trust::Side::Viewer, &viewer, &camera, &mac));
}

#[test]
fn a_stranger_is_paired_and_then_known() {
    let mut stage = Stage::new();
    let challenge = stage.challenge();
    let guest = asker();
    let (payload, mut asked) = guest.pair(&challenge, b"{}").expect("sealed");
    let opened = stage.open(&payload);
    let Ok(Opened::Pair { key, exchange, plain }) = opened else { panic!("{opened:?}") };
    assert_eq!((key, plain.as_slice()), (guest.key().point(), &b"{}"[..]));
    let (hello, _) = guest.open(&challenge, b"hello").expect("sealed");
    assert_eq!(stage.turned(&hello).0, Reason::NotPaired);
    stage.admit(&key, Role::View);
    let answer = exchange.seal(b"paired").expect("sealed");
    assert_eq!(asked.hear(&answer, &challenge), Ok(Heard::Message(b"paired".to_vec())));
    assert!(matches!(stage.open(&hello), Ok(Opened::Request { role: Role::View, .. })));
}

#[test]
fn the_last_challenge_but_one_is_stale() {
    let mut stage = Stage::new();
    let (first, mut asked) = stage.ask(b"one");
    let (second, _) = stage.ask(b"two");
    stage.door.rotate(stage.now, WALL).expect("rotated");
    request(stage.open(&first));
    stage.door.rotate(stage.now, WALL).expect("rotated");
    let (reason, refusal) = stage.turned(&second);
    assert_eq!(reason, Reason::Stale);
    let newest = stage.challenge();
    let refusal = refusal.expect("told");
    assert_eq!(asked.hear(&refusal, &newest), Err(Reason::Exchange), "of another request");
    let (reason, refusal) = stage.turned(&first);
    assert_eq!(reason, Reason::Stale);
    assert_eq!(asked.hear(&refusal.expect("told"), &newest), Ok(Heard::Refused(Reason::Stale)));
}

#[test]
fn renewed_keys_leave_the_challenge_before_them_good() {
    let mut stage = Stage::new();
    let before = stage.door.generation();
    let old = stage.challenge();
    let (payload, mut asked) = stage.ask(b"hello");
    stage.now += OPERATIONAL_FOR;
    stage.door.rotate(stage.now, WALL).expect("rotated");
    assert!(stage.door.generation() > before);
    let new = stage.challenge();
    assert_eq!((new.number, new.identity), (1, old.identity));
    assert_ne!((new.signing, new.dh), (old.signing, old.dh));
    let (exchange, _) = request(stage.open(&payload));
    let answer = exchange.seal(b"welcome").expect("sealed");
    assert_eq!(asked.hear(&answer, &new), Ok(Heard::Message(b"welcome".to_vec())), "under the keys that were asked");
    let again = stage.door.generation();
    stage.now += CHALLENGE_EVERY;
    stage.door.rotate(stage.now, WALL).expect("rotated");
    assert_eq!(stage.door.generation(), again, "once a day");
}

#[test]
fn a_challenge_of_before_is_not_taken() {
    let mut stage = Stage::new();
    let old = stage.door.challenge().to_vec();
    stage.door.rotate(stage.now, WALL).expect("rotated");
    stage.challenge();
    assert_eq!(stage.pinned.take(&old), Err(Reason::Stale));
    stage.challenge();
    let mut other = Stage::new();
    assert_eq!(stage.pinned.take(other.door.challenge()), Err(Reason::Camera));
    let camera = other.door.camera();
    let mut forged = old.clone();
    forged[8..24].copy_from_slice(&camera.bytes());
    assert_eq!(other.pinned.take(&forged), Err(Reason::Camera), "another identity key");
}

#[test]
fn a_replay_is_noticed_and_so_is_too_much() {
    let mut stage = Stage::new();
    let (payload, _) = stage.ask(b"hello");
    request(stage.open(&payload));
    assert_eq!(stage.turned(&payload), (Reason::Replay, None));
    for _ in 1..256 {
        let (payload, _) = stage.ask(b"hello");
        request(stage.open(&payload));
    }
    let (payload, mut asked) = stage.ask(b"hello");
    let (reason, refusal) = stage.turned(&payload);
    let newest = stage.challenge();
    assert_eq!(reason, Reason::Busy);
    assert_eq!(asked.hear(&refusal.expect("told"), &newest), Ok(Heard::Refused(Reason::Busy)));
    stage.door.rotate(stage.now, WALL).expect("rotated");
    let (payload, _) = stage.ask(b"hello");
    request(stage.open(&payload));
}

#[test]
fn what_is_not_signed_is_not_remembered() {
    let mut stage = Stage::new();
    let (payload, _) = stage.ask(b"hello");
    let mut bad = payload.clone();
    bad[payload.len() - 1] ^= 1;
    for _ in 0..3 {
        assert_eq!(stage.turned(&bad), (Reason::Signature, None), "nobody can use up another's nonce");
    }
    request(stage.open(&payload));
}

#[test]
fn a_revoked_viewer_is_told_so_and_its_exchanges_are_over() {
    let mut stage = Stage::new();
    let challenge = stage.challenge();
    let (payload, mut asked) = stage.ask(b"offer");
    let (exchange, _) = request(stage.open(&payload));
    let id = stage.asker.id();
    stage.roll.revoke(Actor::Board, &id).expect("known");
    let more = asked.more(b"candidate").expect("sealed");
    assert_eq!(stage.turned(&more), (Reason::Revoked, None));
    let (again, mut asked) = stage.ask(b"offer");
    let (reason, refusal) = stage.turned(&again);
    assert_eq!(reason, Reason::Revoked);
    assert_eq!(asked.hear(&refusal.expect("told"), &challenge), Ok(Heard::Refused(Reason::Revoked)));
    drop(exchange);
}

#[test]
fn an_exchange_lasts_as_long_as_somebody_holds_it() {
    let mut stage = Stage::new();
    let (payload, mut asked) = stage.ask(b"offer");
    let (exchange, _) = request(stage.open(&payload));
    let (one, two) = (asked.more(b"1").expect("sealed"), asked.more(b"2").expect("sealed"));
    assert!(stage.open(&two).is_ok());
    assert_eq!(stage.turned(&one), (Reason::Replay, None), "late");
    assert_eq!(stage.turned(&two), (Reason::Replay, None), "again");
    let three = asked.more(b"3").expect("sealed");
    drop(exchange);
    assert_eq!(stage.turned(&three), (Reason::Exchange, None));
}

#[test]
fn access_that_has_an_end_ends() {
    let mut stage = Stage::new();
    let ends = UnixSeconds(2_000_000_100);
    let guest = asker();
    let secret = Secret::random().expect("random");
    let camera = stage.door.camera();
    let grant = crate::trust::Grant::sign(stage.asker.key(), camera, Role::View, &secret, ends, Some(ends));
    let asking = Asking { secret, label: String::new(), grant: Some(grant.expect("signed").text()) };
    stage.roll.pair(&camera, &guest.key().point(), &asking, stage.now, WALL).expect("paired");
    let challenge = stage.challenge();
    for (wall, reason) in
        [(Some(UnixSeconds(2_000_000_099)), None), (Some(ends), Some(Reason::Expired)), (None, Some(Reason::Clock))]
    {
        let (payload, mut asked) = guest.open(&challenge, b"hello").expect("sealed");
        match (stage.door.open(&payload, &stage.roll, stage.now, wall), reason) {
            (Ok(_), None) => (),
            (Err(turned), Some(reason)) => {
                assert_eq!(turned.reason, reason);
                let (to, refusal) = turned.refusal.expect("told");
                assert_eq!(to, guest.id());
                assert_eq!(asked.hear(&refusal, &challenge), Ok(Heard::Refused(reason)));
            }
            (opened, reason) => panic!("{opened:?}, and not {reason:?}"),
        }
    }
}

#[test]
fn strangers_are_not_looked_at_for_long_nor_told_often() {
    let mut stage = Stage::new();
    let challenge = stage.challenge();
    let guest = asker();
    let (mut looked_at, mut told) = (0, 0);
    for _ in 0..20 {
        let (payload, _) = guest.pair(&challenge, b"{}").expect("sealed");
        match stage.open(&payload) {
            Ok(_) => looked_at += 1,
            Err(turned) => {
                assert_eq!(turned.reason, Reason::Busy);
                told += usize::from(turned.refusal.is_some());
            }
        }
    }
    assert_eq!((looked_at, told), (PAIRINGS, REFUSALS as usize));
    stage.now += Duration::from_secs(1);
    let (payload, _) = guest.pair(&challenge, b"{}").expect("sealed");
    assert!(stage.open(&payload).is_ok());
}

#[test]
fn a_key_off_the_curve_is_sealed_to_nobody() {
    let mut stage = Stage::new();
    let (payload, _) = stage.ask(b"hello");
    let mut bad = payload[..payload.len() - 64].to_vec();
    bad[100] ^= 1;
    let signature = stage.asker.key().sign(Purpose::Request, &[&bad]).expect("signed");
    bad.extend_from_slice(signature.bytes());
    assert_eq!(stage.turned(&bad), (Reason::Sealed, None));
}

#[test]
fn exchanges_that_ended_leave_room() {
    let mut stage = Stage::new();
    for _ in 0..20 {
        stage.door.rotate(stage.now, WALL).expect("rotated");
        for _ in 0..100 {
            let (payload, _) = stage.ask(b"hello");
            request(stage.open(&payload));
        }
    }
    assert!(stage.door.exchanges.len() <= 64, "{}", stage.door.exchanges.len());
}
