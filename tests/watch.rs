//! The whole way from a camera to a viewer of another implementation, but for broker and browser.
#![allow(clippy::unwrap_used)]

mod common;

use std::time::Duration;

use common::Stage;
use common::watcher::{Fate, Watcher};
use lunette::media::status::CameraState;
use lunette::signal::message::{Offer, Request};
use lunette::trust::{SessionId, ViewerId};

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_gets_every_picture_from_a_key_frame_on() {
    let stage = Stage::open(10).await;
    let mut watcher = Watcher::join(stage.signal()).await;
    watcher.until("60 pictures", |w| w.pictures.len() >= 60).await;

    let first = &watcher.pictures[0];
    assert!(first.key, "the first picture is a key frame");
    assert!(first.no_delay, "the playout delay is zero");
    let start = first.number.unwrap();
    for (i, seen) in watcher.pictures.iter().enumerate() {
        let n = start + i as u32;
        assert_eq!(seen.number, Some(n));
        assert_eq!(seen.data[..], common::replay::access_unit(n, seen.key)[..], "picture {n} came as it was sent");
    }
    stage.close().await;
}
