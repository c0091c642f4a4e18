//! Asks one server, as a session would: how it sees us, or for a relay, which is given back at once.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use tokio::net::UdpSocket;

use super::dial::{self, DialError};
use super::stun::{self, Answer, Id, Key};
use super::tunnel::{State, Target, Tunnel, TunnelError};
use super::{Login, Tls, rest, unix_now};
use crate::config::{IceScheme, IceUrl};

/// All of one server's questions and answers.
const PATIENCE: Duration = Duration::from_secs(9);
/// A request over UDP is repeated after these, and given up after the last (as RFC 8489, section 6.2.1, but sooner).
const AGAIN: [Duration; 3] = [Duration::from_millis(400), Duration::from_millis(800), Duration::from_millis(1600)];
/// An answer over TCP or TLS.
const ANSWER: Duration = Duration::from_secs(3);
/// Addresses of a name that are asked over UDP.
const ADDRESSES: usize = 2;

/// What a server gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Given {
    /// How it sees us.
    Seen(SocketAddr),
    /// A relay, at this address.
    Relay(SocketAddr),
}

/// Why a server is of no use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// No connection.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// No connection, or none that lasted.
    #[error(transparent)]
    Tunnel(#[from] TunnelError),
    /// It says nothing.
    #[error("it does not answer: it is down, or something on the way drops what is sent")]
    Silent,
    /// It says something else.
    #[error("what it answers is not TURN")]
    NotTurn,
    /// The credentials are over.
    #[error(
        "the credentials have expired ({code} {reason}): their time, by this machine's clock, was over {ago} s ago"
    )]
    Expired {
        /// RFC 8489, section 14.8.
        code: u16,
        /// The server's own words.
        reason: String,
        /// Seconds.
        ago: u64,
    },
    /// It does not know the user, or the password is another.
    #[error("it does not accept the user name and password ({code} {reason})")]
    Credentials {
        /// RFC 8489, section 14.8.
        code: u16,
        /// The server's own words.
        reason: String,
    },
    /// It wants some.
    #[error("it wants a user name and a password, and there are none")]
    NoCredentials,
    /// It relays for nobody, or not for us.
    #[error("it refuses to relay: {code} {reason}")]
    Refused {
        /// RFC 8656, section 18, or RFC 8489, section 14.8.
        code: u16,
        /// The server's own words.
        reason: String,
    },
}

/// Asks the server at `url`. Takes a few seconds at most.
///
/// # Errors
/// See [`Trouble`].
pub async fn ask(url: &IceUrl, login: Option<&Login>, tls: Option<&Tls>) -> Result<Given, Trouble> {
    let asking = async {
        match url.scheme {
            IceScheme::Stun | IceScheme::TurnUdp => udp(url, login).await,
            IceScheme::TurnTcp | IceScheme::TurnTls => {
                let tls = tls.filter(|_| url.scheme == IceScheme::TurnTls).cloned();
                let target = Target { host: url.host.clone(), port: url.port, tls };
                let mut line = Line::Tunnel(Tunnel::open(target));
                let given = talk(&mut line, url, login).await;
                if let Line::Tunnel(tunnel) = line {
                    tunnel.close().await;
                }
                given
            }
        }
    };
    tokio::time::timeout(PATIENCE, asking).await.unwrap_or(Err(Trouble::Silent))
}

async fn udp(url: &IceUrl, login: Option<&Login>) -> Result<Given, Trouble> {
    let found = tokio::net::lookup_host((url.host.as_str(), url.port)).await;
    let found = found.map_err(|_| DialError::Name(url.host.clone()))?;
    let mut trouble = Trouble::Dial(DialError::Name(url.host.clone()));
    for address in found.take(ADDRESSES) {
        let asked = async {
            let any: IpAddr =
                if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
            let socket = UdpSocket::bind((any, 0)).await.map_err(|e| dial::cause(&e))?;
            // So that the kernel tells of a closed port.
            socket.connect(address).await.map_err(|e| dial::cause(&e))?;
            talk(&mut Line::Udp(socket), url, login).await
        };
        match asked.await {
            Ok(given) => return Ok(given),
            Err(error) => trouble = error,
        }
    }
    Err(trouble)
}

async fn talk(line: &mut Line, url: &IceUrl, login: Option<&Login>) -> Result<Given, Trouble> {
    if !url.scheme.is_turn() {
        let answer = line.ask(stun::BINDING, None, None).await?;
        return match answer.mapped {
            Some(address) if answer.code == 0 => Ok(Given::Seen(address)),
            None if answer.code == 0 => Err(Trouble::NotTurn),
            _ => Err(Trouble::Refused { code: answer.code, reason: answer.reason }),
        };
    }
    let mut key: Option<Key> = None;
    // Without a name first, to learn realm and nonce; then with it; once more if the nonce is stale by then.
    for _ in 0..3 {
        let Answer { code, reason, realm, nonce, relayed, .. } = line.ask(stun::ALLOCATE, None, key.as_ref()).await?;
        match (code, &key, login) {
            (0, _, _) => {
                // Given back; who does not hear it gives it up by itself.
                let _ = line.ask(stun::REFRESH, Some(0), key.as_ref()).await;
                return relayed.map(Given::Relay).ok_or(Trouble::NotTurn);
            }
            (401 | 438, None, Some(login)) | (438, Some(_), Some(login)) => {
                if realm.is_empty() && key.is_none() {
                    return Err(Trouble::NotTurn);
                }
                let realm = if realm.is_empty() { key.map(|key| key.realm).unwrap_or_default() } else { realm };
                let password = login.password.expose().to_owned();
                key = Some(Key { user: login.user.clone(), password, realm, nonce });
            }
            (401, None, None) => return Err(Trouble::NoCredentials),
            (401 | 403 | 441, Some(key), _) => {
                let over = rest::expires(&key.user).and_then(|expires| unix_now().checked_sub(expires));
                return Err(match over {
                    Some(ago) if ago > 0 => Trouble::Expired { code, reason, ago },
                    _ if code == 403 => Trouble::Refused { code, reason },
                    _ => Trouble::Credentials { code, reason },
                });
            }
            _ => return Err(Trouble::Refused { code, reason }),
        }
    }
    Err(Trouble::Refused { code: 438, reason: "each nonce is stale".to_owned() })
}

/// A way to a server.
enum Line {
    Udp(UdpSocket),
    Tunnel(Tunnel),
}

impl Line {
    async fn ask(&mut self, method: u16, lifetime: Option<u32>, key: Option<&Key>) -> Result<Answer, Trouble> {
        let mut id: Id = [0; 12];
        getrandom::fill(&mut id).map_err(|e| DialError::Unreachable(e.to_string()))?;
        let request = stun::request(method, &id, lifetime, key);
        let answer = |message: &[u8]| stun::answer(message, method, &id);
        match self {
            Self::Udp(socket) => ask_udp(socket, &request, answer).await,
            Self::Tunnel(tunnel) => {
                tunnel.send(&request);
                ask_tunnel(tunnel, answer).await
            }
        }
    }
}

async fn ask_udp(
    socket: &UdpSocket,
    request: &[u8],
    answer: impl Fn(&[u8]) -> Option<Answer>,
) -> Result<Answer, Trouble> {
    let mut other = false;
    let mut buffer = [0; 2048];
    for wait in AGAIN {
        let failed = |e: io::Error| Trouble::Dial(dial::cause(&e));
        socket.send(request).await.map_err(failed)?;
        let end = tokio::time::Instant::now() + wait;
        while let Ok(received) = tokio::time::timeout_at(end, socket.recv(&mut buffer)).await {
            let length = received.map_err(failed)?;
            match answer(buffer.get(..length).unwrap_or_default()) {
                Some(answer) => return Ok(answer),
                None => other = true,
            }
        }
    }
    Err(if other { Trouble::NotTurn } else { Trouble::Silent })
}

async fn ask_tunnel(tunnel: &mut Tunnel, answer: impl Fn(&[u8]) -> Option<Answer>) -> Result<Answer, Trouble> {
    let mut state = tunnel.state();
    let broken = async {
        // Connecting has a time of its own; the answer's begins when it is done.
        let opened = state.wait_for(|state| *state != State::Connecting).await.map(|state| state.clone());
        match opened {
            Ok(State::Broken(error)) => return Trouble::Tunnel(error),
            Ok(State::Open) => {}
            _ => return Trouble::Silent,
        }
        let lost = state.wait_for(|state| matches!(state, State::Broken(_)));
        match tokio::time::timeout(ANSWER, lost).await.map(|lost| lost.map(|state| state.clone())) {
            Ok(Ok(State::Broken(error))) => Trouble::Tunnel(error),
            _ => Trouble::Silent,
        }
    };
    let heard = async {
        loop {
            let message: Bytes = tunnel.recv().await;
            if let Some(answer) = answer(&message) {
                return answer;
            }
        }
    };
    tokio::select! {
        biased;
        answer = heard => Ok(answer),
        trouble = broken => Err(match trouble {
            Trouble::Tunnel(TunnelError::Garbage(_)) => Trouble::NotTurn,
            Trouble::Tunnel(TunnelError::Dial(error)) => Trouble::Dial(error),
            other => other,
        }),
    }
}
