use super::*;
use crate::config::{self, Config};
use crate::trust::ViewerId;
use crate::turn::{Ice, Who};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A web service in this process, which notes what it is asked.
struct Service {
    listener: TcpListener,
}

impl Service {
    async fn start() -> (Self, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = format!("http://{}", listener.local_addr().unwrap());
        (Self { listener }, at)
    }

    /// One request as it came, body and all, and the connection it came by.
    async fn asked(&self) -> (String, TcpStream) {
        let (mut stream, _) = self.listener.accept().await.unwrap();
        let mut text = String::new();
        loop {
            let mut some = [0; 1024];
            let n = stream.read(&mut some).await.unwrap();
            text.push_str(std::str::from_utf8(&some[..n]).unwrap());
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let length = head.to_ascii_lowercase();
            let length = length.split("content-length: ").nth(1).and_then(|l| l.lines().next()).unwrap_or("0");
            if body.len() >= length.parse::<usize>().unwrap() {
                return (text, stream);
            }
        }
    }

    async fn answer(&self, status: &str, body: &str) -> String {
        let (asked, mut stream) = self.asked().await;
        let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", body.len());
        stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
        asked
    }
}

const LIST: &str = r#"{"iceServers":[{"urls":["turn:t"],"username":"u","credential":"c"}]}"#;

fn fetch(toml: &str) -> config::IceFetch {
    match Config::parse(&format!("[[ice]]\n{toml}")).unwrap().ice.remove(0) {
        config::Ice::Fetched(fetch) => fetch,
        other => unreachable!("{other:?}"),
    }
}

fn fetcher(toml: &str) -> Fetcher {
    Fetcher::open(&fetch(toml), config::tls_client(None).unwrap()).unwrap()
}

#[tokio::test]
async fn each_service_is_asked_in_its_own_way() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("token"), "t0ken\n").unwrap();
    let token = format!("{}/token", dir.path().display());
    let (service, at) = Service::start().await;
    for (toml, wanted) in [
        (
            format!(
                "url = \"{at}/k/credentials/generate\"\ntoken_file = \"{token}\"\nbody = '{{\"ttl\": {{ttl}}}}'\nttl = \"2 h\""
            ),
            [
                "POST /k/credentials/generate HTTP/1.1",
                "authorization: Bearer t0ken",
                "application/json",
                "{\"ttl\": 7200}",
            ],
        ),
        (
            format!("url = \"{at}/Tokens.json\"\nuser = \"AC1\"\npassword_file = \"{token}\"\nbody = \"Ttl={{ttl}}\""),
            ["POST /Tokens.json HTTP/1.1", "authorization: Basic QUMxOnQwa2Vu", "x-www-form-urlencoded", "Ttl=3600"],
        ),
        (
            format!("url = \"{at}/v1/turn?apiKey={{token}}\"\ntoken_file = \"{token}\""),
            [
                "GET /v1/turn?apiKey=t0ken HTTP/1.1",
                "accept: application/json",
                "user-agent: lunette/",
                "host: 127.0.0.1:",
            ],
        ),
    ] {
        let fetcher = fetcher(&toml);
        let (asked, got) = tokio::join!(service.answer("200 OK", LIST), fetcher.fetch());
        for wanted in wanted {
            assert!(asked.contains(wanted), "{wanted}: {asked}");
        }
        let got = got.unwrap();
        assert_eq!((got.servers.len(), got.ttl), (1, Some(fetcher.config.ttl.get())));
    }
}

#[tokio::test]
async fn what_goes_wrong_is_said() {
    let (service, at) = Service::start().await;
    let fetcher = fetcher(&format!("url = \"{at}/\""));
    let huge = "x".repeat(MAX_JSON + 1);
    for (status, body, said) in [
        ("401 Unauthorized", "{}", "see token_file"),
        ("302 Found", "", "write that address"),
        ("405 Method Not Allowed", "", "makes it a POST"),
        ("503 Service Unavailable", "", "503"),
        ("200 OK", "<html>", "not JSON"),
        ("200 OK", "{\"ok\":true}", "no list of servers"),
        ("200 OK", huge.as_str(), "length limit exceeded"),
        ("SSH-2.0-OpenSSH", "", "does not answer as a web service"),
    ] {
        let (_, got) = tokio::join!(service.answer(status, body), fetcher.fetch());
        let error = got.unwrap_err().to_string();
        assert!(error.contains(said), "{status} {error}");
    }
    let hung = async {
        let (_, stream) = service.asked().await;
        drop(stream);
    };
    let (_, got) = tokio::join!(hung, fetcher.fetch());
    assert!(matches!(got, Err(FetchError::Http(_))), "{got:?}");
    drop(service);
    assert_eq!(fetcher.fetch().await, Err(FetchError::Dial(DialError::Refused)));
}

#[tokio::test]
async fn what_is_good_stays_until_it_ends_and_failures_are_apart() {
    let (service, at) = Service::start().await;
    let ice = config::Ice::Fetched(fetch(&format!("url = \"{at}/\"")));
    let ice = Ice::open(&[ice], None).unwrap();
    let mut changed = ice.changed();
    service.answer("503 Service Unavailable", "").await;
    let who = Who::Viewer(ViewerId::random().unwrap());
    assert!(ice.mint(who).servers.is_empty());
    // Asked again within seconds.
    service.answer("200 OK", LIST).await;
    changed.changed().await.unwrap();
    let minted = ice.mint(who);
    assert_eq!(minted.servers.len(), 1);
    assert!((3590..=3600).contains(&minted.ttl_seconds().unwrap()));
    let later = Instant::now() + Duration::from_secs(3601);
    assert!(ice.mint_at(who, later, unix_now()).servers.is_empty());
    assert_eq!([1, 2, 3, 99].map(|n| pause(n).as_secs()), [2, 4, 8, 300]);
}

#[test]
fn credentials_that_are_over_are_not_taken() {
    let delivered = |expires| Delivered { servers: Vec::new(), ttl: None, expires };
    assert_eq!(good(delivered(Some(5))).map(drop), Err(FetchError::Expired));
    assert!(good(delivered(None)).is_ok());
}
