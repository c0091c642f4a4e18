//! STUN and TURN servers: each is asked as a session would ask it.

use crate::config::{self, IceLogin, IceUrl};
use crate::turn::ask::{self, Given, Trouble};
use crate::turn::dial::DialError;
use crate::turn::fetch::FetchError;
use crate::turn::{Asked, Ice, Listed, OpenError, Server};

use super::finding::{Area, Finding};

/// Asks all of them at once, over each transport; a relay that is given is given back.
pub async fn examine(config: &[config::Ice]) -> Vec<Finding> {
    if config.is_empty() {
        let text = "no STUN or TURN server: only viewers on the same network get a picture, or in networks that let each \
                    other's packets through";
        let fix = "name one in [[ice]]: docs/operations.md; nothing to do when all viewers are at home";
        return vec![Finding::note("ice", Area::Ice, text).with_fix(fix)];
    }
    let mut asking = tokio::task::JoinSet::new();
    for (index, ice) in config.iter().cloned().enumerate() {
        asking.spawn(async move { (index, one(ice).await) });
    }
    let mut found = Vec::new();
    while let Some(done) = asking.join_next().await {
        found.extend(done.ok());
    }
    found.sort_by_key(|(index, _)| *index);
    let mut findings: Vec<_> = found.into_iter().flat_map(|(_, findings)| findings).collect();
    findings.extend(no_relay(config));
    findings
}

/// STUN alone leaves some out.
fn no_relay(config: &[config::Ice]) -> Option<Finding> {
    let only_stun = config.iter().all(|ice| match ice {
        config::Ice::Servers { urls, .. } => urls.iter().all(|url| !url.scheme.is_turn()),
        config::Ice::Fetched(_) | config::Ice::Broker { .. } => false,
    });
    let text =
        "no TURN server: viewers behind a symmetric NAT, or in a network that lets no UDP through, get no picture";
    only_stun.then(|| Finding::note("ice", Area::Ice, text))
}

/// One `[[ice]]`.
async fn one(config: config::Ice) -> Vec<Finding> {
    let servers = match Ice::list(&config).await {
        Ok(Listed::Servers(servers)) => servers,
        Ok(Listed::ByBroker) => {
            let text = "from the broker: whether they work is known when it has delivered them; the log says so";
            return vec![Finding::note("ice", Area::Ice, text)];
        }
        Err(Asked::Open(error)) => return vec![not_open(&error)],
        Err(Asked::Fetch(error)) => return vec![not_fetched(&config, &error)],
    };
    let mut asking = tokio::task::JoinSet::new();
    let pairs = servers.iter().flat_map(|server| server.urls.iter().map(move |url| (server.clone(), url.clone())));
    for (index, (Server { login, tls, .. }, url)) in pairs.enumerate() {
        asking.spawn(async move { (index, ask::ask(&url, login.as_ref(), tls.as_ref()).await, url) });
    }
    let mut answers = Vec::new();
    while let Some(done) = asking.join_next().await {
        answers.extend(done.ok());
    }
    answers.sort_by_key(|(index, ..)| *index);
    answers.iter().map(|(_, answer, url)| judge(&config, url, answer)).collect()
}

fn not_open(error: &OpenError) -> Finding {
    let fix = "the file must be there, and readable for the user that runs Lunette";
    Finding::fail("ice", Area::Ice, error.to_string(), fix)
}

fn not_fetched(config: &config::Ice, error: &FetchError) -> Finding {
    let from = config::describe_ice(std::slice::from_ref(config));
    let fix = match error {
        FetchError::Expired => "timedatectl says whether the clock is set",
        FetchError::Answer(_) => "see docs/signaling.md for the shapes that are read",
        FetchError::Dial(error) => of_dial(error),
        FetchError::Status(_) | FetchError::Http(_) => {
            "see [[ice]] url, token_file and body, and the service's own pages"
        }
    };
    Finding::fail("ice", Area::Ice, format!("{from}: {error}"), fix)
}

/// What an answer says.
pub fn judge(config: &config::Ice, url: &IceUrl, answer: &Result<Given, Trouble>) -> Finding {
    let by = url.scheme.transport();
    match answer {
        Ok(Given::Seen(_)) => Finding::ok("ice", Area::Ice, format!("{url} says how we are seen from outside")),
        Ok(Given::Relay(_)) => Finding::ok("ice", Area::Ice, format!("{url} relays for us, over {by}")),
        Err(trouble) => Finding::fail("ice", Area::Ice, format!("{url}: {trouble}"), fix(config, url, trouble)),
    }
}

fn fix(config: &config::Ice, url: &IceUrl, trouble: &Trouble) -> String {
    let port = url.port;
    match trouble {
        Trouble::Dial(error) => of_dial(error).to_owned(),
        Trouble::Tunnel(_) => "the server's log says why it closes the connection".to_owned(),
        Trouble::Silent => format!(
            "is it running, and does each firewall on the way, the server's own too, let {} to port {port} through?",
            if url.scheme.transport() == "UDP" { "UDP" } else { "TCP" }
        ),
        Trouble::NotTurn => format!("another program answers at port {port}; see [[ice]] urls"),
        Trouble::Expired { .. } => match config {
            config::Ice::Servers { .. } => "is this machine's clock right? timedatectl says so".to_owned(),
            _ => "whoever makes the credentials must renew them sooner".to_owned(),
        },
        Trouble::Credentials { .. } => credentials(config).to_owned(),
        Trouble::NoCredentials => "add `user` and `password_file`, or `secret_file`".to_owned(),
        Trouble::Refused { code, .. } => refused(*code).to_owned(),
    }
}

fn credentials(config: &config::Ice) -> &'static str {
    match config {
        config::Ice::Servers { login: IceLogin::Rest { .. }, .. } => {
            "secret_file must have what coturn's static-auth-secret has, with use-auth-secret; and the clocks of both \
             machines must be right (timedatectl)"
        }
        config::Ice::Servers { .. } => "see [[ice]] user and password_file, and the server's own list of users",
        config::Ice::Fetched(_) | config::Ice::Broker { .. } => {
            "whoever makes the credentials makes them for another server"
        }
    }
}

/// RFC 8656, section 18, and RFC 8489, section 14.8.
fn refused(code: u16) -> &'static str {
    match code {
        300 => "it sends us to another server: name that one in [[ice]] urls",
        403 => "the server's rules forbid it: its log says which (coturn: denied-peer-ip, no-udp-relay)",
        437 | 438 => "try again; when it stays so, the server or something on the way mixes up connections",
        442 => "the server does not relay UDP: allow it there",
        486 => "this user has all relays it may have: raise the server's user-quota",
        508 => "the server has no more relays: raise its total-quota, or its range of ports (min-port, max-port)",
        _ => "the server's log says why",
    }
}

fn of_dial(error: &DialError) -> &'static str {
    match error {
        DialError::Name(_) => "resolvectl query asks for the name",
        DialError::Refused => {
            "is the server running, and does it listen at this port? In coturn: listening-port, tls-listening-port"
        }
        DialError::Unreachable(_) => "ip route shows which networks are reached",
        DialError::TimedOut => "a firewall on the way, or the server's own, must let it through",
        DialError::UnknownCa => {
            "ca_file = \"/path/to/the/CA.pem\" in this [[ice]]; or a certificate of a public CA for the server, with its chain"
        }
        DialError::Certificate(_) => {
            "the server's certificate must be for the name in [[ice]] urls, and in date (timedatectl)"
        }
        DialError::Tls(_) => {
            "turns: belongs to a port where the server speaks TLS: in coturn tls-listening-port, with cert and pkey"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::doctor::finding::Verdict;

    fn config(toml: &str) -> Vec<config::Ice> {
        Config::parse(toml).unwrap().ice
    }

    #[tokio::test]
    async fn what_is_missing_is_said() {
        let none = examine(&[]).await;
        assert_eq!(none[0].verdict, Verdict::Note);
        assert!(none[0].text.contains("only viewers on the same network"), "{none:?}");
        let found = examine(&config(
            "[[ice]]\nurls = [\"stun:127.0.0.1:1\", \"stun:nowhere.invalid\"]\n[[ice]]\nurls = [\"stun:127.0.0.1:1\"]",
        ))
        .await;
        assert_eq!(found.len(), 4, "{found:?}");
        assert!(found[0].text.contains("stun:127.0.0.1:1: nothing listens there"), "{found:?}");
        assert!(found[1].text.contains("the name nowhere.invalid has no address"), "{found:?}");
        assert!(found[3].text.contains("no TURN server"), "{found:?}");
        let found = examine(&config("[[ice]]\nurls = [\"turn:t\"]\nsecret_file = \"/nowhere\"")).await;
        assert_eq!((found.len(), found[0].verdict), (1, Verdict::Fail));
        assert!(found[0].text.contains("[[ice]] secret_file"), "{found:?}");
        let found = examine(&config("[[ice]]\nurl = \"http://127.0.0.1:1/\"")).await;
        assert!(found[0].text.contains("from http://127.0.0.1:1/: nothing listens"), "{found:?}");
        let found = examine(&config("[[ice]]\nfrom = \"broker\"")).await;
        assert_eq!(found[0].verdict, Verdict::Note);
    }

    #[test]
    fn each_kind_of_credentials_has_its_own_way_out() {
        let url: IceUrl = "turn:t".parse().unwrap();
        let wrong = Err(Trouble::Credentials { code: 401, reason: "Unauthorized".into() });
        for (toml, said) in
            [("secret_file = \"/s\"", "static-auth-secret"), ("user = \"u\"\npassword_file = \"/p\"", "list of users")]
        {
            let config = config(&format!("[[ice]]\nurls = [\"turn:t\"]\n{toml}"));
            let finding = judge(&config[0], &url, &wrong);
            assert!(finding.fix.clone().unwrap().contains(said), "{finding:?}");
            assert!(finding.text.contains("does not accept the user name and password (401"), "{finding:?}");
        }
    }
}
