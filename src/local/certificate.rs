//! HTTPS: a certificate of the user's, or one of our own making, kept in the state folder.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use data_encoding::HEXUPPER;
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest, Sha256};
use time::{Duration, OffsetDateTime};

use crate::config;

/// Within the 825 days that Apple's browsers accept.
const LIFETIME: Duration = Duration::days(820);
/// It is renewed when less than this is left.
const REMAINDER: Duration = Duration::days(60);
/// Names and addresses of past networks are kept, so that roaming does not change the certificate; up to so many.
const MAX_NAMES: usize = 64;
/// The file in the state folder.
const FILE: &str = "local-https.pem";

/// Why there is no HTTPS.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file of the user's cannot be read.
    #[error("cannot read {}: {why}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// Certificate and key of the user's cannot be used.
    #[error("cannot use {} with {}: {why}", cert.display(), key.display())]
    Unfit {
        /// The certificate.
        cert: PathBuf,
        /// The key.
        key: PathBuf,
        /// Why.
        why: String,
    },
    /// No certificate could be made.
    #[error("cannot make a certificate: {0}")]
    Make(String),
    /// The certificate could not be kept.
    #[error("cannot write {}: {error}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

/// A certificate and what it makes possible.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    /// For the server.
    pub(super) config: Arc<ServerConfig>,
    /// SHA-256 of the certificate, as browsers show it.
    pub(super) fingerprint: String,
}

/// The user's own certificate.
pub(super) fn given(cert: &Path, key: &Path) -> Result<Identity, CertificateError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |e: rustls::pki_types::pem::Error| CertificateError::Read { path, why: e.to_string() }
    };
    let chain = CertificateDer::pem_file_iter(cert).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let chain = chain.map_err(failed(cert))?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(failed(key))?;
    identity(chain, private).map_err(|why| CertificateError::Unfit { cert: cert.into(), key: key.into(), why })
}

/// Our own certificate for what listens at this address: the one that is kept in `state`, or a new one.
pub(super) fn own(state: &Path, listen: SocketAddr, now: OffsetDateTime) -> Result<Identity, CertificateError> {
    let path = state.join(FILE);
    let wanted = names(listen);
    let kept = fs::read_to_string(&path).ok().and_then(|text| Kept::parse(&text).ok());
    let mut all = wanted.clone();
    if let Some(kept) = kept {
        if kept.is_good(&wanted, now)
            && let Ok(identity) = kept.identity()
        {
            return Ok(identity);
        }
        all.extend(kept.names.into_iter().take(MAX_NAMES.saturating_sub(wanted.len())));
    }
    let made = Kept::make(all, now).map_err(|e| CertificateError::Make(e.to_string()))?;
    config::write_secret_file(&path, &made.text).map_err(|error| CertificateError::Write { path, error })?;
    made.identity().map_err(CertificateError::Make)
}

fn identity(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Result<Identity, String> {
    let first = chain.first().ok_or("there is no certificate in it")?;
    let hash = Sha256::digest(first);
    let fingerprint = hash.iter().map(|b| HEXUPPER.encode(&[*b])).collect::<Vec<_>>().join(":");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|b| b.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|e| e.to_string())?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Identity { config: Arc::new(config), fingerprint })
}

/// A certificate of our own as it is kept: one file, so that certificate and key always fit. What must be known without
/// parsing the certificate stands in front.
#[derive(Debug)]
struct Kept {
    names: BTreeSet<String>,
    not_after: i64,
    text: String,
}

impl Kept {
    fn make(names: BTreeSet<String>, now: OffsetDateTime) -> Result<Self, rcgen::Error> {
        // A board without a clock that counts may believe to be in the past.
        let now = now.max(OffsetDateTime::UNIX_EPOCH + Duration::days(365 * 55));
        let mut params = CertificateParams::new(names.iter().cloned().collect::<Vec<_>>())?;
        params.not_before = now - Duration::days(1);
        params.not_after = now + LIFETIME;
        params.distinguished_name.push(DnType::CommonName, "Lunette");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
        let cert = params.self_signed(&key)?.pem();
        let not_after = params.not_after.unix_timestamp();
        let list = names.iter().map(String::as_str).collect::<Vec<_>>().join(" ");
        let text = format!(
            "Lunette's certificate for `run --local`; delete this file to have a new one made.\n\
             not after: {not_after}\nnames: {list}\n{cert}{}",
            key.serialize_pem()
        );
        Ok(Self { names, not_after, text })
    }

    fn parse(text: &str) -> Result<Self, std::num::ParseIntError> {
        let line = |key| text.lines().find_map(|l| l.strip_prefix(key)).unwrap_or_default();
        let not_after = line("not after: ").parse()?;
        let names = line("names: ").split_whitespace().map(str::to_owned).collect();
        Ok(Self { names, not_after, text: text.to_owned() })
    }

    fn is_good(&self, wanted: &BTreeSet<String>, now: OffsetDateTime) -> bool {
        self.names.is_superset(wanted) && now.unix_timestamp() < self.not_after - REMAINDER.whole_seconds()
    }

    fn identity(&self) -> Result<Identity, String> {
        let chain = CertificateDer::pem_slice_iter(self.text.as_bytes()).collect::<Result<Vec<_>, _>>();
        let key = PrivateKeyDer::from_pem_slice(self.text.as_bytes());
        identity(chain.map_err(|e| e.to_string())?, key.map_err(|e| e.to_string())?)
    }
}

/// How browsers may call what listens at this address.
fn names(listen: SocketAddr) -> BTreeSet<String> {
    let mut names: BTreeSet<String> = addresses(listen).iter().map(IpAddr::to_string).collect();
    names.extend(["localhost", "127.0.0.1", "::1"].map(str::to_owned));
    if let Some(host) = host_name() {
        names.insert(format!("{host}.local"));
        names.insert(host);
    }
    names
}

/// The addresses at which it can be reached from elsewhere: that of the way out first, then IPv4, then IPv6.
pub(super) fn addresses(listen: SocketAddr) -> Vec<IpAddr> {
    let ip = listen.ip().to_canonical();
    if !ip.is_unspecified() {
        return vec![ip];
    }
    let elsewhere = |ip: &IpAddr| match ip {
        IpAddr::V4(v4) => !v4.is_loopback() && !v4.is_link_local(),
        IpAddr::V6(v6) => listen.is_ipv6() && !v6.is_loopback() && !v6.is_unicast_link_local(),
    };
    let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
    let mut all: Vec<IpAddr> = interfaces.iter().map(if_addrs::Interface::ip).filter(elsewhere).collect();
    let first = way_out();
    all.sort_by_key(|ip| (Some(*ip) != first, *ip));
    all.dedup();
    all
}

/// Which of this machine's addresses speaks to the world: container bridges and the like do not. Nothing is sent.
fn way_out() -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    // An address that documentation uses (RFC 5737) is reached like any other.
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
    socket.local_addr().ok().map(|a| a.ip())
}

/// This machine's name, where it can be part of a URL.
fn host_name() -> Option<String> {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").ok()?.trim().to_ascii_lowercase();
    let label = name.split('.').next().unwrap_or_default().to_owned();
    let legal = !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    (legal && label != "localhost").then_some(label)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn now() -> OffsetDateTime {
        OffsetDateTime::now_utc()
    }

    #[test]
    fn it_is_kept_and_renewed() {
        let dir = tempfile::tempdir().unwrap();
        let listen: SocketAddr = "192.0.2.1:1".parse().unwrap();
        let first = own(dir.path(), listen, now()).unwrap();
        let mode = fs::metadata(dir.path().join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(first.fingerprint.len(), 32 * 3 - 1);
        let again = |listen, at| own(dir.path(), listen, at).unwrap().fingerprint;
        assert_eq!(again(listen, now()), first.fingerprint);
        assert_eq!(again(listen, now() + Duration::days(700)), first.fingerprint);
        // Another address: a new one, which is good for both.
        let second = again("192.0.2.2:1".parse().unwrap(), now());
        assert_ne!(second, first.fingerprint);
        assert_eq!(again(listen, now()), second);
        assert_ne!(again(listen, now() + Duration::days(800)), second);
    }

    #[test]
    fn a_board_in_the_past_makes_one_for_the_present() {
        let kept = Kept::make(["a".to_owned()].into(), OffsetDateTime::UNIX_EPOCH).unwrap();
        assert!(kept.not_after > now().unix_timestamp());
    }

    #[test]
    fn a_broken_file_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        for junk in ["", "not after: 99999999999\nnames: 192.0.2.1", "\u{0}"] {
            fs::write(dir.path().join(FILE), junk).unwrap();
            own(dir.path(), "192.0.2.1:1".parse().unwrap(), now()).unwrap();
        }
    }

    #[test]
    fn the_users_files_are_named_when_they_do_not_fit() {
        let dir = tempfile::tempdir().unwrap();
        let [a, b] = ["a", "b"].map(|name| {
            let path = dir.path().join(name);
            fs::write(&path, Kept::make(["x".to_owned()].into(), now()).unwrap().text).unwrap();
            path
        });
        assert!(given(&a, &a).is_ok());
        let error = given(&a, &b).unwrap_err().to_string();
        assert!(error.contains(a.to_str().unwrap()) && error.contains(b.to_str().unwrap()), "{error}");
        let absent = dir.path().join("absent");
        assert!(given(&absent, &b).unwrap_err().to_string().contains("absent"));
        fs::write(&a, "no certificate").unwrap();
        assert!(given(&a, &b).is_err());
    }
}
