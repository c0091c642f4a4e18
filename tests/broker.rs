//! The signal layer against a real broker: mosquitto, one for each test.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod broker_rig;

use std::time::{Duration, Instant};

use broker_rig::{Camera, Mosquitto, Viewer, cam, keeper, me, mine, poll, topic};
use lunette::config::Config;
use lunette::signal::message::{EndReason, Request, Response};
use lunette::signal::mqtt::{self, Broker};
use lunette::trust::{MAX_MESSAGE, MAX_PLAIN, SessionId};
use lunette::turn::{Ice, Who};
use rumqttc::v5::mqttbytes::{QoS, v5::LastWill};
use rumqttc::v5::{AsyncClient, MqttOptions};
use tokio::sync::watch;

/// A message that only its text tells from others.
fn end(text: &str) -> Response {
    Response::End { session: SessionId::random().unwrap(), reason: EndReason::Failed, text: text.into() }
}

/// Hello arrives, and an answer goes back.
async fn talk(camera: &mut Camera, viewer: &mut Viewer, text: &str) {
    viewer.hello().await;
    let (exchange, asked) = camera.asked().await;
    assert_eq!((exchange.viewer(), asked), (me(), Request::Hello));
    camera.outbox.send(&exchange, &end(text));
    viewer.reads(&mine(), |m| m["type"] == "end" && m["text"] == text).await;
}

#[tokio::test]
async fn by_tcp_tls_and_websocket_on_both_families() {
    let broker = Mosquitto::start().await;
    let ca = broker.path("ca.pem");
    let mut viewer = Viewer::at(&broker).await;
    for host in ["127.0.0.1", "localhost", "[::1]"] {
        for (scheme, port) in ["mqtt", "mqtts", "ws", "wss"].into_iter().zip(broker.ports) {
            let url = format!("{scheme}://{host}:{port}");
            if std::net::TcpStream::connect((host.trim_matches(['[', ']']), port)).is_err() {
                println!("skipped, for mosquitto does not listen there: {url}");
                continue;
            }
            let mut camera = Camera::open(&format!("url = '{url}'\nca_file = '{ca}'")).unwrap();
            viewer.reads("status", camera.is_status(true)).await;
            Viewer::at(&broker).await.reads("status", camera.is_status(true)).await;
            talk(&mut camera, &mut viewer, &url).await;
            camera.outbox.close().await;
            viewer.reads("status", camera.is_status(false)).await;
            Viewer::at(&broker).await.reads("status", camera.is_status(false)).await;
        }
    }
}

#[tokio::test]
async fn a_login_that_becomes_right_is_taken_without_a_restart() {
    let broker = Mosquitto::start_with("allow_anonymous false\npassword_file DIR/passwords").await;
    broker.passwords(&[("viewer", "geheim"), ("camera", "other")], 1).await;
    let secret = broker.path("secret");
    std::fs::write(&secret, "richtig\nsecond line").unwrap();
    let url = format!("url = 'mqtt://127.0.0.1:{}'", broker.ports[0]);
    let camera = Camera::open(&format!("{url}\nuser = 'camera'\npassword_file = '{secret}'")).unwrap();
    broker.says("not authorised", 2).await;
    assert_eq!(broker.connections(), 0);
    broker.passwords(&[("viewer", "geheim"), ("camera", "richtig")], 2).await;
    Viewer::at(&broker).await.reads("status", camera.is_status(true)).await;
}

#[tokio::test]
async fn what_is_wrong_with_a_pem_file_is_said_with_its_name() {
    let dir = tempfile::tempdir().unwrap();
    let garbage = dir.path().join("garbage.pem");
    for content in [None, Some("no PEM"), Some("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")] {
        if let Some(content) = content {
            std::fs::write(&garbage, content).unwrap();
        }
        let file = garbage.display();
        for key in ["ca_file", "client_cert_file", "client_key_file"] {
            let lines = format!("url = 'mqtts://127.0.0.1'\n{key} = '{file}'");
            let lines = match key {
                "client_cert_file" => format!("{lines}\nclient_key_file = '{file}'"),
                "client_key_file" => format!("{lines}\nclient_cert_file = '{file}'"),
                _ => lines,
            };
            let error = Camera::open(&lines).map(|_| ()).unwrap_err().to_string();
            assert!(error.contains("garbage.pem") && error.contains("_file: "), "{key}: {content:?}: {error}");
        }
    }
}

#[tokio::test]
async fn a_clients_certificate_and_a_brokers_are_checked() {
    let broker = Mosquitto::start().await;
    let mut viewer = Viewer::at(&broker).await;
    let url = format!("url = 'mqtts://127.0.0.1:{}'", broker.ports[4]);
    let certificate = format!(
        "client_cert_file = '{}'\nclient_key_file = '{}'",
        broker.path("client.pem"),
        broker.path("client.key")
    );
    let unknown_ca = format!("{url}\nca_file = '{}'\n{certificate}", broker.path("other-ca.pem"));
    let no_certificate = format!("{url}\nca_file = '{}'", broker.path("ca.pem"));
    for (lines, said) in [(unknown_ca, "alert unknown ca"), (no_certificate, "peer did not return a certificate")] {
        let camera = Camera::open(&lines).unwrap();
        broker.says(said, 2).await;
        camera.outbox.close().await;
    }
    assert_eq!(broker.connections(), 0);
    let camera = Camera::open(&format!("{url}\nca_file = '{}'\n{certificate}", broker.path("ca.pem"))).unwrap();
    viewer.reads("status", camera.is_status(true)).await;
}

#[tokio::test]
async fn a_broker_that_was_killed_is_found_again() {
    let mut broker = Mosquitto::start().await;
    let mut camera = Camera::at(&broker);
    let mut viewer = Viewer::at(&broker).await;
    viewer.reads("status", camera.is_status(true)).await;
    viewer.hello().await;
    let (exchange, _) = camera.asked().await;
    for round in ["short", "long"] {
        broker.kill();
        broker.is_missed().await;
        // More than can wait, so that there is no room for what a new connection needs.
        for n in 0..if round == "long" { 1000 } else { 1 } {
            camera.outbox.send(&exchange, &end(&n.to_string()));
        }
        camera.say(round);
        broker.run().await;
        let mut viewer = Viewer::at(&broker).await;
        viewer.reads("status", |m| m["camera"]["text"] == round).await;
        talk(&mut camera, &mut viewer, round).await;
        assert_eq!(broker.connections(), 2 + usize::from(round == "long"));
    }
}

#[tokio::test]
async fn a_status_outlives_a_full_queue() {
    let broker = Mosquitto::start().await;
    let mut camera = Camera::at(&broker);
    let mut viewer = Viewer::at(&broker).await;
    viewer.reads("status", camera.is_status(true)).await;
    viewer.hello().await;
    let (exchange, _) = camera.asked().await;
    broker.signal("STOP");
    for n in 0..1000 {
        camera.outbox.send(&exchange, &end(&n.to_string()));
        tokio::task::yield_now().await;
    }
    camera.say("new");
    broker.signal("CONT");
    viewer.reads("status", |m| m["camera"]["text"] == "new").await;
    assert_eq!(broker.connections(), 1);
}

#[tokio::test]
async fn a_death_without_goodbye_is_said_by_the_last_will() {
    let broker = Mosquitto::start().await;
    let mut viewer = Viewer::at(&broker).await;
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let camera = {
        let _inside = runtime.enter();
        Camera::at(&broker)
    };
    viewer.reads("status", camera.is_status(true)).await;
    runtime.shutdown_background();
    viewer.reads("status", camera.is_status(false)).await;
    Viewer::at(&broker).await.reads("status", camera.is_status(false)).await;
}

#[tokio::test]
async fn a_foreign_status_does_not_stay() {
    let broker = Mosquitto::start().await;
    let mut viewer = Viewer::at(&broker).await;

    // An earlier start, still connected for the broker; its last will comes when ours takes its place.
    let will = r#"{"v":1,"type":"status","online":false,"boot":"oooooooooooooooooooooooooo"}"#;
    let mut options = MqttOptions::new(format!("lunette-{}", cam()), "127.0.0.1", broker.ports[0]);
    options.set_last_will(LastWill::new(topic("status"), will, QoS::AtLeastOnce, true, None));
    let (_client, mut earlier) = AsyncClient::new(options, 1);
    earlier.poll().await.unwrap();

    let camera = Camera::at(&broker);
    let own_will = format!(r#"{{"v":1,"type":"status","online":false,"boot":"{}"}}"#, camera.boot);
    viewer.sees("status", |m| m == will.as_bytes()).await;
    for junk in [will.as_bytes(), own_will.as_bytes(), b"\xff\0junk", b"", b"{}"] {
        viewer.publish("status", true, junk).await;
        viewer.sees("status", |m| m == junk).await;
        viewer.reads("status", camera.is_status(true)).await;
    }
    Viewer::at(&broker).await.reads("status", camera.is_status(true)).await;
    // What stands on the topic of the challenge decides whether anybody can ask at all.
    let ours = camera.keeper.challenge();
    for junk in [&b"\xff\0junk"[..], b"", &ours[..ours.len() - 1]] {
        viewer.publish("challenge", true, junk).await;
        viewer.sees("challenge", |m| m == junk).await;
        viewer.sees("challenge", |m| m == ours).await;
    }
    Viewer::at(&broker).await.sees("challenge", |m| m == ours).await;
    camera.outbox.close().await;
    viewer.reads("status", camera.is_status(false)).await;
    assert_eq!(broker.connections(), 2);
}

#[tokio::test]
async fn a_revoked_viewer_reads_no_status_and_hears_why() {
    let broker = Mosquitto::start().await;
    let mut viewer = Viewer::at(&broker).await;
    let mut camera = Camera::at(&broker);
    viewer.reads("status", camera.is_status(true)).await;
    talk(&mut camera, &mut viewer, "before").await;
    let before = camera.keeper.broadcast_key();
    camera.keeper.revoke(lunette::trust::Actor::Board, me()).await.unwrap();
    assert_ne!(camera.keeper.broadcast_key(), before, "another key");
    viewer.reads("status", camera.is_status(true)).await;
    viewer.hello().await;
    viewer.reads(&mine(), |m| m["type"] == "turned" && m["reason"] == "revoked").await;
    assert!(camera.requests.try_recv().is_err(), "nobody is asked");
}

#[tokio::test]
async fn junk_does_not_cost_the_connection() {
    let broker = Mosquitto::start().await;
    let mut viewer = Viewer::at(&broker).await;
    viewer.publish("req", true, Request::Bye { session: SessionId::random().unwrap() }.to_json()).await;
    broker.says("Received PUBLISH", 1).await;
    let mut camera = Camera::at(&broker);
    viewer.reads("status", camera.is_status(true)).await;

    // What is retained was not asked of this camera now.
    talk(&mut camera, &mut viewer, "after a retained request").await;

    viewer.publish("req", false, vec![b' '; 1 << 20]).await;
    viewer.publish("req", false, vec![b'['; MAX_MESSAGE]).await;
    viewer.publish("req", false, vec![0xff; MAX_MESSAGE + 1]).await;
    talk(&mut camera, &mut viewer, "after large ones").await;

    // The largest that can be sealed does fit, there and back.
    let mut hello = Request::Hello.to_json();
    hello.resize(MAX_PLAIN, b' ');
    viewer.ask(&hello).await;
    assert_eq!(camera.asked().await.1, Request::Hello);

    for (message, reason) in [
        (r#"{"v":1,"type":"nope"}"#, "unknown_type"),
        (r#"{"v":2,"type":"hello"}"#, "version"),
        (r#"{"v":1,"type":"offer"}"#, "bad_message"),
        (r#"{"v":1,"type":"bye","session":"aaaaaaaaaaaaaaaaaaaaaaaaaa"}"#, "bad_message"),
        ("[]", "bad_message"),
        ("\u{0}", "bad_message"),
    ] {
        viewer.ask(message.as_bytes()).await;
        viewer.reads(&mine(), |m| m["type"] == "refused" && m["reason"] == reason).await;
    }

    let head = [b"LUN\x01\x01\x01\0\0".as_slice(), &cam().bytes()].concat();
    for n in 0..10_000_u32 {
        let junk = match n % 3 {
            0 => n.to_be_bytes().to_vec(),
            1 => format!(r#"{{"v":1,"type":"hello","from":"{}"}}"#, me()).into_bytes(),
            _ => [&head[..], &n.to_be_bytes(), &[7; 300]].concat(),
        };
        viewer.publish("req", false, junk).await;
    }
    camera.say("after junk");
    viewer.hello().await;
    assert_eq!(camera.asked().await.1, Request::Hello);
    viewer.reads("status", |m| m["camera"]["text"] == "after junk").await;
    talk(&mut camera, &mut viewer, "after junk").await;
    assert_eq!(broker.connections(), 1);
}

#[tokio::test]
async fn two_of_one_name_do_not_spin() {
    let broker = Mosquitto::start().await;
    let _cameras = (Camera::at(&broker), Camera::at(&broker));
    let start = Instant::now();
    poll("four seconds", || start.elapsed() > Duration::from_secs(4)).await;
    let connections = broker.connections();
    assert!((3..=20).contains(&connections), "{connections} connections");
}

/// What the fleet keeps for a camera: heard when it connects, at each change, and again after a loss.
#[tokio::test]
async fn servers_that_the_fleet_publishes_are_minted() {
    let mut broker = Mosquitto::start().await;
    let viewer = Viewer::at(&broker).await;
    let list = |user: &str| {
        let server = serde_json::json!({"urls": ["turn:turn.example.net"], "username": user, "credential": "c"});
        serde_json::json!({"iceServers": [server], "ttl": 600}).to_string()
    };
    viewer.publish("ice", true, list("first")).await;
    let url = format!("[signal.mqtt]\nurl = 'mqtt://127.0.0.1:{}'", broker.ports[0]);
    let config = Config::parse(&format!("{url}\n[[ice]]\nfrom = 'broker'")).unwrap();
    let (deliver, delivered) = watch::channel(Vec::new());
    let ice = Ice::open(&config.ice, Some(delivered)).unwrap();
    let mut changed = ice.changed();
    let login = Broker::open(&config.signal.mqtt.unwrap()).unwrap();
    let (_requests, _outbox) = mqtt::open(login, keeper(), Some(deliver));
    let users = || {
        let minted = ice.mint(Who::Viewer(me()));
        minted.for_viewer().into_iter().filter_map(|server| server.username).collect::<Vec<_>>()
    };
    let mut next = async || tokio::time::timeout(Duration::from_secs(20), changed.changed()).await.unwrap().unwrap();
    next().await;
    assert_eq!(users(), ["first"]);
    viewer.publish("ice", true, list("second")).await;
    next().await;
    assert_eq!(users(), ["second"]);
    // The broker forgets what it kept; the camera does not.
    broker.kill();
    broker.run().await;
    assert_eq!(users(), ["second"]);
    let viewer = Viewer::at(&broker).await;
    viewer.publish("ice", true, list("third")).await;
    next().await;
    assert_eq!(users(), ["third"]);
    viewer.publish("ice", true, "").await;
    next().await;
    assert_eq!(users(), Vec::<String>::new());
}
