//! What comes over the broker, on either side. The first byte says how: as it is; laid over the beginning of a good
//! request; or changing one, from some byte on.
#![no_main]

use std::cell::RefCell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use lunette::trust::key::{DhKey, SigningKey};
use lunette::trust::watcher::{Asked, Asker, Listener};
use lunette::trust::{
    Asking, BroadcastKey, Challenge, Door, IdentityKey, Operational, Pinned, Role, Roll, Secret, UnixSeconds,
};

struct Stage {
    door: Door,
    roll: Roll,
    challenge: Challenge,
    good: Vec<u8>,
    asked: Asked,
    now: Instant,
}

impl Stage {
    fn new() -> Self {
        let key = |d: u8| SigningKey::from_scalar(&[d; 32]).expect("a key");
        let dh = |d: u8| DhKey::from_scalar(&[d; 32]).expect("a key");
        let identity = Arc::new(IdentityKey::new(key(1)));
        let operational = Operational::certify(&identity, 1, key(2), dh(3)).expect("certified");
        let now = Instant::now();
        let door = Door::with(identity, Arc::new(operational), 1, [4; 16], now).expect("a door");
        let (mut roll, secret) = (Roll::default(), Secret::from_bytes([5; 16]));
        roll.open_window(&secret, Role::Owner, now);
        let asking = Asking { secret, label: String::new(), grant: None };
        roll.pair(&door.camera(), &key(6).point(), &asking, now, None).expect("paired");
        let challenge = Pinned::new(door.camera()).take(door.challenge()).expect("its own");
        let (good, asked) = Asker::new(key(6)).open(&challenge, b"{\"v\":1,\"type\":\"hello\"}").expect("sealed");
        Self { door, roll, challenge, good, asked, now }
    }
}

thread_local! {
    static STAGE: RefCell<Stage> = RefCell::new(Stage::new());
}

fuzz_target!(|data: &[u8]| STAGE.with_borrow_mut(|stage| {
    let Some((how, data)) = data.split_first() else { return };
    let mut payload = stage.good.clone();
    match how % 3 {
        0 => payload = data.to_vec(),
        1 => {
            payload.truncate(payload.len().min(137));
            payload.extend_from_slice(data);
        }
        _ => {
            let Some((from, data)) = data.split_first() else { return };
            payload.iter_mut().skip(usize::from(*from)).zip(data).for_each(|(byte, change)| *byte ^= change);
        }
    }
    stage.now += Duration::from_secs(1);
    let (camera, wall) = (stage.door.camera(), Some(UnixSeconds(2_000_000_000)));
    let opened = stage.door.open(&payload, &stage.roll, stage.now, wall);
    assert!(opened.is_err() || payload == stage.good, "{opened:?}");
    assert!(stage.asked.hear(&payload, &stage.challenge).is_err());
    assert!(Listener::new(camera).hear(&payload, &stage.challenge, &BroadcastKey::from_bytes([7; 32])).is_err());
    assert!(Pinned::new(camera).take(&payload).is_err() || payload == stage.door.challenge());
}));
