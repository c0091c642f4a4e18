//! A viewer chooses between a camera's streams, and changes its mind while it watches.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::time::Duration;

use common::Stage;
use common::replay::{LOW, Replay, Rhythm};
use common::watcher::{Seen, Watcher};

fn is_low(seen: &Seen) -> bool {
    seen.number.unwrap() & LOW != 0
}

async fn until_said(watcher: &mut Watcher, stream: &str) {
    let said = |w: &Watcher| w.control.iter().any(|m| m["type"] == "stream" && m["id"] == stream);
    watcher.until("the camera's word", said).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_changes_streams_without_losing_a_picture() {
    let stage = Stage::open(10).await;
    let mut watcher = Watcher::join(stage.signal()).await;
    watcher.until("the main stream", |w| w.pictures.len() > 5).await;
    watcher.until("the channel", |w| !w.control.is_empty()).await;
    for (to, low) in [("low", true), ("main", false), ("low", true)] {
        watcher.control.clear();
        watcher.pictures.clear();
        assert!(watcher.say(&format!(r#"{{"type":"stream","id":"{to}"}}"#)));
        until_said(&mut watcher, to).await;
        watcher.until("twenty of them", |w| w.pictures.iter().filter(|seen| is_low(seen) == low).count() > 20).await;
        let change = watcher.pictures.iter().position(|seen| is_low(seen) == low).unwrap();
        assert!(watcher.pictures[change].key, "the first of {to} is a key frame");
        assert!(watcher.pictures[change..].iter().all(|seen| is_low(seen) == low), "and none of the other follows");
        assert!(watcher.pictures.iter().all(|seen| seen.contiguous), "nothing is missing in between");
        let numbers: Vec<u32> = watcher.pictures.iter().map(|seen| seen.number.unwrap() & !LOW).collect();
        assert!(numbers.windows(2).all(|pair| pair[0] <= pair[1]), "time goes on: {numbers:?}");
        assert!(numbers.windows(2).all(|pair| pair[1] - pair[0] <= 2), "without a gap: {numbers:?}");
        let stats = |w: &Watcher| w.control.iter().rev().find(|m| m["type"] == "stats").cloned();
        watcher.until("figures of it", |w| stats(w).is_some_and(|stats| stats["stream"] == to)).await;
        assert_eq!(stats(&watcher).unwrap()["width"], if low { 640 } else { 1280 });
    }
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_watched_is_made() {
    let stage = Stage::open(10).await;
    let mut watcher = Watcher::new(stage.signal()).await;
    watcher.stream = Some("low".into());
    watcher.offer();
    watcher.until("pictures", |w| w.pictures.len() > 5).await;
    assert!(watcher.pictures.iter().all(is_low), "the offer chose");
    assert!(watcher.pictures[0].key);
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_not_there_is_refused_and_nothing_changes() {
    let start = |out, demand, stop| {
        let rhythm = Rhythm { interval: Duration::from_millis(33), key_each: u32::MAX, low: false, follows: false };
        Replay::start_with(rhythm, out, demand, stop)
    };
    let stage = Stage::with(10, start).await;
    let mut watcher = Watcher::join(stage.signal()).await;
    watcher.until("the channel", |w| !w.control.is_empty() && !w.pictures.is_empty()).await;
    watcher.control.clear();
    watcher.say(r#"{"type":"stream","id":"low"}"#);
    until_said(&mut watcher, "main").await;
    let said = watcher.control.iter().find(|m| m["type"] == "stream").unwrap();
    assert_eq!(said["text"], "This camera has no low stream.");
    let seen = watcher.pictures.len();
    watcher.until("more pictures", |w| w.pictures.len() > seen + 5).await;

    for stream in ["low", "huge"] {
        let mut other = Watcher::new(stage.signal()).await;
        other.stream = Some(stream.into());
        other.offer();
        other.until("a refusal", |w| w.told("refused").is_some()).await;
        assert_eq!(other.told("refused").unwrap()["reason"], "unknown_stream", "{stream}");
    }
    stage.close().await;
}
