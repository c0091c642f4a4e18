//! Ten thousand joins and leaves: nothing is left behind. Minutes long, so it runs by name: `cargo test --test long`.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::time::Duration;

use common::Stage;
use common::watcher::Watcher;
use lunette::trust::Actor;

/// `JOINS=500` makes it shorter.
fn joins() -> usize {
    std::env::var("JOINS").map_or(10_000, |n| n.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_joins_leave_nothing_behind() {
    let stage = Stage::open(20).await;
    let (joins, lanes) = (joins(), 8);
    cycles(&stage, lanes, joins / 10).await;
    let (memory, descriptors) = settled(&stage).await;
    cycles(&stage, lanes, joins).await;
    let (memory_after, descriptors_after) = settled(&stage).await;
    println!("{joins} joins: {memory} → {memory_after} bytes, {descriptors} → {descriptors_after} descriptors");
    assert_eq!(descriptors_after, descriptors, "file descriptors");
    let most = memory + 8 * 1024 * 1024;
    assert!(memory_after < most, "memory grew from {memory} to {memory_after} bytes");
    stage.close().await;
}

/// Goodbyes go by signaling, now and then by the data channel too.
async fn cycles(stage: &Stage, lanes: usize, joins: usize) {
    let lanes: Vec<_> = (0..lanes)
        .map(|_| {
            let (signal, keeper) = (stage.signal(), stage.keeper.clone());
            tokio::spawn(async move {
                for n in 0..joins / 8 {
                    let mut watcher = Watcher::join(signal.clone()).await;
                    watcher.until("a picture", |w| !w.pictures.is_empty()).await;
                    if n % 16 == 15 {
                        watcher.say(r#"{"type":"bye"}"#);
                        watcher.run_for(Duration::from_millis(20)).await;
                    }
                    watcher.bye();
                    // Only so many can be known.
                    keeper.roll().revoke(Actor::Board, &watcher.id).unwrap();
                }
            })
        })
        .collect();
    for lane in lanes {
        lane.await.unwrap();
    }
}

/// Memory and descriptors once all sessions are gone.
async fn settled(stage: &Stage) -> (u64, usize) {
    for _ in 0..200 {
        if stage.hub.viewers() == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(stage.hub.viewers(), 0, "all are gone");
    tokio::time::sleep(Duration::from_secs(1)).await;
    (common::resident_bytes(), common::descriptors())
}
