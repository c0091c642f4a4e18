use super::*;
use crate::config::Config;

fn one(toml: &str) -> Result<Ice, String> {
    let config = Config::parse(&format!("[[ice]]\n{toml}")).map_err(|e| e.to_string())?;
    let [one] = config.ice.try_into().unwrap();
    Ok(one)
}

#[test]
fn each_kind_is_read() {
    let Ice::Servers { urls, login: IceLogin::None, ca_file: None } = one("urls = [\"stun:a\", \"stun:b\"]").unwrap()
    else {
        unreachable!()
    };
    assert_eq!(urls.len(), 2);
    assert_eq!(
        one("urls = [\"turn:a\"]\nuser = \"u\"\npassword_file = \"/p\"").unwrap(),
        Ice::Servers {
            urls: vec!["turn:a".parse().unwrap()],
            login: IceLogin::Static { user: "u".into(), password_file: "/p".into() },
            ca_file: None
        }
    );
    let rest = |toml: &str| match one(toml).unwrap() {
        Ice::Servers { login: IceLogin::Rest { ttl, .. }, .. } => ttl.get().as_secs(),
        other => unreachable!("{other:?}"),
    };
    assert_eq!(rest("urls = [\"stun:a\", \"turns:a\"]\nsecret_file = \"/s\"\nca_file = \"/c\""), 600);
    assert_eq!(rest("urls = [\"turn:a\"]\nsecret_file = \"/s\"\nttl = \"2 h\""), 7200);
    assert_eq!(one("from = \"broker\""), Ok(Ice::Broker { ca_file: None }));
    let Ice::Fetched(fetch) = one("url = \"https://x.example/turn?apiKey={token}\"\ntoken_file = \"/t\"").unwrap()
    else {
        unreachable!()
    };
    assert_eq!(fetch.url.with_token(Some("a b&c")).as_str(), "https://x.example/turn?apiKey=a+b%26c");
    assert_eq!(format!("{:?} {}", fetch.url, fetch.ttl.get().as_secs()), "https://x.example/turn?… 3600");
    let Ice::Fetched(fetch) =
        one("url = \"https://x.example/{token}/turn\"\ntoken_file = \"/t\"\nbody = \"\"").unwrap()
    else {
        unreachable!()
    };
    assert_eq!(fetch.url.with_token(Some("abc")).as_str(), "https://x.example/abc/turn");
}

#[test]
fn what_does_not_fit_says_the_way_out() {
    for (toml, said) in [
        ("", "urls = "),
        ("urls = []", "urls = "),
        ("urls = [\"turn:a\"]", "turn:a:3478?transport=udp needs credentials"),
        ("urls = [\"turn:a\"]\nuser = \"u\"", "`user` needs `password_file`"),
        ("urls = [\"turn:a\"]\npassword_file = \"u\"", "`password_file` needs `user`"),
        ("urls = [\"turn:a\"]\nuser = \"u\"\npassword_file = \"/p\"\nsecret_file = \"/s\"", "either `user`"),
        ("urls = [\"turn:a\"]\nuser = \"\"\npassword_file = \"/p\"", "1 to 508 bytes"),
        ("urls = [\"turn:a\"]\nuser = \"u\"\npassword_file = \"/p\"\nttl = \"1 h\"", "`ttl` belongs to `secret_file`"),
        ("urls = [\"turn:a\"]\nsecret_file = \"/s\"\nttl = \"10 s\"", "1 min to 24 h"),
        ("urls = [\"turn:a\"]\nsecret_file = \"/s\"\nttl = 600", "string"),
        ("urls = [\"turn:a\"]\nsecret_file = \"/s\"\ntoken_file = \"/t\"", "remove `token_file`"),
        ("urls = [\"stun:a\"]\nsecret_file = \"/s\"", "stun: servers want no credentials"),
        ("urls = [\"turn://a\"]", "no slashes"),
        ("urls = [\"stun:a\"]\nurl = \"https://x\"", "not several"),
        ("url = \"http://x.example\"", "begins with https://"),
        ("url = \"https://u:p@x.example\"", "no user name or password in it"),
        ("url = \"https://x.example/{token}\"", "needs `token_file"),
        ("url = \"https://x.example\"\nuser = \"u\"", "belong together"),
        ("url = \"https://x.example\"\nsecret_file = \"/s\"", "remove `secret_file`"),
        ("from = \"broker\"\nuser = \"u\"", "remove `user`"),
        ("from = \"mars\"", "`mars`"),
        ("password = \"geheim\"", "unknown key `password`"),
        ("from = \"broker\"\n[[ice]]\nfrom = \"broker\"", "all there can be"),
    ] {
        let error = one(toml).unwrap_err();
        assert!(error.contains(said), "{toml}: {error}");
        assert!(error.contains("lunette.toml:"), "{error}");
    }
    let many = "\n[[ice]]\nurls = [\"stun:a\"]".repeat(MOST + 1);
    assert!(Config::parse(&many).unwrap_err().to_string().contains("too many"));
}
