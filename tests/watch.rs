//! The whole way from a camera to a viewer of another implementation, but for broker and browser.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::time::{Duration, Instant};

use common::Stage;
use common::replay::Replay;
use common::watcher::{Fate, Watcher};
use lunette::config::Config;
use lunette::media::status::CameraState;
use lunette::signal::message::Request;
use lunette::trust::{Actor, Side};
use lunette::turn::Ice;

/// A session that ends must be gone by then; a viewer that vanished might be on its way to another network.
const GONE: Duration = Duration::from_secs(35);
/// When no connection comes about, both sides know why by then.
const GIVEN_UP: Duration = Duration::from_secs(10);

async fn until_watching(stage: &Stage, viewers: usize) -> Duration {
    let start = Instant::now();
    while stage.hub.viewers() != viewers {
        assert!(start.elapsed() < GONE, "still {} viewers, not {viewers}", stage.hub.viewers());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    start.elapsed()
}

async fn joined(stage: &Stage) -> Watcher {
    let mut watcher = Watcher::join(stage.signal()).await;
    watcher.until("a picture", |w| !w.pictures.is_empty()).await;
    watcher
}

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

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_made_while_nobody_watches() {
    let stage = Stage::open(10).await;
    let watcher = joined(&stage).await;
    watcher.bye();
    until_watching(&stage, 0).await;
    let made = stage.replay.published();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(stage.replay.published() <= made + 1, "the camera rests");
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_and_reordered_packets_are_made_good() {
    let stage = Stage::open(10).await;
    let mut watcher = joined(&stage).await;
    let mut n = 0u32;
    watcher.network = Box::new(move |media| {
        n += u32::from(media);
        match (media, n % 20) {
            (true, 0) => Fate::Lost,
            (true, 7) => Fate::Late,
            _ => Fate::Arrives,
        }
    });
    watcher.pictures.clear();
    watcher.until("90 pictures", |w| w.pictures.len() >= 90).await;
    let wrong = watcher
        .pictures
        .iter()
        .filter(|seen| seen.data[..] != common::replay::access_unit(seen.number.unwrap_or_default(), seen.key)[..]);
    assert_eq!(wrong.count(), 0, "whatever comes out is whole");
    let gaps = watcher.pictures.iter().filter(|seen| !seen.contiguous).count();
    assert_eq!(gaps, 0, "at 5 % loss and no delay, retransmission fills every gap");
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_key_frame_requests_costs_two_a_second() {
    let stage = Stage::open(10).await;
    let (mut a, mut b) = (joined(&stage).await, joined(&stage).await);
    let (before, start) = (stage.replay.forced(), Instant::now());
    while start.elapsed() < Duration::from_secs(3) {
        a.pli();
        b.pli();
        a.say(r#"{"type":"key"}"#);
        tokio::join!(a.run_for(Duration::from_millis(20)), b.run_for(Duration::from_millis(20)));
    }
    let forced = stage.replay.forced() - before;
    let most = (start.elapsed().as_millis() / 500) as u32 + 2;
    assert!((2..=most).contains(&forced), "{forced} key frames in {:?}", start.elapsed());
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn viewers_beyond_the_cap_are_refused_politely_and_others_do_not_notice() {
    let stage = Stage::open(2).await;
    let (mut a, b) = (joined(&stage).await, joined(&stage).await);
    let mut c = Watcher::join(stage.signal()).await;
    c.until("a refusal", |w| w.told("refused").is_some()).await;
    let refusal = c.told("refused").unwrap();
    assert_eq!((&refusal["reason"], &refusal["text"]), (&"full".into(), &"2 of 2 viewers are watching.".into()));
    let seen = a.pictures.len();
    a.until("more pictures", |w| w.pictures.len() > seen + 10).await;
    b.bye();
    until_watching(&stage, 1).await;
    joined(&stage).await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_that_vanishes_is_gone_within_35_seconds() {
    let stage = Stage::open(2).await;
    let mut watcher = joined(&stage).await;
    watcher.network = Box::new(|_| Fate::Lost);
    // Nobody drives it any more: its socket is closed without a word.
    drop(watcher);
    let took = until_watching(&stage, 0).await;
    assert!(took < GONE, "{took:?}");
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_goodbye_on_the_data_channel_ends_the_session_at_once() {
    let stage = Stage::open(2).await;
    let mut watcher = joined(&stage).await;
    watcher.until("control", |w| w.heard("camera").is_some()).await;
    watcher.say(r#"{"type":"bye"}"#);
    watcher.run_for(Duration::from_millis(100)).await;
    assert!(until_watching(&stage, 0).await < Duration::from_secs(2));
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_control_channel_tells_time_state_and_cost() {
    let stage = Stage::open(2).await;
    let mut watcher = joined(&stage).await;
    watcher.until("the camera's state", |w| w.heard("camera").is_some_and(|m| m["state"] == "live")).await;
    watcher.say("{\"type\":\"open\",\"path\":\"/etc/passwd\"}");
    watcher.say(r#"{"type":"ping","id":7,"t":12.5}"#);
    watcher.until("a pong", |w| w.heard("pong").is_some()).await;
    let pong = watcher.heard("pong").unwrap();
    assert_eq!((&pong["id"], &pong["t"]), (&7.into(), &12.5.into()));
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs_f64() * 1e3;
    assert!((pong["wall"].as_f64().unwrap() - now).abs() < 5000.0);
    watcher.until("stats", |w| w.heard("stats").is_some_and(|s| s["fps"].as_f64() > Some(10.0))).await;
    let stats = watcher.heard("stats").unwrap();
    assert_eq!((&stats["width"], &stats["profile"], &stats["viewers"]), (&1280.into(), &"42e01f".into(), &1.into()));
    assert!(stats["kbps"].as_u64().unwrap() > 500, "{stats}");
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_camera_is_said_and_the_session_lives_on() {
    let stage = Stage::open(2).await;
    let mut watcher = joined(&stage).await;
    stage.replay.set(CameraState::Lost);
    watcher.until("the loss", |w| w.heard("camera").is_some_and(|m| m["state"] == "lost")).await;
    assert_eq!(watcher.heard("camera").unwrap()["text"], "the replay camera was unplugged");
    // Longer than silence would be borne while pictures flow.
    watcher.run_for(Duration::from_secs(7)).await;
    let seen = watcher.pictures.len();
    stage.replay.set(CameraState::Starting);
    watcher.until("pictures again", |w| w.pictures.len() > seen + 10).await;
    assert!(watcher.pictures[seen].key, "it goes on with a key frame");
    assert_eq!((watcher.told("end"), stage.hub.viewers()), (None, 1));
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_offer_gets_the_same_answer() {
    let stage = Stage::open(2).await;
    let mut watcher = joined(&stage).await;
    watcher.offer();
    watcher.until("a second answer", |w| w.said.iter().filter(|m| m["type"] == "answer").count() == 2).await;
    let answers: Vec<_> = watcher.said.iter().filter(|m| m["type"] == "answer").collect();
    assert_eq!(answers[0], answers[1]);
    assert_eq!(stage.hub.viewers(), 1);
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_served_is_refused_by_name_and_harms_nobody() {
    let stage = Stage::open(5).await;
    let mut watcher = joined(&stage).await;
    let good = Watcher::new(stage.signal()).await.sdp().to_owned();
    let cases = [
        (good.replace("H264", "H265"), "no_h264"),
        (good.replace("m=video", "m=audio"), "no_video"),
        ("hello".to_owned(), "bad_sdp"),
        (good.replace("a=ice-ufrag", "a=x-ufrag"), "bad_sdp"),
        (good.replace("a=fingerprint", "a=x-fingerprint"), "bad_sdp"),
    ];
    for (sdp, reason) in cases {
        let mut stranger = Watcher::new(stage.signal()).await;
        let request = Request::Offer(lunette::signal::message::Offer {
            session: stranger.session,
            stream: None,
            restart: 0,
            sdp,
        });
        stranger.request(&request);
        stranger.until(reason, |w| w.told("refused").is_some() || w.told("answer").is_some()).await;
        assert_eq!(stranger.told("refused").map(|m| m["reason"].clone()), Some(reason.into()));
    }
    until_watching(&stage, 1).await;
    let seen = watcher.pictures.len();
    watcher.until("more pictures", |w| w.pictures.len() > seen + 10).await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn junk_on_the_request_topic_harms_nobody() {
    let stage = Stage::open(5).await;
    let mut watcher = joined(&stage).await;
    let signal = stage.signal();
    let id = watcher.id;
    for payload in [
        &b""[..],
        b"{",
        b"[]",
        b"\xff\xfe\x00",
        b"{\"v\":1,\"type\":\"hello\",\"from\":\"#\"}",
        &vec![b'x'; 1 << 20],
        b"LUN\x01\x01\x01\x00\x00",
        format!(r#"{{"v":1,"type":"offer","from":"{id}","session":7}}"#).as_bytes(),
        "[".repeat(10_000).as_bytes(),
    ] {
        for _ in 0..100 {
            signal.publish(payload);
        }
    }
    // Sealed junk of one who is known.
    for plain in [&br#"{"v":1,"type":"offer","session":7}"#[..], b"[", b""] {
        for _ in 0..10 {
            signal.ask(id, None, false, plain);
        }
    }
    let seen = watcher.pictures.len();
    watcher.until("more pictures", |w| w.pictures.len() > seen + 10).await;
    assert!(watcher.pictures.iter().all(|seen| seen.contiguous));
    assert_eq!(watcher.told("refused").unwrap()["reason"], "bad_message");
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_offers_leaves_a_running_viewer_alone() {
    let stage = Stage::open(5).await;
    let mut watcher = joined(&stage).await;
    let sdp = Watcher::new(stage.signal()).await.sdp().to_owned();
    for _ in 0..200 {
        let offer = lunette::signal::message::Offer {
            session: lunette::trust::SessionId::random().unwrap(),
            stream: None,
            restart: 0,
            sdp: sdp.clone(),
        };
        stage.signal().request(stage.signal().paired(), &Request::Offer(offer));
    }
    let seen = watcher.pictures.len();
    watcher.until("more pictures", |w| w.pictures.len() > seen + 30).await;
    assert!(stage.hub.viewers() <= 5, "the cap holds");
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_viewer_skips_to_a_key_frame_and_harms_nobody() {
    let stage = Stage::open(5).await;
    let (mut fast, mut slow) = (joined(&stage).await, joined(&stage).await);
    // The first one stood still while the second one joined, and pictures for it may have been left out.
    tokio::join!(fast.run_for(Duration::from_secs(1)), slow.run_for(Duration::from_secs(1)));
    // Its packets are read, but nothing of them arrives for a while: no acknowledgement, no retransmission helps.
    slow.network = Box::new(|media| if media { Fate::Lost } else { Fate::Arrives });
    let seen = fast.pictures.len();
    tokio::join!(
        fast.until("60 more pictures", |w| w.pictures.len() > seen + 60),
        slow.run_for(Duration::from_secs(2)),
    );
    assert!(fast.pictures[seen..].iter().all(|seen| seen.contiguous), "the fast one missed nothing");
    slow.network = Box::new(|_| Fate::Arrives);
    let before = slow.pictures.len();
    tokio::join!(slow.until("pictures again", |w| w.pictures.len() > before + 5), fast.run_for(Duration::from_secs(1)));
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn at_the_end_viewers_are_told_why() {
    let stage = Stage::open(5).await;
    let mut watcher = joined(&stage).await;
    tokio::join!(watcher.until("an end", |w| w.told("end").is_some()), stage.close());
    assert_eq!(watcher.told("end").unwrap()["reason"], "shutdown");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_goes_on_in_the_same_session() {
    let stage = Stage::open(2).await;
    let mut watcher = joined(&stage).await;
    watcher.until("control", |w| w.heard("camera").is_some()).await;
    for round in 1..=3 {
        let seen = watcher.pictures.len();
        watcher.restart();
        let answered = |w: &Watcher| w.told("answer").is_some_and(|m| m["restart"] == round);
        watcher.until("its answer", answered).await;
        watcher.offer();
        let twice = |w: &Watcher| w.said.iter().filter(|m| m["type"] == "answer" && m["restart"] == round).count() == 2;
        watcher.until("the same answer again", twice).await;
        watcher.until("pictures again", |w| w.pictures.len() > seen + 30).await;
    }
    watcher.say(r#"{"type":"ping","id":9,"t":1}"#);
    watcher.until("the data channel lives", |w| w.heard("pong").is_some()).await;
    assert_eq!((watcher.told("end"), watcher.told("refused"), stage.hub.viewers()), (None, None, 1));
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_that_lost_its_way_gets_no_media_is_asked_to_restart_and_comes_back() {
    let stage = Stage::open(2).await;
    let mut watcher = joined(&stage).await;
    watcher.until("control", |w| w.heard("camera").is_some()).await;
    // Nothing gets out any more; what the camera sends still arrives.
    watcher.mute = true;
    watcher.until("the camera's wish", |w| w.told("restart").is_some()).await;
    let seen = watcher.pictures.len();
    watcher.run_for(Duration::from_secs(2)).await;
    assert_eq!(watcher.pictures.len(), seen, "it sends nothing to who says nothing");
    watcher.mute = false;
    watcher.restart();
    watcher.until("pictures again", |w| w.pictures.len() > seen + 30).await;
    assert_eq!((watcher.told("end"), stage.hub.viewers()), (None, 1));
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_of_nothing_is_refused() {
    let stage = Stage::open(2).await;
    let mut watcher = Watcher::new(stage.signal()).await;
    watcher.restarts = 1;
    watcher.offer();
    watcher.until("a refusal", |w| w.told("refused").is_some()).await;
    assert_eq!(watcher.told("refused").unwrap()["reason"], "no_session");
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_no_connection_comes_about_the_viewer_hears_why_within_ten_seconds() {
    let stage = Stage::open(2).await;
    let mut watcher = Watcher::new(stage.signal()).await;
    watcher.mute = true;
    watcher.offer();
    watcher.until("an end", |w| w.told("end").is_some()).await;
    assert!(watcher.offered.elapsed() < GIVEN_UP, "{:?}", watcher.offered.elapsed());
    let end = watcher.told("end").unwrap();
    assert_eq!(end["reason"], "failed");
    assert!(
        end["text"].as_str().unwrap().contains("the camera had its own addresses, the viewer its own addresses"),
        "{end}"
    );
    stage.close().await;
}

/// `welcome` has the servers of now, and a running session hears of others.
#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_is_told_of_servers_and_of_others_while_it_watches() {
    let list = |user: &str| {
        // Nobody listens there, and nobody needs to.
        let server = serde_json::json!({"urls": ["turn:127.0.0.1:9"], "username": user, "credential": "c"});
        serde_json::json!({"iceServers": [server], "ttl": 600}).to_string().into_bytes()
    };
    let (deliver, delivered) = tokio::sync::watch::channel(list("first"));
    let config = Config::parse("[[ice]]\nfrom = \"broker\"").unwrap();
    let ice = Ice::open(&config.ice, Some(delivered)).unwrap();
    ice.changed().wait_for(|count| *count > 0).await.unwrap();
    let stage = Stage::with_ice(3, ice, Replay::start).await;
    let mut watcher = joined(&stage).await;
    watcher.request(&Request::Hello);
    watcher.until("a welcome", |w| w.told("welcome").is_some()).await;
    let welcome = watcher.told("welcome").unwrap();
    assert_eq!(
        (&welcome["ice"][0]["username"], welcome["ttl"].as_u64().map(|ttl| (560..=600).contains(&ttl))),
        (&"first".into(), Some(true)),
        "{welcome}"
    );
    assert_eq!(watcher.told("ice"), None);
    deliver.send_replace(list("second"));
    watcher.until("other servers", |w| w.told("ice").is_some()).await;
    let other = watcher.told("ice").unwrap();
    assert_eq!((&other["ice"][0]["username"], &other["session"]), (&"second".into(), &watcher.session.as_str().into()));
    let seen = watcher.pictures.len();
    watcher.until("more pictures", |w| w.pictures.len() > seen + 10).await;
}

/// Whoever has the connection, but not the keys of the exchange, gets no picture.
#[tokio::test(flavor = "multi_thread")]
async fn without_the_right_word_no_picture_goes() {
    let stage = Stage::open(5).await;
    // One that is right, to make the camera work.
    let mut watcher = joined(&stage).await;
    assert!(watcher.bound);
    let other = watcher.binding().map(|(binding, viewer, camera)| binding.mac(Side::Viewer, &viewer, &camera)).unwrap();
    for word in [
        r#"{"type":"bind","mac":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}"#.to_owned(),
        // Of another session.
        format!(r#"{{"type":"bind","mac":"{other}"}}"#),
        r#"{"type":"key"}"#.to_owned(),
        r#"{"type":"ping","id":7,"t":12.5}"#.to_owned(),
        "nonsense".to_owned(),
    ] {
        let mut thief = Watcher::new(stage.signal()).await;
        thief.first_word = Some(word.clone());
        thief.offer();
        thief.until("an end", |w| w.told("end").is_some()).await;
        assert_eq!(thief.told("end").unwrap()["reason"], "binding", "{word}");
        assert_eq!((thief.connected, thief.media, thief.control.len()), (true, 0, 0), "{word}");
    }
    // One that says nothing at all.
    let mut silent = Watcher::new(stage.signal()).await;
    silent.first_word = Some(String::new());
    silent.offer();
    silent.until("a connection", |w| w.connected).await;
    let connected = Instant::now();
    silent.until("an end", |w| w.told("end").is_some()).await;
    assert_eq!((silent.told("end").unwrap()["reason"].as_str(), silent.media), (Some("failed"), 0));
    assert!(connected.elapsed() < Duration::from_secs(10), "{:?}", connected.elapsed());
    until_watching(&stage, 1).await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_viewer_is_shown_out_within_two_seconds() {
    let stage = Stage::open(5).await;
    let (mut gone, mut stays) = (joined(&stage).await, joined(&stage).await);
    let revoked = Instant::now();
    stage.keeper.revoke(Actor::Board, gone.id).await.unwrap();
    gone.until("an end", |w| w.told("end").is_some()).await;
    assert!(revoked.elapsed() < Duration::from_secs(2), "{:?}", revoked.elapsed());
    assert_eq!(gone.told("end").unwrap()["reason"], "revoked");
    until_watching(&stage, 1).await;
    assert!(revoked.elapsed() < Duration::from_secs(2), "{:?}", revoked.elapsed());
    gone.session = lunette::trust::SessionId::random().unwrap();
    gone.offer();
    gone.until("a refusal", |w| w.told("turned").is_some()).await;
    assert_eq!(gone.told("turned").unwrap()["reason"], "revoked");
    let seen = stays.pictures.len();
    stays.until("more pictures", |w| w.pictures.len() > seen + 10).await;
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_and_another_viewer_get_nothing_of_a_session() {
    let stage = Stage::open(5).await;
    let mut watcher = joined(&stage).await;
    let signal = stage.signal();
    let mut stranger = Watcher::known_as(signal.stranger(), "127.0.0.1", signal.clone()).await;
    stranger.offer();
    stranger.until("a refusal", |w| w.told("turned").is_some()).await;
    assert_eq!(stranger.told("turned").unwrap()["reason"], "not_paired");
    // One who is known, and says that the session is its own.
    let mut other = Watcher::new(signal.clone()).await;
    other.session = watcher.session;
    other.offer();
    other.until("a refusal", |w| w.told("refused").is_some()).await;
    assert_eq!(other.told("refused").unwrap()["reason"], "session_in_use");
    other.bye();
    other.restarts = 1;
    other.said.clear();
    other.offer();
    other.until("a refusal", |w| w.told("refused").is_some()).await;
    assert_eq!(other.told("refused").unwrap()["reason"], "no_session");
    let seen = watcher.pictures.len();
    watcher.until("more pictures", |w| w.pictures.len() > seen + 10).await;
    let present = stage.present.sessions();
    assert_eq!((present.len(), present[0].viewer), (1, watcher.id));
    stage.close().await;
}

/// The answer may come in another exchange than the first; the connection is bound to the one that was heard.
#[tokio::test(flavor = "multi_thread")]
async fn an_offer_that_was_repeated_binds_all_the_same() {
    let stage = Stage::open(5).await;
    let mut watcher = Watcher::new(stage.signal()).await;
    watcher.offer();
    watcher.offer();
    watcher.until("pictures", |w| w.pictures.len() > 5).await;
    assert!(watcher.bound);
    stage.close().await;
}
