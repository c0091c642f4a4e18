//! Ways between a camera and its viewers: one connection at a time, with a viewer of another implementation.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::bare::Bare;
use common::watcher::Watcher;

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_keeps_the_session() {
    let camera = Bare::open().await;
    let mut watcher = Watcher::join(camera.signal.clone()).await;
    watcher.until("a picture", |w| !w.pictures.is_empty()).await;
    for round in 1..=3 {
        let (seen, answers) = (watcher.pictures.len(), watcher.said.iter().filter(|m| m["type"] == "answer").count());
        watcher.restart();
        watcher.until("another answer", |w| w.said.iter().filter(|m| m["type"] == "answer").count() > answers).await;
        watcher.until("pictures again", |w| w.pictures.len() > seen + 30).await;
        assert_eq!(camera.connected(), 1 + round, "it says so");
    }
    let ufrags: std::collections::HashSet<_> = watcher
        .said
        .iter()
        .filter_map(|m| m["sdp"].as_str()?.lines().find(|line| line.starts_with("a=ice-ufrag:")))
        .collect();
    assert_eq!(ufrags.len(), 4, "each time with other credentials");
    assert!(!watcher.closed);
    camera.close().await;
}
