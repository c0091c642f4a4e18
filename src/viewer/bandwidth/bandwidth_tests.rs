use proptest::prelude::*;

use super::simulator::{Path, Simulation};
use super::*;

const SEEDS: [u32; 8] = [1, 2, 3, 5, 8, 13, 21, 0x1234_5678];

fn mbit(cap: f64) -> Path {
    Path { cap: cap * 1e6, ..Path::default() }
}

/// Runs through the caps, 18 s each, and says for each: the part used in the last third, the longest queue from 3 s on.
fn steps(path: Path, caps: &[f64]) -> Vec<(f64, f64)> {
    SEEDS.iter().flat_map(|seed| steps_of(*seed, path, caps)).collect()
}

fn steps_of(seed: u32, path: Path, caps: &[f64]) -> Vec<(f64, f64)> {
    let mut run = Simulation::new(Path { cap: caps[0] * 1e6, ..path }, Bitrate::kbps(4000));
    run.random = seed;
    let mut seen = Vec::new();
    for cap in caps {
        run.path.cap = cap * 1e6;
        run.run(3.0);
        run.run(15.0);
        seen.push((run.used(6.0), run.longest_queue(15.0)));
    }
    seen
}

fn check(seen: &[(f64, f64)]) {
    for (i, (used, queue)) in seen.iter().enumerate() {
        assert!(*used >= 0.7, "step {i}: {used} of the cap; {seen:?}");
        assert!(*queue < 300.0, "step {i}: a queue of {queue} ms; {seen:?}");
    }
    let steps = seen.len() / SEEDS.len();
    for step in 0..steps {
        let used = seen.iter().skip(step).step_by(steps).map(|(used, _)| used).sum::<f64>() / SEEDS.len() as f64;
        assert!(used >= 0.8, "step {step}: {used} of the cap on average; {seen:?}");
    }
}

#[test]
fn a_cap_that_steps_is_followed() {
    check(&steps(Path::default(), &[4.0, 1.0, 0.3, 4.0]));
}

#[test]
fn jitter_is_no_queue() {
    for reorder in [false, true] {
        check(&steps(Path { jitter: Duration::from_millis(30), reorder, ..Path::default() }, &[4.0, 1.0, 0.3, 4.0]));
    }
}

#[test]
fn loss_at_random_is_no_congestion() {
    check(&steps(Path { loss: 50, ..Path::default() }, &[4.0, 1.0, 0.3, 4.0]));
    let path = Path { loss: 50, jitter: Duration::from_millis(30), reorder: true, ..Path::default() };
    check(&steps(path, &[4.0, 1.0, 0.3, 4.0]));
}

#[test]
fn a_short_queue_that_drops_is_congestion() {
    let seen = steps(Path { room: 15_000, ..Path::default() }, &[4.0, 1.0, 2.0]);
    assert!(seen.iter().all(|(used, _)| (0.4..1.5).contains(used)), "{seen:?}");
}

#[test]
fn a_long_way_is_no_queue() {
    let seen = steps(Path { delay: Duration::from_millis(100), ..Path::default() }, &[4.0, 1.0, 4.0]);
    // Word of a queue comes so much later, and the way back takes a while longer.
    check(&seen.into_iter().map(|(used, queue)| (used, queue - 100.0)).collect::<Vec<_>>());
}

#[test]
fn a_long_way_with_jitter_is_no_queue() {
    for (kbps, jitter, least) in [(1500, 60, 0.9), (1500, 20, 0.9), (4000, 60, 0.9), (500, 60, 0.9), (1500, 120, 0.75)]
    {
        let jitter = Duration::from_millis(jitter);
        for seed in SEEDS {
            let path = Path { delay: Duration::from_millis(170), jitter, jitter_back: jitter, ..mbit(100.0) };
            let mut run = Simulation::new(path, Bitrate::kbps(kbps));
            run.random = seed;
            run.run(30.0);
            let low = run.lowest(30.0) / f64::from(kbps);
            assert!(low >= least, "{low} of {kbps} kbit/s with {jitter:?}, seed {seed}");
        }
    }
}

#[test]
fn a_way_that_becomes_longer_is_no_queue() {
    // Where every picture comes later than is let pass there are key frames only, and it takes some of them to tell.
    for (kbps, by, jitter, within) in
        [(1500, 200, 0, 4.0), (1500, 200, 60, 4.0), (4000, 200, 60, 4.0), (300, 200, 0, 4.0), (1500, 600, 0, 8.0)]
    {
        let jitter = Duration::from_millis(jitter);
        for seed in SEEDS {
            let mut run = Simulation::new(Path { delay: Duration::from_millis(2), ..mbit(100.0) }, Bitrate::kbps(kbps));
            run.random = seed;
            run.run(5.0);
            run.path = Path { delay: Duration::from_millis(by), jitter, jitter_back: jitter, ..run.path };
            run.run(within);
            run.run(12.0);
            let low = run.lowest(12.0) / f64::from(kbps);
            assert!(low >= 0.9, "{low} of {kbps} kbit/s {by} ms further with {jitter:?}, seed {seed}");
        }
    }
}

#[test]
fn heavy_loss_at_random_leaves_a_rate() {
    let mut run = Simulation::new(Path { loss: 300, ..mbit(4.0) }, Bitrate::kbps(2000));
    run.run(60.0);
    assert!(run.used(20.0) > 0.25, "{}", run.used(20.0));
}

#[test]
fn too_much_is_seen_within_a_second() {
    let mut run = Simulation::new(mbit(4.0), Bitrate::kbps(2000));
    run.run(5.0);
    let before = run.estimator.reading().unwrap().estimate;
    run.path.cap = 1e6;
    run.run(1.0);
    let after = run.estimator.reading().unwrap().estimate;
    assert!(after < Bitrate::kbps(1050) && before >= Bitrate::kbps(2000), "{before} {after}");
}

#[test]
fn it_begins_where_the_stream_is_and_stays_on_a_good_path() {
    let mut run = Simulation::new(mbit(20.0), Bitrate::kbps(2000));
    run.run(10.0);
    let low = run.lowest(10.0);
    assert!(low >= 2000.0, "{low}");
}

#[test]
fn another_path_is_no_queue() {
    let mut run = Simulation::new(mbit(20.0), Bitrate::kbps(2000));
    run.run(5.0);
    run.path.delay = Duration::from_millis(150);
    run.estimator.renew(run.now);
    assert_eq!(run.estimator.reading(), None);
    run.run(5.0);
    let low = run.lowest(4.0);
    assert!(low >= 2000.0 && run.estimator.reading().unwrap().queue < Duration::from_millis(30), "{low}");
}

#[test]
fn a_deep_cap_that_is_lifted_is_soon_forgotten() {
    let climbs = |fills: bool| -> Vec<f64> {
        let climb = |(lifted, seed): (u32, u32)| {
            let mut run = Simulation::new(mbit(4.0), Bitrate::kbps(4000));
            (run.random, run.fills) = (seed, fills);
            run.run(5.0);
            run.path.cap = 0.3e6;
            run.run(4.0 + f64::from(lifted) / 2.0);
            run.path.cap = 4e6;
            let from = run.samples.len();
            run.run(20.0);
            let there = run.samples.iter().skip(from).position(|sample| sample.estimate >= 3000.0);
            there.map_or(f64::INFINITY, |pictures| pictures as f64 / 30.0)
        };
        let mut climbs: Vec<f64> = (0..6).flat_map(|lifted| SEEDS.map(|seed| (lifted, seed))).map(climb).collect();
        climbs.sort_by(f64::total_cmp);
        climbs
    };
    let (with, without) = (climbs(true), climbs(false));
    let half = with.len() / 2;
    assert!(with[half] < 0.7 * without[half] && with.last() < Some(&7.0), "{with:?} {without:?}");
    assert!(without.last() < Some(&15.0), "{without:?}");
}

#[test]
fn silence_lowers_it() {
    let start = Instant::now();
    let mut estimator = Estimator::new(Bitrate::kbps(2000), Bitrate::MIN, Bitrate::kbps(2500));
    let after = |ms| start + Duration::from_millis(ms);
    estimator.tick(after(9000), Some(start));
    assert_eq!(estimator.reading(), None, "a viewer that never reports says nothing");
    estimator.report(after(50), &[Ack { sent: start, size: 1000, arrived: Some(Duration::from_secs(5)) }]);
    let rate = |estimator: &Estimator| estimator.reading().unwrap().estimate;
    let begun = rate(&estimator);
    estimator.tick(after(5000), None);
    assert_eq!(rate(&estimator), begun, "nothing was sent");
    estimator.tick(after(5000), Some(after(4000)));
    let once = rate(&estimator);
    estimator.tick(after(5001), Some(after(4000)));
    assert!(once < begun && rate(&estimator) == once, "{begun} {once}");
}

fn ack() -> impl Strategy<Value = (u64, usize, Option<u64>)> {
    let time = prop_oneof![4 => 0..3_000_000u64, 1 => any::<u64>()];
    (prop_oneof![8 => 0..3_000_000u64, 1 => 0..4_000_000_000u64], any::<usize>(), prop::option::of(time))
}

proptest! {
    #[test]
    fn whatever_is_reported_the_limits_hold(
        reports in prop::collection::vec((0..500u64, prop::collection::vec(ack(), 0..40)), 0..60),
        start in 0..9_000u32, floor in 50..500u32, ceiling in 50..5_000u32,
    ) {
        let begin = Instant::now();
        let mut now = begin;
        let mut estimator = Estimator::new(Bitrate::kbps(start), Bitrate::kbps(floor), Bitrate::kbps(ceiling));
        for (step, acks) in reports {
            now += Duration::from_millis(step);
            let acks: Vec<Ack> = acks
                .into_iter()
                .map(|(sent, size, arrived)| Ack {
                    sent: begin + Duration::from_micros(sent),
                    size,
                    arrived: arrived.map(Duration::from_micros),
                })
                .collect();
            estimator.report(now, &acks);
            estimator.tick(now, acks.first().map(|ack| ack.sent));
            if let Some(reading) = estimator.reading() {
                let ceiling = Bitrate::kbps(ceiling.max(floor));
                prop_assert!(reading.estimate >= Bitrate::kbps(floor) && reading.estimate <= ceiling, "{reading:?}");
                prop_assert!((0.0..=1.0).contains(&reading.loss));
            }
        }
    }
}
