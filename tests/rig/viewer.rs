//! A viewer at the hub.

use std::sync::Arc;
use std::time::Instant;

use lunette::hub::{Event, Picture, Subscription};
use lunette::media::stream::StreamId;

use super::{Eye, PATIENCE, Running};

/// Somebody who watches as a real viewer does: after a gap, nothing till the next key frame, and one is asked for. A test
/// machine may be too busy to see every picture.
pub struct Viewer {
    pub pictures: Subscription,
    pub eye: Eye,
    blind: bool,
}

impl Viewer {
    pub fn of(running: &Running) -> Self {
        Self { pictures: running.hub.subscribe(StreamId::Main), eye: Eye::new(), blind: true }
    }

    pub async fn next(&mut self) -> Arc<Picture> {
        loop {
            match tokio::time::timeout(PATIENCE, self.pictures.next()).await.expect("a picture") {
                Event::Picture(picture) if picture.frame.key || !self.blind => {
                    self.blind = false;
                    self.eye.see(&picture.frame.data);
                    return picture;
                }
                Event::Picture(_) => {}
                Event::Lagged(n) => {
                    println!("{n} pictures missed");
                    self.blind = true;
                    self.pictures.want_key_frame();
                }
                Event::Closed => panic!("closed"),
            }
        }
    }

    pub async fn watch(&mut self, pictures: u64) {
        for _ in 0..pictures {
            self.next().await;
        }
    }

    /// Watches till the next key frame; when that was captured.
    pub async fn key(&mut self) -> Instant {
        loop {
            let picture = self.next().await;
            if picture.frame.key {
                return picture.frame.captured;
            }
        }
    }
}
