use super::*;
use crate::config::Config;

const UNIX: u64 = 1_763_870_000;

fn config(toml: &str) -> Vec<config::Ice> {
    Config::parse(toml).unwrap().ice
}

fn viewer() -> Who {
    Who::Viewer("abcdefghijklmnopqrstuvwxyz".parse().unwrap())
}

fn camera() -> Who {
    Who::Camera("zyxwvutsrqponmlkjihgfedcba".parse().unwrap())
}

#[test]
fn each_gets_its_own_credentials_and_the_secret_stays() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("secret"), "geheim\n").unwrap();
    std::fs::write(dir.path().join("password"), "static\n").unwrap();
    let at = dir.path().display();
    let ice = Ice::open(
        &config(&format!(
            "[[ice]]\nurls = [\"stun:s\"]\n\
             [[ice]]\nurls = [\"turn:t\", \"turn:t?transport=tcp\"]\nsecret_file = \"{at}/secret\"\nttl = \"20 min\"\n\
             [[ice]]\nurls = [\"turn:u\"]\nuser = \"u\"\npassword_file = \"{at}/password\""
        )),
        None,
    )
    .unwrap();
    let minted = ice.mint_at(viewer(), Instant::now(), UNIX);
    assert_eq!((minted.ttl_seconds(), minted.renew), (Some(1200), Some(Duration::from_secs(600))));
    let json = serde_json::to_value(minted.for_viewer()).unwrap();
    let login = rest::login(&Secret::new("geheim"), "viewer-abcdefgh", UNIX + 1200);
    assert_eq!(
        json,
        serde_json::json!([
            {"urls": ["stun:s:3478"]},
            {"urls": ["turn:t:3478?transport=udp", "turn:t:3478?transport=tcp"],
             "username": "1763871200:viewer-abcdefgh", "credential": login.password.expose()},
            {"urls": ["turn:u:3478?transport=udp"], "username": "u", "credential": "static"},
        ])
    );
    let own = ice.mint_at(camera(), Instant::now(), UNIX);
    assert_eq!(own.servers[1].login.as_ref().unwrap().user, "1763871200:camera-zyxwvuts");
    let debug = format!("{ice:?} {own:?} {json}");
    assert!(!debug.contains("geheim"), "{debug}");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = Ice::open(&config("[[ice]]\nurls = [\"turn:t\"]\nsecret_file = \"/nowhere/secret\""), None);
    let error = error.unwrap_err().to_string();
    assert!(error.contains("[[ice]] secret_file") && error.contains("/nowhere/secret"), "{error}");
    let error = Ice::open(&config("[[ice]]\nfrom = \"broker\"\nca_file = \"/nowhere/ca\""), None).unwrap_err();
    assert!(error.to_string().contains("[[ice]] ca_file: /nowhere/ca"), "{error}");
}

#[tokio::test]
async fn what_the_broker_has_is_handed_on_until_it_ends() {
    let (publish, payloads) = watch::channel(Vec::new());
    let ice = Ice::open(&config("[[ice]]\nfrom = \"broker\""), Some(payloads)).unwrap();
    let mut changed = ice.changed();
    assert!(ice.mint(viewer()).servers.is_empty());
    let list = |expires: u64| {
        let json = serde_json::json!({
            "iceServers": [{"urls": "turns:t", "username": "u", "credential": "c"}], "expires": expires});
        json.to_string().into_bytes()
    };
    publish.send_replace(list(unix_now() + 100));
    changed.changed().await.unwrap();
    let minted = ice.mint(viewer());
    assert_eq!(minted.servers[0].urls[0].to_string(), "turns:t:5349?transport=tcp");
    assert!(minted.servers[0].tls.is_some());
    assert!((95..=100).contains(&minted.ttl_seconds().unwrap()), "{:?}", minted.ttl);
    assert_eq!(minted.renew, None);
    // Junk changes nothing; the next good one does.
    publish.send_replace(b"junk".to_vec());
    publish.send_replace(list(unix_now() - 1));
    changed.changed().await.unwrap();
    assert!(ice.mint(viewer()).servers.is_empty());
    publish.send_replace(list(unix_now() + 100));
    changed.changed().await.unwrap();
    publish.send_replace(Vec::new());
    changed.changed().await.unwrap();
    assert!(ice.mint(viewer()).servers.is_empty());
}

#[test]
fn without_servers_nothing_is_minted() {
    let minted = Ice::none().mint(camera());
    assert!(minted.servers.is_empty() && minted.ttl.is_none() && minted.renew.is_none());
}
