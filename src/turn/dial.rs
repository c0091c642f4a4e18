//! TCP and TLS connections to servers, with reasons for people.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{CertificateError, Error as TlsError};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::Tls;

/// The next of a host's addresses is tried after this without a connection (RFC 8305, section 8).
const NEXT: Duration = Duration::from_millis(250);
/// Addresses of a host that are tried.
const MOST: usize = 6;

/// Why there is no connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DialError {
    /// The name has no address, or nobody could be asked.
    #[error("the name {0} has no address: is it right, and is there DNS?")]
    Name(String),
    /// Nothing listens.
    #[error("nothing listens there (connection refused)")]
    Refused,
    /// No way there.
    #[error("there is no way there: {0}")]
    Unreachable(String),
    /// Silence.
    #[error("no answer in time; a firewall may drop it")]
    TimedOut,
    /// The certificate's issuer is not trusted.
    #[error("its certificate is of a CA that is not trusted; name the CA's file in ca_file")]
    UnknownCa,
    /// The certificate is for other names, out of date, or else not good.
    #[error("its certificate is not good: {0}")]
    Certificate(String),
    /// It does not speak TLS, or none that we do.
    #[error("TLS fails: {0}; does it speak TLS at this port?")]
    Tls(String),
}

/// Connects to whichever of the host's addresses answers first.
pub(super) async fn tcp(host: &str, port: u16) -> Result<TcpStream, DialError> {
    let found = tokio::net::lookup_host((host, port)).await.map_err(|_| DialError::Name(host.to_owned()))?;
    let mut addresses: Vec<SocketAddr> = found.take(MOST).collect();
    addresses.reverse();
    let mut tries = JoinSet::new();
    let mut why = DialError::Name(host.to_owned());
    loop {
        if let Some(address) = addresses.pop() {
            tries.spawn(TcpStream::connect(address));
        } else if tries.is_empty() {
            return Err(why);
        }
        let more = !addresses.is_empty();
        tokio::select! {
            Some(tried) = tries.join_next() => match tried {
                Ok(Ok(stream)) => {
                    // Small messages that must not wait; where it cannot be set they do.
                    let _ = stream.set_nodelay(true);
                    return Ok(stream);
                }
                Ok(Err(error)) => why = cause(&error),
                Err(_) => {}
            },
            () = tokio::time::sleep(NEXT), if more => {}
        }
    }
}

/// TLS over a connection; the host's name, or its address, must be in its certificate.
pub(super) async fn tls(stream: TcpStream, host: &str, tls: &Tls) -> Result<TlsStream<TcpStream>, DialError> {
    let name = ServerName::try_from(host.to_owned()).map_err(|e| DialError::Tls(e.to_string()))?;
    TlsConnector::from(tls.clone()).connect(name, stream).await.map_err(|error| cause(&error))
}

/// What an error means.
pub(super) fn cause(error: &io::Error) -> DialError {
    if let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<TlsError>()) {
        return match tls {
            TlsError::InvalidCertificate(CertificateError::UnknownIssuer) => DialError::UnknownCa,
            TlsError::InvalidCertificate(error) => DialError::Certificate(error.to_string()),
            other => DialError::Tls(other.to_string()),
        };
    }
    match error.kind() {
        io::ErrorKind::ConnectionRefused => DialError::Refused,
        io::ErrorKind::TimedOut => DialError::TimedOut,
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
            DialError::Tls("the server closed the connection".to_owned())
        }
        _ => DialError::Unreachable(error.to_string()),
    }
}
