//! Ways between a camera and its viewers: one connection at a time, with a viewer of another implementation.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::collections::HashSet;
use std::fs;

use common::Stage;
use common::bare::{Bare, Ways};
use common::watcher::Watcher;
use lunette::signal::message::Candidate;
use lunette::viewer::rtc::{PortOptions, Scope};

/// Some tests count what the process has open.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_keeps_the_session() {
    let _alone = ALONE.lock().await;
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
    let ufrags: HashSet<_> = watcher
        .said
        .iter()
        .filter_map(|m| m["sdp"].as_str()?.lines().find(|line| line.starts_with("a=ice-ufrag:")))
        .collect();
    assert_eq!(ufrags.len(), 4, "each time with other credentials");
    assert!(!watcher.closed);
    camera.close().await;
}

/// The local ports of this process's UDP sockets.
fn udp_ports() -> Vec<u16> {
    let sockets: HashSet<_> = fs::read_dir("/proc/self/fd")
        .unwrap()
        .filter_map(|entry| fs::read_link(entry.unwrap().path()).ok())
        .filter_map(|link| Some(link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
        .collect();
    let listed = ["/proc/self/net/udp", "/proc/self/net/udp6"].map(|path| fs::read_to_string(path).unwrap_or_default());
    let lines = listed.iter().flat_map(|text| text.lines().skip(1));
    lines
        .filter_map(|line| {
            let words: Vec<_> = line.split_ascii_whitespace().collect();
            let (_, port) = words[1].rsplit_once(':')?;
            sockets.contains(words[9]).then(|| u16::from_str_radix(port, 16).unwrap())
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_viewers_come_by_one_port_in_either_family() {
    let _alone = ALONE.lock().await;
    let stage = Stage::open(10).await;
    let port = stage.transport.port();
    let mut watchers = Vec::new();
    for i in 0..10 {
        let ip = if i % 2 == 0 { "127.0.0.1" } else { "::1" };
        let mut watcher = Watcher::at(ip, stage.signal()).await;
        watcher.offer();
        watchers.push(watcher);
    }
    // All at once.
    let watching = watchers.into_iter().map(|mut watcher| {
        tokio::spawn(async move {
            watcher.until("30 pictures", |w| w.pictures.len() >= 30).await;
            watcher
        })
    });
    let mut watchers = Vec::new();
    for task in watching.collect::<Vec<_>>() {
        watchers.push(task.await.unwrap());
    }
    let listed = udp_ports();
    let ours = listed.iter().filter(|listed| **listed == port).count();
    assert_eq!(ours, 2, "one socket a family at port {port}: {listed:?}");
    for watcher in &watchers {
        assert!(watcher.pictures.windows(2).all(|w| w[1].number > w[0].number), "its own pictures, in order");
        let answer = watcher.told("answer").unwrap()["sdp"].as_str().unwrap();
        let told: Vec<_> = answer.lines().filter(|line| line.starts_with("a=candidate:")).collect();
        assert_eq!(told.len(), 2, "{answer}");
        assert!(told.iter().all(|line| line.split(' ').nth(5) == Some(&port.to_string())), "{answer}");
        assert!(listed.contains(&watcher.port()));
    }
    stage.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_adds_no_socket() {
    let _alone = ALONE.lock().await;
    let stage = Stage::open(10).await;
    let mut first = Watcher::join(stage.signal()).await;
    first.until("a picture", |w| !w.pictures.is_empty()).await;
    let before = common::descriptors();
    let mut others = Vec::new();
    for _ in 0..5 {
        let mut watcher = Watcher::join(stage.signal()).await;
        watcher.until("a picture", |w| !w.pictures.is_empty()).await;
        others.push(watcher);
    }
    assert_eq!(common::descriptors() - before, others.len(), "only the sockets of the viewers themselves");
    stage.close().await;
}

/// A camera for viewers elsewhere is asked to contact programs of its own machine: in the offer, and by candidates after it.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_where_nothing_may_be_sent() {
    let _alone = ALONE.lock().await;
    let victims = ["127.0.0.1", "127.0.0.9", "::1"].map(|ip| std::net::UdpSocket::bind((ip, 0)).unwrap());
    let line = |socket: &std::net::UdpSocket| {
        let at = socket.local_addr().unwrap();
        format!("candidate:1 1 udp 2122260223 {} {} typ host", at.ip(), at.port())
    };
    let [in_offer, named, trickled] = victims.each_ref();
    let name = format!("candidate:1 1 udp 2122260223 localhost {} typ host", named.local_addr().unwrap().port());

    let heard = async |scope| {
        let camera =
            Bare::with(Ways { options: PortOptions { scope, ..PortOptions::default() }, servers: vec![] }).await;
        let mut watcher = Watcher::new(camera.signal.clone()).await;
        watcher.put_into_offer(&line(in_offer));
        watcher.offer();
        watcher.until("an answer", |w| w.told("answer").is_some()).await;
        for candidate in [line(trickled), name.clone()] {
            let candidate = Candidate { candidate, sdp_mid: Some("0".into()), sdp_mline_index: Some(0) };
            watcher.candidate(Some(candidate));
        }
        // Several rounds of checks.
        watcher.run_for(std::time::Duration::from_secs(1)).await;
        camera.close().await;
        victims.each_ref().map(|socket| {
            socket.set_nonblocking(true).unwrap();
            let mut n = 0;
            while socket.recv(&mut [0; 1500]).is_ok() {
                n += 1;
            }
            n > 0
        })
    };
    assert_eq!(heard(Scope::Network).await, [false; 3], "nothing came");
    assert_eq!(
        heard(Scope::Loopback).await,
        [true, false, true],
        "where viewers on this machine are expected it would"
    );
}
