use bytes::Bytes;

use super::*;
use crate::media::units::MediaTime;

const MAIN: StreamId = StreamId::Main;

fn frame(n: u64, key: bool) -> Frame {
    let data = Bytes::from_static(&[0, 0, 0, 1, 0x41, 1, 2, 3]);
    Frame { at: MediaTime(n), captured: Instant::now(), key, data }
}

fn number(event: &Event) -> Option<u64> {
    match event {
        Event::Picture(picture) => Some(picture.frame.at.0),
        _ => None,
    }
}

#[tokio::test]
async fn demand_follows_the_viewers() {
    let (_publisher, hub, demand) = open(PerStream::from_fn(|_| Bitrate::kbps(1000)));
    assert!(!demand.borrow().main.watched);
    let (a, b) = (hub.subscribe(MAIN), hub.subscribe(MAIN));
    assert!(demand.borrow().main.watched);
    drop(a);
    assert!(demand.borrow().main.watched);
    drop(b);
    assert!(!demand.borrow().main.watched);
    assert_eq!(hub.viewers(), 0);
}

#[tokio::test]
async fn a_slow_viewer_lags_and_the_others_get_everything() {
    let (publisher, hub, _demand) = open(PerStream::from_fn(|_| Bitrate::kbps(1000)));
    let (mut slow, mut fast) = (hub.subscribe(MAIN), hub.subscribe(MAIN));
    let pictures = RING as u64 * 3;
    for n in 0..pictures {
        publisher.publish(MAIN, frame(n, n == 0));
        assert_eq!(number(&fast.next().await), Some(n));
    }
    assert!(matches!(slow.next().await, Event::Lagged(n) if n == pictures - RING as u64));
    assert_eq!(number(&slow.next().await), Some(pictures - RING as u64));
}

#[tokio::test]
async fn wishes_for_key_frames_are_coalesced_and_none_is_lost() {
    let (publisher, hub, demand) = open(PerStream::from_fn(|_| Bitrate::kbps(1000)));
    let viewers: Vec<_> = (0..50).map(|_| hub.subscribe(MAIN)).collect();
    for viewer in &viewers {
        viewer.want_key_frame();
    }
    assert_eq!(demand.borrow().main.key_frames, 1, "fifty wishes, one key frame");
    publisher.publish(MAIN, frame(0, false));
    assert_eq!(demand.borrow().main.key_frames, 1, "the wish that came too early waits");
    publisher.publish(MAIN, frame(1, true));
    viewers[0].want_key_frame();
    tokio::time::sleep(KEY_FRAME_SPACING).await;
    publisher.publish(MAIN, frame(2, false));
    assert_eq!(demand.borrow().main.key_frames, 2, "and is granted when it is due");
}

#[test]
fn a_key_frame_that_came_by_itself_grants_the_wish() {
    let (mut wishes, now) = (Wishes::new(Bitrate::kbps(1000).into()), Instant::now());
    wishes.key_frame_wanted = true;
    assert!(wishes.key_frame_due(now));
    wishes.key_frame_wanted = true;
    wishes.key_frame_came();
    assert!(!wishes.key_frame_due(now + KEY_FRAME_SPACING * 2));
}

#[test]
fn a_status_that_did_not_change_wakes_nobody() {
    let (publisher, hub, _demand) = open(PerStream::from_fn(|_| Bitrate::kbps(1000)));
    let mut status = hub.status();
    status.borrow_and_update();
    publisher.report(CameraStatus::default());
    assert!(!status.has_changed().expect("open"));
    publisher.report(CameraStatus { text: "new".into(), ..CameraStatus::default() });
    assert!(status.has_changed().expect("open"));
}

#[tokio::test]
async fn streams_do_not_mix() {
    let (publisher, hub, demand) = open(PerStream { main: Bitrate::kbps(1000), low: Bitrate::kbps(200) });
    let mut low = hub.subscribe(StreamId::Low);
    low.want_key_frame();
    let now = *demand.borrow();
    assert!(now.watched() && !now.main.watched && now.low.watched);
    assert_eq!((now.main.key_frames, now.low.key_frames), (0, 1));
    let mut main = hub.subscribe(MAIN);
    publisher.publish(MAIN, frame(1, true));
    publisher.publish(StreamId::Low, frame(2, true));
    assert_eq!((number(&low.next().await), number(&main.next().await)), (Some(2), Some(1)));
    drop(low);
    assert!(!demand.borrow().low.watched && demand.borrow().main.watched);
    assert_eq!(hub.viewers(), 1);
    let low = main.beside(StreamId::Low);
    assert!(demand.borrow().low.watched && hub.viewers() == 1, "one viewer, whatever it looks at");
    low.replace(&mut main);
    assert!(!demand.borrow().main.watched && demand.borrow().low.watched && hub.viewers() == 1);
    drop(main);
    assert!(!demand.borrow().watched() && hub.viewers() == 0);
}
