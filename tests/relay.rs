//! Ways by servers: a real coturn, and viewers of another implementation.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;
mod turn_rig;

use common::bare::{Bare, Ways};
use common::watcher::Watcher;
use lunette::config::Secret;
use lunette::turn::Login;
use lunette::viewer::rtc::{Path, PortOptions, Scope, Server, Via};
use turn_rig::Coturn;

/// Only by a relay.
fn relay_only() -> PortOptions {
    PortOptions { scope: Scope::Loopback, relay_only: true, ..PortOptions::default() }
}

fn loopback() -> PortOptions {
    PortOptions { scope: Scope::Loopback, ..PortOptions::default() }
}

fn nobody(via: Via) -> Server {
    // Bound, so that nobody else has it, and read by nobody.
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    std::mem::forget(socket);
    let login = Some(Login { user: "u".into(), password: Secret::new("p") });
    Server { via, host: "127.0.0.1".into(), port, login, tls: None }
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_come_by_a_relay_alone() {
    let coturn = Coturn::start();
    let camera = Bare::with(Ways { options: relay_only(), servers: vec![coturn.server()] }).await;
    let mut watcher = Watcher::join(camera.signal.clone()).await;
    watcher.until("60 pictures", |w| w.pictures.len() >= 60).await;
    let report = camera.path().unwrap();
    assert_eq!(report.path, Path::RelayUdp);
    assert!(report.relayed > 100_000, "{report:?}");
    assert!(camera.troubles().is_empty());
    let answer = watcher.told("answer").unwrap()["sdp"].as_str().unwrap();
    assert!(!answer.contains("a=candidate"), "its own addresses stay unsaid: {answer}");
    // Another way by another allocation; the old one is freed.
    let seen = watcher.pictures.len();
    watcher.restart();
    watcher.until("pictures again", |w| w.pictures.len() > seen + 60).await;
    let ended = watcher.pictures.len();
    assert!(ended > seen && !watcher.closed);
    camera.close().await;
    let start = std::time::Instant::now();
    while coturn.log().matches("REFRESH processed, success").count() < 2 {
        assert!(start.elapsed().as_secs() < 5, "each allocation is freed at its end");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_servers_hold_up_nobody() {
    let coturn = Coturn::start();
    let unknown = Server { host: "no-such-name.invalid".into(), ..nobody(Via::Udp) };
    let servers = vec![nobody(Via::Stun), nobody(Via::Udp), unknown, coturn.server()];
    let camera = Bare::with(Ways { options: relay_only(), servers }).await;
    let mut watcher = Watcher::join(camera.signal.clone()).await;
    watcher.until("a picture", |w| !w.pictures.is_empty()).await;
    assert!(watcher.offered.elapsed().as_secs_f64() < 2.0, "{:?}", watcher.offered.elapsed());
    watcher.until("the dead ones", |_| camera.troubles().len() >= 2).await;
    let troubles = camera.troubles().join("\n");
    assert!(troubles.contains("does not answer") && troubles.contains("was not found"), "{troubles}");
    assert!(!troubles.contains("127.0.0.1"), "{troubles}");
    camera.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_said() {
    let coturn = Coturn::start();
    let camera = Bare::with(Ways { options: loopback(), servers: vec![coturn.server_for("u", "wrong")] }).await;
    let mut watcher = Watcher::join(camera.signal.clone()).await;
    watcher.until("a picture", |w| !w.pictures.is_empty()).await;
    watcher.until("the reason", |_| !camera.troubles().is_empty()).await;
    assert!(camera.troubles()[0].contains("does not accept the user name and password"), "{:?}", camera.troubles());
    assert_eq!(camera.path().unwrap().path, Path::Direct, "it was not needed");
    // The right one works from the next restart on.
    camera.use_servers(vec![coturn.server()]);
    watcher.restart();
    let relayed = |w: &Watcher| {
        w.said.iter().any(|m| m["candidate"]["candidate"].as_str().is_some_and(|c| c.contains("typ relay")))
    };
    watcher.until("a relay's address", relayed).await;
    watcher.until("no trouble any more", |_| camera.troubles().is_empty()).await;
    camera.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stun_tells_where_the_port_is_seen() {
    let coturn = Coturn::start();
    let stun = Server { via: Via::Stun, login: None, ..coturn.server() };
    let options = PortOptions { hide_host: true, ..loopback() };
    let camera = Bare::with(Ways { options, servers: vec![stun] }).await;
    let mut watcher = Watcher::join(camera.signal.clone()).await;
    let expected = format!("127.0.0.1 {} typ srflx raddr 0.0.0.0 rport 0", camera.port());
    let seen = |w: &Watcher| {
        w.said.iter().any(|m| m["candidate"]["candidate"].as_str().is_some_and(|c| c.contains(&expected)))
    };
    watcher.until("the port as the server saw it", seen).await;
    watcher.until("a picture", |w| !w.pictures.is_empty()).await;
    let told = format!("{:?}", watcher.said);
    assert!(!told.contains("typ host"), "{told}");
    camera.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_come_by_a_relay_that_is_reached_over_tcp() {
    let coturn = Coturn::start();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let tcp = Server { via: Via::Tcp, ..coturn.server() };
    let servers = vec![Server { port: closed, ..tcp.clone() }, tcp];
    let camera = Bare::with(Ways { options: relay_only(), servers }).await;
    let mut watcher = Watcher::join(camera.signal.clone()).await;
    watcher.until("60 pictures", |w| w.pictures.len() >= 60).await;
    let report = camera.path().unwrap();
    assert_eq!(report.path, Path::RelayTcp);
    assert!(report.relayed > 100_000, "{report:?}");
    let troubles = camera.troubles();
    assert!(troubles.len() == 1 && troubles[0].contains("over TCP"), "{troubles:?}");
    let seen = watcher.pictures.len();
    watcher.restart();
    watcher.until("pictures again", |w| w.pictures.len() > seen + 60).await;
    camera.close().await;
}
