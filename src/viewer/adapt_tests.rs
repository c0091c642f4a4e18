use proptest::prelude::*;

use super::*;
use crate::viewer::bandwidth::Reading;

const RATES: PerStream<Rates> = PerStream {
    main: Rates { floor: Bitrate::kbps(500), ceiling: Bitrate::kbps(2000) },
    low: Rates { floor: Bitrate::kbps(100), ceiling: Bitrate::kbps(400) },
};

/// A viewer, and a clock that goes on by a quarter of a second each turn.
struct Bench {
    adapt: Adapt,
    now: Instant,
    view: View,
}

fn flow(kbps: u32, queue: u64) -> Flow {
    let reading = Reading {
        newest: Duration::ZERO,
        through: Bitrate::kbps(kbps),
        narrowed: false,
        estimate: Bitrate::kbps(kbps),
        queue: Duration::from_millis(queue),
        loss: 0.0,
        round_trip: Duration::from_millis(50),
    };
    Flow { reading: Some(reading), oldest: None, since: None, repair: 0.0 }
}

impl Bench {
    fn new(stream: Option<StreamId>, low: bool) -> Self {
        let view = View { stream: stream.unwrap_or_default(), low, flow: Flow::default() };
        Self { adapt: Adapt::new(RATES, stream), now: Instant::now(), view }
    }

    fn turn(&mut self, kbps: u32) -> Turn {
        self.now += Duration::from_millis(250);
        self.view.flow = flow(kbps, 0);
        let turn = self.adapt.turn(self.now, &self.view);
        self.view.stream = turn.go.unwrap_or(self.view.stream);
        turn
    }

    /// So many seconds; where it went, in order.
    fn run(&mut self, kbps: u32, seconds: u32) -> Vec<StreamId> {
        (0..seconds * 4).filter_map(|_| self.turn(kbps).go).collect()
    }
}

#[test]
fn a_weak_network_gets_the_low_stream_and_a_better_one_the_main_again() {
    let mut bench = Bench::new(None, true);
    assert_eq!(bench.run(2000, 5), []);
    assert_eq!(bench.turn(300).go, None, "a moment is no weakness");
    assert_eq!(bench.run(2000, 2), []);
    assert_eq!(bench.run(300, 3), [StreamId::Low]);
    assert!(bench.adapt.why().unwrap().contains("small one"));
    assert_eq!(bench.run(590, 10), [], "not by a hair");
    assert_eq!(bench.run(900, 5), [StreamId::Main]);
    assert_eq!(bench.adapt.why(), None);
}

#[test]
fn what_the_viewer_chose_is_respected() {
    let mut bench = Bench::new(Some(StreamId::Low), true);
    assert_eq!(bench.run(5000, 60), [], "low for good");
    bench.adapt.chosen(StreamId::Main, bench.now);
    bench.view.stream = StreamId::Main;
    assert_eq!(bench.run(300, 5), [], "asked for: tried");
    assert_eq!(bench.run(300, 5), [StreamId::Low]);
    assert_eq!(bench.run(900, 5), [StreamId::Main]);
}

#[test]
fn where_nothing_less_is_left_key_frames_are_sent() {
    let mut bench = Bench::new(None, false);
    assert_eq!(bench.run(300, 2), []);
    assert!(bench.adapt.keys_only());
    bench.adapt.key_sent(60_000, &flow(300, 0));
    let asked = (0..40).filter(|_| bench.turn(300).key).count();
    assert!((3..=5).contains(&asked), "{asked} key frames in 10 s: 60 kB take 2.5 s");
    while bench.adapt.keys_only() {
        let turn = bench.turn(800);
        assert_eq!(turn.key, turn.key || !bench.adapt.keys_only(), "it begins again with a key frame");
    }
    let mut bench = Bench::new(None, true);
    assert_eq!(bench.run(60, 8), [StreamId::Low]);
    assert!(bench.adapt.keys_only());
}

#[test]
fn more_is_sought_now_and_then_and_more_seldom_where_there_is_none() {
    let mut bench = Bench::new(None, true);
    bench.run(300, 3);
    let mut began = Vec::new();
    let mut before = false;
    for i in 0..(300 * 4) {
        let seeks = bench.turn(300).seek;
        assert!(seeks.is_none_or(|rate| rate > Bitrate::kbps(625) && rate < Bitrate::kbps(1000)), "{seeks:?}");
        if seeks.is_some() && !before {
            began.push(i / 4);
        }
        before = seeks.is_some();
    }
    assert!((4..=8).contains(&began.len()) && began[0] < 6, "{began:?}");
    // A queue ends it at once.
    bench.adapt.rests_until = None;
    bench.turn(300);
    bench.view.flow = flow(300, 200);
    assert_eq!(bench.adapt.turn(bench.now, &bench.view).seek, None);
}

#[test]
fn a_viewer_that_reports_nothing_is_left_alone() {
    let mut bench = Bench::new(None, true);
    bench.view.flow = Flow::default();
    assert_eq!(bench.adapt.turn(bench.now, &bench.view), Turn::default());
}

proptest! {
    #[test]
    fn it_does_not_flap(rates in prop::collection::vec(50..1500u32, 1..200)) {
        let mut bench = Bench::new(None, true);
        let went: usize = rates.iter().map(|kbps| bench.run(*kbps, 1).len()).sum();
        prop_assert!(went <= 1 + rates.len() / 2, "{went} times in {} s", rates.len());
    }
}
