//! What it costs the camera to open, or to turn away, what comes on `req`: `cargo bench --bench door`.
//!
//! CPU time, so that what else runs counts for little; and what that is at 1 000 a second. Beside it what the same
//! message costs when it is only parsed as JSON, and what one signature costs.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lunette::trust::key::{Purpose, SigningKey};
use lunette::trust::watcher::{Asker, Heard};
use lunette::trust::{Asking, Challenge, Door, IdentityKey, Opened, Pinned, Role, Roll, Secret};

const ROUNDS: usize = 2_000;

struct Stage {
    door: Door,
    roll: Roll,
    asker: Asker,
    challenge: Challenge,
    now: Instant,
}

impl Stage {
    /// A camera that knows as many viewers as it can.
    fn new() -> Self {
        let now = Instant::now();
        let identity = Arc::new(IdentityKey::new(SigningKey::generate().unwrap()));
        let door = Door::new(identity, 0, now, None).unwrap();
        let challenge = Pinned::new(door.camera()).take(door.challenge()).unwrap();
        let (mut roll, mut asker) = (Roll::default(), None);
        for _ in 0..256 {
            let (secret, key) = (Secret::random().unwrap(), SigningKey::generate().unwrap());
            roll.open_window(&secret, Role::View, now);
            let asking = Asking { secret, label: String::new(), grant: None };
            roll.pair(&door.camera(), &key.point(), &asking, now, None).unwrap();
            asker = Some(Asker::new(key));
        }
        Self { door, roll, asker: asker.unwrap(), challenge, now }
    }

    /// A new challenge now and then: nonces are remembered only so long.
    fn turn(&mut self, round: usize) {
        if round.is_multiple_of(200) {
            self.door.rotate(self.now, None).unwrap();
            self.challenge = Pinned::new(self.door.camera()).take(self.door.challenge()).unwrap();
        }
    }

    fn open(&mut self, payload: &[u8]) -> bool {
        self.now += Duration::from_millis(1);
        black_box(self.door.open(payload, &self.roll, self.now, None)).is_ok()
    }
}

/// CPU time of this thread (proc(5), schedstat).
fn cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(text.split(' ').next().unwrap().parse().unwrap())
}

/// What `work` gives, and what it cost.
fn timed<T>(spent: &mut Duration, work: impl FnOnce() -> T) -> T {
    let start = cpu();
    let result = work();
    *spent += cpu().saturating_sub(start);
    result
}

fn say(what: &str, spent: Duration, rounds: usize) {
    let each = spent.as_secs_f64() * 1e6 / rounds as f64;
    println!("{what:<46} {each:>9.2} {:>12.2}", each * 1_000.0 / 1e6 * 100.0);
}

/// The same thing over and over, for long enough that the kernel's clock shows it.
fn many(what: &str, mut work: impl FnMut()) {
    let (mut spent, mut rounds) = (Duration::ZERO, 0);
    while spent < Duration::from_millis(300) {
        timed(&mut spent, || (0..ROUNDS).for_each(|_| work()));
        rounds += ROUNDS;
    }
    say(what, spent, rounds);
}

/// The same envelope over and over.
fn junk(stage: &mut Stage, what: &str, envelope: &[u8]) {
    many(what, || assert!(!stage.open(envelope)));
}

fn main() {
    let mut stage = Stage::new();
    let offer = format!(
        r#"{{"v":1,"type":"offer","session":"aaaaaaaaaaaaaaaaaaaaaaaaaa","sdp":"{}"}}"#,
        "a=b\\r\\n".repeat(400)
    );
    println!("{:<46} {:>9} {:>12}", "an offer of 2.5 kB", "µs", "% at 1 000/s");

    let parse = || black_box(serde_json::from_slice::<serde_json::Value>(offer.as_bytes())).is_ok();
    many("parsed as JSON, for comparison", || assert!(parse()));
    let signature = stage.asker.key().sign(Purpose::Grant, &[offer.as_bytes()]).unwrap();
    let point = stage.asker.key().point();
    let verify = || point.verify(Purpose::Grant, &[offer.as_bytes()], &signature);
    many("a signature verified, for comparison", || assert!(verify()));

    let (good, _) = stage.asker.open(&stage.challenge, offer.as_bytes()).unwrap();
    let changed = |at: usize| {
        let mut bad = good.clone();
        bad[at] ^= 1;
        bad
    };
    junk(&mut stage, "turned away: random bytes", &vec![0x5a; good.len()]);
    junk(&mut stage, "turned away: another challenge", &changed(24));
    junk(&mut stage, "turned away: a viewer that is not known", &changed(40));
    junk(&mut stage, "turned away: a bad signature", &changed(good.len() - 1));
    let stranger = Asker::new(SigningKey::generate().unwrap());
    let (pair, _) = stranger.pair(&stage.challenge, b"{}").unwrap();
    let mut pair = pair;
    let last = pair.len() - 1;
    pair[last] ^= 1;
    junk(&mut stage, "turned away: pairing, a bad signature", &pair);

    let [mut asked, mut opened, mut answered, mut heard] = [Duration::ZERO; 4];
    for round in 0..ROUNDS {
        stage.turn(round);
        let sealed = timed(&mut asked, || stage.asker.open(&stage.challenge, offer.as_bytes()));
        let (envelope, mut exchange) = sealed.unwrap();
        stage.now += Duration::from_millis(1);
        let result = timed(&mut opened, || stage.door.open(&envelope, &stage.roll, stage.now, None));
        let Ok(Opened::Request { exchange: camera, .. }) = result else { panic!("{result:?}") };
        let answer = timed(&mut answered, || camera.seal(offer.as_bytes())).unwrap();
        let said = timed(&mut heard, || exchange.hear(&answer, &stage.challenge));
        assert_eq!(said, Ok(Heard::Message(offer.clone().into_bytes())));
    }
    say("opened: a good request", opened, ROUNDS);
    say("sealed: its answer", answered, ROUNDS);
    say("the viewer's half: request", asked, ROUNDS);
    say("the viewer's half: answer", heard, ROUNDS);
    let all = opened + answered + asked + heard;
    println!("\none exchange, both sides: {:.2} ms", all.as_secs_f64() * 1e3 / ROUNDS as f64);
}
