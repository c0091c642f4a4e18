//! Tunnels, and what `lunette doctor` says of a server, against a real coturn, over UDP, TCP and TLS.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod turn_rig;

use std::fs;
use std::path::PathBuf;

use lunette::config::{self, Config};
use lunette::doctor::finding::{Finding, Verdict};
use lunette::doctor::ice;
use turn_rig::Coturn;

/// A CA, a certificate of it for `localhost` and 127.0.0.1, and coturn with that.
struct Rig {
    dir: tempfile::TempDir,
    coturn: Coturn,
    tls: u16,
}

impl Rig {
    fn start(more: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut ca = rcgen::CertificateParams::new(Vec::new()).unwrap();
        ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let ca_key = rcgen::KeyPair::generate().unwrap();
        let issued = ca.self_signed(&ca_key).unwrap();
        fs::write(dir.path().join("ca.pem"), issued.pem()).unwrap();
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let key = rcgen::KeyPair::generate().unwrap();
        let issuer = rcgen::Issuer::new(ca, ca_key);
        let leaf = rcgen::CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap();
        fs::write(dir.path().join("cert.pem"), leaf.pem()).unwrap();
        fs::write(dir.path().join("key.pem"), key.serialize_pem()).unwrap();
        let tls = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let (cert, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
        let args = [
            format!("--tls-listening-port={tls}"),
            format!("--cert={}", cert.display()),
            format!("--pkey={}", key.display()),
        ];
        let args: Vec<&str> = args.iter().map(String::as_str).chain(more.iter().copied()).collect();
        let coturn = Coturn::start_tls(&args);
        Self { dir, coturn, tls }
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// What is found of an `[[ice]]` whose `PORT`, `TLS` and `DIR` are this server's.
    async fn examine(&self, toml: &str) -> Vec<Finding> {
        let toml = toml
            .replace("PORT", &self.coturn.port.to_string())
            .replace("TLS", &self.tls.to_string())
            .replace("DIR", &self.dir.path().display().to_string());
        ice::examine(&config(&toml)).await
    }
}

fn config(toml: &str) -> Vec<config::Ice> {
    Config::parse(toml).unwrap().ice
}

fn assert_failed(finding: &Finding, text: &str, fix: &str) {
    assert_eq!(finding.verdict, Verdict::Fail, "{finding:?}");
    assert!(finding.text.contains(text), "wanted “{text}”: {finding:?}");
    assert!(finding.fix.as_ref().unwrap().contains(fix), "wanted “{fix}”: {finding:?}");
}

const ALL: &str = "urls = [\"stun:127.0.0.1:PORT\", \"turn:127.0.0.1:PORT\", \"turn:localhost:PORT?transport=tcp\", \
                   \"turns:localhost:TLS\", \"turns:127.0.0.1:TLS\"]\n";

#[tokio::test]
async fn every_transport_and_each_wrong_login() {
    let rig = Rig::start(&[]);
    rig.write("password", "p");
    let found = rig
        .examine(&format!("[[ice]]\n{ALL}user = \"u\"\npassword_file = \"DIR/password\"\nca_file = \"DIR/ca.pem\""))
        .await;
    assert_eq!(found.len(), 5);
    for finding in &found {
        assert_eq!(finding.verdict, Verdict::Ok, "{finding:?}\n{}", rig.coturn.log());
    }
    assert!(found[0].text.contains("says how we are seen") && found[3].text.contains("relays for us, over TLS"));
    // Each relay was given back.
    let log = rig.coturn.log();
    assert_eq!(log.matches("ALLOCATE processed, success").count(), 4, "{log}");
    assert_eq!(log.matches("REFRESH processed, success").count(), 4, "{log}");

    // A CA that nobody knows.
    let unknown =
        rig.examine("[[ice]]\nurls = [\"turns:localhost:TLS\"]\nuser = \"u\"\npassword_file = \"DIR/password\"").await;
    assert_failed(&unknown[0], "of a CA that is not trusted", "ca_file");
    // A name that is not in the certificate.
    let other = rig.examine(
        "[[ice]]\nurls = [\"turns:127.0.0.2:TLS\"]\nuser = \"u\"\npassword_file = \"DIR/password\"\nca_file = \"DIR/ca.pem\"",
    );
    let other = other.await;
    assert_eq!(other[0].verdict, Verdict::Fail, "{other:?}");
    // No TLS at this port... which coturn speaks at all of them; the other way round it is told.
    rig.write("wrong", "not p");
    let wrong = rig
        .examine(&format!(
            "[[ice]]\n{}user = \"u\"\npassword_file = \"DIR/wrong\"\nca_file = \"DIR/ca.pem\"",
            ALL.replace("\"stun:127.0.0.1:PORT\", ", "")
        ))
        .await;
    assert_eq!(wrong.len(), 4);
    for finding in &wrong {
        assert_failed(finding, "does not accept the user name and password (401", "list of users");
    }
    let refused = rig.examine("[[ice]]\nurls = [\"turn:127.0.0.1:1?transport=tcp\", \"turn:127.0.0.1:1\"]\nuser = \"u\"\npassword_file = \"DIR/wrong\"").await;
    assert_failed(&refused[0], "nothing listens there", "is the server running");
    assert_failed(&refused[1], "nothing listens there", "is the server running");
}

#[tokio::test]
async fn credentials_from_a_secret_and_those_that_are_over() {
    let rig = Rig::start(&["--use-auth-secret", "--static-auth-secret=geheim"]);
    rig.write("secret", "geheim");
    rig.write("wrong", "other");
    let found = rig.examine(&format!("[[ice]]\n{ALL}secret_file = \"DIR/secret\"\nca_file = \"DIR/ca.pem\"")).await;
    for finding in &found {
        assert_eq!(finding.verdict, Verdict::Ok, "{finding:?}\n{}", rig.coturn.log());
    }
    let wrong = rig.examine("[[ice]]\nurls = [\"turn:127.0.0.1:PORT\"]\nsecret_file = \"DIR/wrong\"").await;
    assert_failed(&wrong[0], "does not accept the user name and password (401", "static-auth-secret");
    // A name from the year 2001, with its right password: `printf %s 1000000000:x | openssl dgst -sha1 -hmac geheim -binary | base64`.
    rig.write("expired", "9n3SDwWNURAEdhO3692AzPlRSGc=");
    let expired = rig
        .examine("[[ice]]\nurls = [\"turn:127.0.0.1:PORT\", \"turn:127.0.0.1:PORT?transport=tcp\"]\nuser = \"1000000000:x\"\npassword_file = \"DIR/expired\"")
        .await;
    for finding in &expired {
        assert_failed(finding, "the credentials have expired (401", "clock");
    }
}

/// What is no TURN server is told as that, over each transport.
#[tokio::test]
async fn a_server_that_answers_garbage() {
    let rig = Rig::start(&[]);
    rig.write("password", "p");
    let udp = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let tcp = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (u, t) = (udp.local_addr().unwrap().port(), tcp.local_addr().unwrap().port());
    let silent = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let s = silent.local_addr().unwrap().port();
    let garbage = tokio::spawn(async move {
        let mut buffer = [0; 2000];
        loop {
            tokio::select! {
                got = udp.recv_from(&mut buffer) => {
                    let (_, from) = got.unwrap();
                    udp.send_to(b"hello, this is no TURN", from).await.unwrap();
                }
                got = tcp.accept() => {
                    let (mut stream, _) = got.unwrap();
                    tokio::io::AsyncWriteExt::write_all(&mut stream, b"SSH-2.0-OpenSSH_9.2\r\n").await.unwrap();
                    // Until the other end has seen it.
                    let _ = tokio::io::AsyncReadExt::read(&mut stream, &mut buffer).await;
                    let _ = tokio::io::AsyncReadExt::read(&mut stream, &mut buffer).await;
                }
            }
        }
    });
    let toml = format!(
        "[[ice]]\nurls = [\"turn:127.0.0.1:{u}\", \"turn:127.0.0.1:{t}?transport=tcp\", \"turns:127.0.0.1:{t}\", \"turn:127.0.0.1:{s}\"]\n\
         user = \"u\"\npassword_file = \"DIR/password\""
    );
    let found = rig.examine(&toml).await;
    garbage.abort();
    assert_failed(&found[0], "what it answers is not TURN", "another program answers");
    assert_failed(&found[1], "what it answers is not TURN", "another program answers");
    assert_failed(&found[2], "TLS fails", "tls-listening-port");
    assert_failed(&found[3], "it does not answer", "firewall");
}
