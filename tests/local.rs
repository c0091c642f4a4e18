//! `run --local` from outside: pages and MQTT clients that are real, on a port that is real.
#![cfg(feature = "local")]
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod local_rig;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use local_rig::{Answer, CAM, Client, ME, NEVER, SOON, Server, message, open, topic};
use lunette::config;
use lunette::local::Login;
use rumqttc::{ConnectReturnCode, LastWill, MqttOptions, QoS, TlsConfiguration, Transport};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

#[tokio::test]
async fn the_page_is_served() {
    let server = Server::start().await;
    assert_eq!(server.links, [format!("http://{}/", server.address)]);
    let page = server.get("/").await;
    assert_eq!(page.status, 200);
    assert!(page.body.starts_with("<!doctype html>"), "{}", page.body);
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(page.header("cache-control"), Some("no-cache"));
    assert_eq!(server.get("/index.html").await.body, page.body);

    let head = server.http(&format!("HEAD / HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", server.address)).await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    assert_eq!(head.header("content-length"), Some(page.body.len().to_string().as_str()));

    // Whatever the page loads is there, and may be kept for ever.
    for link in page.body.split('"').filter_map(|s| s.strip_prefix("./assets/")) {
        let asset = server.get(&format!("/assets/{link}")).await;
        assert_eq!(asset.status, 200, "{link}");
        assert_eq!(asset.header("cache-control"), Some("public, max-age=31536000, immutable"));
    }
    server.stop().await;
}

#[tokio::test]
async fn the_page_is_told_what_to_do() {
    let server = Server::start().await;
    let config = server.get("/config.json").await;
    assert_eq!(config.header("content-type"), Some("application/json"));
    assert_eq!(config.header("cache-control"), Some("no-store"));
    let config: serde_json::Value = serde_json::from_str(&config.body).unwrap();
    let cameras = serde_json::json!([{"id": CAM, "name": "Front \"door\""}]);
    assert_eq!(config, serde_json::json!({"broker": "/mqtt", "login": "none", "cameras": cameras}));
    server.stop().await;

    let server = Server::listen("127.0.0.1:0", Some("geheim")).await;
    assert!(server.get("/config.json").await.body.contains(r#""login":"password""#));
    server.stop().await;
}

#[tokio::test]
async fn every_answer_is_hardened() {
    let server = Server::start().await;
    let post = format!("POST / HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", server.address);
    for (answer, status) in [
        (server.get("/").await, 200),
        (server.get("/config.json").await, 200),
        (server.get("/nowhere").await, 404),
        (server.get("/mqtt").await, 400),
        (server.http(&post).await, 405),
        (server.http("GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n").await, 403),
    ] {
        assert_eq!(answer.status, status);
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"), "{policy}");
        assert!(policy.ends_with("frame-ancestors 'none'"), "{policy}");
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(answer.header(name), Some(value));
        }
        assert!(answer.header("permissions-policy").unwrap().contains("camera=()"));
    }
    server.stop().await;
}

#[tokio::test]
async fn there_is_no_way_to_other_files() {
    let server = Server::start().await;
    for path in [
        "/../Cargo.toml",
        "/../../../../../../etc/passwd",
        "/..%2f..%2fetc/passwd",
        "/%2e%2e/Cargo.toml",
        "/assets/../../Cargo.toml",
        "//etc/passwd",
        "/\\..\\Cargo.toml",
        "/index.html/",
        "/assets/",
        "/assets",
        "/.",
    ] {
        let answer = server.get(path).await;
        assert!(matches!(answer.status, 400 | 404), "{path}: {answer:?}");
        assert!(!answer.body.contains("[package]") && !answer.body.contains("root:"), "{path}");
    }
    server.stop().await;
}

/// No answer is for other sites' pages, whatever they ask and however.
#[tokio::test]
async fn nothing_is_shared_with_other_origins() {
    let server = Server::start().await;
    let host = format!("Host: {}\r\nOrigin: https://evil.example\r\nConnection: close\r\n", server.address);
    let preflight = "Access-Control-Request-Method: GET\r\nAccess-Control-Request-Private-Network: true\r\n";
    for (request, status) in [
        (format!("GET / HTTP/1.1\r\n{host}\r\n"), 200),
        (format!("GET /config.json HTTP/1.1\r\n{host}\r\n"), 200),
        (format!("OPTIONS /config.json HTTP/1.1\r\n{host}{preflight}\r\n"), 405),
        (format!("OPTIONS /mqtt HTTP/1.1\r\n{host}{preflight}\r\n"), 405),
        (format!("OPTIONS * HTTP/1.1\r\n{host}{preflight}\r\n"), 405),
        (format!("TRACE / HTTP/1.1\r\n{host}\r\n"), 405),
        (format!("PUT /index.html HTTP/1.1\r\n{host}Content-Length: 1\r\n\r\nx"), 405),
        (format!("DELETE /index.html HTTP/1.1\r\n{host}\r\n"), 405),
        (format!("POST /mqtt HTTP/1.1\r\n{host}Content-Length: 1\r\n\r\nx"), 405),
    ] {
        let answer = server.http(&request).await;
        assert_eq!(answer.status, status, "{request}");
        let shared = answer.head.lines().find(|line| line.starts_with("access-control-"));
        assert_eq!(shared, None, "{request}");
        assert_eq!(answer.header("cross-origin-resource-policy"), Some("same-origin"), "{request}");
        assert!(answer.header("content-security-policy").is_some(), "{request}");
    }
    server.stop().await;
}

/// A stranger's name that was made to point here, in every place where a request has a name.
#[tokio::test]
async fn a_strangers_name_gets_nothing() {
    let server = Server::start().await;
    let mqtt = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: mqtt\r\n";
    let own = server.address;
    for request in [
        "GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n".to_owned(),
        format!("GET / HTTP/1.1\r\nHost: evil.example:{}\r\nConnection: close\r\n\r\n", own.port()),
        format!("GET / HTTP/1.1\r\nHost: evil.example\r\nHost: {own}\r\nConnection: close\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: {own}\r\nHost: evil.example\r\nConnection: close\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Host: {own}\r\nConnection: close\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: {own}@evil.example\r\nConnection: close\r\n\r\n"),
        "GET / HTTP/1.1\r\nHost: 127.0.0.1.evil.example\r\nConnection: close\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nHost: evil.example#.localhost\r\nConnection: close\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nHost: localhost.\r\nConnection: close\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nConnection: close\r\n\r\n".to_owned(),
        "GET / HTTP/1.0\r\n\r\n".to_owned(),
        format!("GET /mqtt HTTP/1.1\r\nHost: evil.example\r\nOrigin: http://evil.example\r\n{mqtt}\r\n"),
        format!("GET /mqtt HTTP/1.1\r\nHost: evil.example\r\nOrigin: http://{own}\r\n{mqtt}\r\n"),
        format!("GET /mqtt HTTP/1.1\r\nHost: {own}\r\nOrigin: http://{own}.evil.example\r\n{mqtt}\r\n"),
        format!(
            "GET /mqtt HTTP/1.1\r\nHost: {own}\r\nOrigin: http://evil.example\r\nOrigin: http://{own}\r\n{mqtt}\r\n"
        ),
        format!(
            "GET /mqtt HTTP/1.1\r\nHost: {own}\r\nOrigin: http://{own}\r\nOrigin: http://evil.example\r\n{mqtt}\r\n"
        ),
    ] {
        let answer = server.http(&request).await;
        assert!(matches!(answer.status, 400 | 403), "{request}: {answer:?}");
        assert!(!answer.body.contains("<!doctype html>"), "{request}");
    }
    server.stop().await;
}

#[tokio::test]
async fn another_sites_page_may_not_open_a_websocket() {
    let server = Server::start().await;
    let host = format!("Host: {}\r\n", server.address);
    let mqtt = "Sec-WebSocket-Protocol: mqtt\r\n";
    for (headers, status) in [
        (format!("{host}{mqtt}"), 101),
        (format!("{host}{mqtt}Origin: http://{}\r\n", server.address), 101),
        (format!("{host}{mqtt}Origin: https://evil.example\r\n"), 403),
        (format!("{host}{mqtt}Origin: null\r\n"), 403),
        // A stranger's name that points here: same origin, but not ours.
        (format!("Host: evil.example\r\n{mqtt}Origin: http://evil.example\r\n"), 403),
        (host.clone(), 400),
        (format!("{host}Sec-WebSocket-Protocol: chat\r\n"), 400),
    ] {
        assert_eq!(server.websocket(&headers).await.status, status, "{headers}");
    }
    server.stop().await;
}

#[tokio::test]
async fn camera_and_page_find_each_other() {
    let server = Server::start().await;
    let mut camera = Client::connect(server.camera()).await.unwrap();
    assert!(camera.subscribe(&topic("req")).await);
    camera.publish(&topic("status"), true, "online").await;

    let mut page = Client::connect(server.page()).await.unwrap();
    assert!(page.subscribe(&topic("status")).await);
    assert_eq!(page.message(SOON).await, message(topic("status"), "online", true));
    let mine = topic(&format!("res/{ME}"));
    assert!(page.subscribe(&mine).await);
    let offer = "o".repeat(16_000);
    page.publish(&topic("req"), false, &offer).await;
    assert_eq!(camera.message(SOON).await, message(topic("req"), &offer, false));
    camera.publish(&mine, false, "answer").await;
    assert_eq!(page.message(SOON).await, message(mine, "answer", false));

    // The camera dies without a word: its last will speaks, and stays.
    drop(camera);
    assert_eq!(page.message(SOON).await, message(topic("status"), "offline", false));
    let mut other = Client::connect({
        let mut o = server.page();
        o.set_client_id("other".into());
        o
    })
    .await
    .unwrap();
    assert!(other.subscribe(&topic("status")).await);
    assert_eq!(other.message(SOON).await, message(topic("status"), "offline", true));
    server.stop().await;
}

#[tokio::test]
async fn a_page_may_do_nothing_else() {
    let server = Server::start().await;
    let mut camera = Client::connect(server.camera()).await.unwrap();
    assert!(camera.subscribe(&topic("#")).await);
    let mut page = Client::connect(server.page()).await.unwrap();
    let other = topic(&format!("res/{CAM}"));
    for filter in
        ["#", "+/#", "$SYS/#", "lunette/#", &topic("#"), &topic("+"), &topic("req"), &topic("res/+"), &other, "x"]
    {
        assert!(!page.subscribe(filter).await, "{filter}");
    }
    for (to, retain) in [("status", false), ("status", true), ("challenge", true), ("res/x", false), ("req", true)] {
        page.publish(&topic(to), retain, "forged").await;
    }
    page.publish("elsewhere", false, "x").await;
    assert_eq!(camera.message(NEVER).await, None);
    page.publish(&topic("req"), false, "good").await;
    assert_eq!(camera.message(SOON).await, message(topic("req"), "good", false));

    // Nor may the camera, outside of its own topics.
    assert!(!camera.subscribe("#").await);
    server.stop().await;
}

#[tokio::test]
async fn version_5_works_too() {
    use rumqttc::v5::mqttbytes::{QoS, v5};
    use rumqttc::v5::{AsyncClient, Event, MqttOptions};
    let server = Server::start().await;
    let Login { url, user, password } = &server.login;
    let mut options = MqttOptions::new(format!("lunette-{CAM}"), &url.host, url.port);
    options.set_credentials(user, password.expose());
    options.set_last_will(v5::LastWill::new(topic("status"), "offline", QoS::AtLeastOnce, true, None));
    let (camera, mut events) = AsyncClient::new(options, 16);
    camera.publish(topic("status"), QoS::AtLeastOnce, true, "online").await.unwrap();
    let published = async { while !matches!(events.poll().await.unwrap(), Event::Incoming(v5::Packet::PubAck(_))) {} };
    timeout(SOON, published).await.unwrap();
    let mut page = Client::connect(server.page()).await.unwrap();
    assert!(page.subscribe(&topic("status")).await);
    assert_eq!(page.message(SOON).await, message(topic("status"), "online", true));
    server.stop().await;
}

#[tokio::test]
async fn only_the_daemon_comes_directly() {
    let server = Server::start().await;
    let direct = |id: &str| MqttOptions::new(id, "127.0.0.1", server.login.url.port);
    assert_eq!(Client::refused(direct("page")).await, ConnectReturnCode::BadUserNamePassword);
    let mut guess = server.camera();
    guess.set_credentials("camera", "guess");
    assert_eq!(Client::refused(guess).await, ConnectReturnCode::BadUserNamePassword);

    // And no page passes for it, nor leaves a will that speaks for it.
    let mut thief = server.page();
    thief.set_client_id(format!("lunette-{CAM}"));
    thief.set_credentials(&server.login.user, server.login.password.expose());
    assert_eq!(Client::refused(thief).await, ConnectReturnCode::NotAuthorized);
    let mut forger = server.page();
    forger.set_last_will(LastWill::new(topic("status"), "forged", QoS::AtLeastOnce, true));
    assert_eq!(Client::refused(forger).await, ConnectReturnCode::NotAuthorized);
    server.stop().await;
}

#[tokio::test]
async fn viewers_give_their_password() {
    let server = Server::listen("127.0.0.1:0", Some("geheim")).await;
    let with = |user: &str, password: &str| {
        let mut options = server.page();
        options.set_credentials(user, password);
        options
    };
    assert_eq!(Client::refused(server.page()).await, ConnectReturnCode::BadUserNamePassword);
    Client::connect(with("viewer", "geheim")).await.unwrap();
    let begin = std::time::Instant::now();
    for (user, password) in [("viewer", "falsch"), ("viewer", ""), ("camera", "geheim"), ("", "geheim")] {
        assert_eq!(Client::refused(with(user, password)).await, ConnectReturnCode::BadUserNamePassword);
    }
    assert!(begin.elapsed() > Duration::from_secs(4), "each costs a second");
    assert_eq!(Client::refused(with("viewer", "gehein")).await, ConnectReturnCode::BadUserNamePassword);
    assert_eq!(Client::refused(with("viewer", "geheim")).await, ConnectReturnCode::NotAuthorized, "five are enough");
    server.stop().await;
}

#[tokio::test]
async fn too_large_a_packet_ends_its_connection_and_no_other() {
    let server = Server::start().await;
    let mut camera = Client::connect(server.camera()).await.unwrap();
    assert!(camera.subscribe(&topic("req")).await);
    let mut page = Client::connect(server.page()).await.unwrap();
    page.mqtt.publish(topic("req"), QoS::AtLeastOnce, false, "x".repeat(100_000)).await.unwrap();
    let lost = async { while page.events.poll().await.is_ok() {} };
    timeout(SOON, lost).await.expect("the connection ends");
    assert_eq!(camera.message(NEVER).await, None);
    Client::connect(server.page()).await.unwrap();
    server.stop().await;
}

#[tokio::test]
async fn junk_ends_its_connection_and_no_other() {
    let server = Server::start().await;
    let mut camera = Client::connect(server.camera()).await.unwrap();
    assert!(camera.subscribe(&topic("req")).await);
    let mut random = 1u32;
    for n in 0..200 {
        let mut next = || {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            random.to_be_bytes()[0]
        };
        let mut bytes: Vec<u8> = (0..n).map(|_| next()).collect();
        if n % 2 == 0 {
            // As far as the protocol's name it looks right.
            bytes.splice(..0, *b"\x10\x40\0\x04MQTT\x05");
        }
        let mut stream = TcpStream::connect(("127.0.0.1", server.login.url.port)).await.unwrap();
        let _ = stream.write_all(&bytes).await;
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let _ = stream.write_all(&bytes).await;
    }
    let mut page = Client::connect(server.page()).await.unwrap();
    page.publish(&topic("req"), false, "good").await;
    assert_eq!(camera.message(SOON).await, message(topic("req"), "good", false));
    server.stop().await;
}

#[tokio::test]
async fn a_taken_port_is_said_with_the_way_out() {
    let server = Server::start().await;
    let config = config::Local { listen: server.address, ..config::Local::default() };
    let error = open(&config, server.state.path()).await.map(drop).unwrap_err().to_string();
    let next = SocketAddr::new(server.address.ip(), server.address.port().wrapping_add(1).max(1024));
    assert!(error.starts_with(&format!("cannot listen on {}: ", server.address)), "{error}");
    assert!(error.ends_with(&format!("Stop it, or take another: --listen {next}")), "{error}");
    server.stop().await;
}

#[tokio::test]
async fn stopping_says_goodbye_and_frees_the_port() {
    let server = Server::start().await;
    let (address, broker) = (server.address, server.login.url.port);
    let mut page = Client::connect(server.page()).await.unwrap();
    let _idle = TcpStream::connect(address).await.unwrap();
    server.stop().await;
    let lost = async { while page.events.poll().await.is_ok() {} };
    timeout(SOON, lost).await.expect("the page is told");
    assert!(TcpStream::connect(address).await.is_err());
    assert!(TcpStream::connect(("127.0.0.1", broker)).await.is_err());
    // At once again.
    Server::listen(&address.to_string(), None).await.stop().await;
}

#[tokio::test]
async fn a_dropped_local_leaves_no_broker_behind() {
    let state = tempfile::tempdir().unwrap();
    let config = config::Local { listen: ([127, 0, 0, 1], 0).into(), ..config::Local::default() };
    let local = open(&config, state.path()).await.unwrap();
    let port = local.login().url.port;
    assert!(TcpStream::connect(("127.0.0.1", port)).await.is_ok());
    drop(local);
    let gone = async {
        while TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(SOON, gone).await.expect("the broker ends");
}

#[tokio::test]
async fn beyond_this_machine_there_is_a_password() {
    let state = tempfile::tempdir().unwrap();
    let config = config::Local { listen: ([0, 0, 0, 0], 0).into(), ..config::Local::default() };
    let error = open(&config, state.path()).await.map(drop).unwrap_err().to_string();
    assert!(error.contains("password_file"), "{error}");
}

#[tokio::test]
async fn beyond_this_machine_it_is_https() {
    let server = Server::listen("0.0.0.0:0", Some("geheim")).await;
    assert!(server.links.iter().all(|l| l.starts_with("https://") && !l.contains("0.0.0.0")), "{:?}", server.links);
    assert_eq!(server.fingerprint.as_ref().map(String::len), Some(95));

    // A browser that was told of the certificate.
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(server.state.path().join("local-https.pem")).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let tls = Arc::new(tls.with_root_certificates(roots).with_no_client_auth());
    for name in ["127.0.0.1", "localhost", "::1"] {
        let stream = TcpStream::connect(server.address).await.unwrap();
        let name = ServerName::try_from(name).unwrap();
        let stream = tokio_rustls::TlsConnector::from(tls.clone()).connect(name, stream).await.unwrap();
        let page = Answer::to(stream, "GET / HTTP/1.1\r\nHost: camera.example\r\nConnection: close\r\n\r\n").await;
        assert_eq!(page.status, 200);
        assert!(page.body.starts_with("<!doctype html>"));
    }

    // MQTT over it, too.
    let mut options = MqttOptions::new("page", format!("wss://{}/mqtt", server.address), server.address.port());
    options.set_transport(Transport::wss_with_config(TlsConfiguration::Rustls(tls)));
    options.set_credentials("viewer", "geheim");
    let mut page = Client::connect(options).await.unwrap();
    assert!(page.subscribe(&topic("status")).await);

    // Who forgot the s is shown the way.
    let plain = server.get("/x?y").await;
    assert_eq!(plain.status, 308);
    assert_eq!(plain.header("location"), Some(format!("https://{}/x?y", server.address).as_str()));
    server.stop().await;
}
