//! `[signal.mqtt]` → what a connection needs: password, trust, client certificate, read from their files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use super::mqtt::Broker;
use crate::config::{self, BrokerScheme, SecretError};

/// Why a broker's settings cannot be used. Each names the file and the key of the config.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// The password file.
    #[error("[signal.mqtt] password_file: {0}")]
    Password(#[from] SecretError),
    /// A PEM file.
    #[error("[signal.mqtt] {key}: {path}: {why}")]
    Pem {
        /// The config's key.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// No certificate to trust.
    #[error(
        "this system has no CA certificates; install the package ca-certificates, or name a file in [signal.mqtt] ca_file"
    )]
    NoRoots,
    /// The TLS library does not take what it was given.
    #[error("[signal.mqtt] TLS: {0}")]
    Tls(#[from] rustls::Error),
}

impl Broker {
    /// Reads what the config names.
    ///
    /// # Errors
    /// See [`BrokerError`].
    pub fn open(mqtt: &config::Mqtt) -> Result<Self, BrokerError> {
        let password = mqtt.password_file.as_deref().map(config::read_secret_file).transpose()?;
        let login = match (&mqtt.user, password) {
            (None, None) => None,
            // A user without a password, and a password without a user, are for the broker to judge.
            (user, password) => {
                Some((user.clone().unwrap_or_default(), password.unwrap_or_else(|| config::Secret::new(""))))
            }
        };
        let tls = match mqtt.url.scheme {
            BrokerScheme::Mqtts | BrokerScheme::Wss => Some(Arc::new(tls(mqtt)?)),
            BrokerScheme::Mqtt | BrokerScheme::Ws => None,
        };
        Ok(Self { url: mqtt.url.clone(), login, tls })
    }
}

fn tls(mqtt: &config::Mqtt) -> Result<ClientConfig, BrokerError> {
    let mut roots = RootCertStore::empty();
    match &mqtt.ca_file {
        Some(path) => {
            for certificate in certificates("ca_file", path)? {
                roots.add(certificate).map_err(|e| pem("ca_file", path, e))?;
            }
        }
        None => {
            // Some of a system's files may be damaged; those that are good suffice.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if roots.is_empty() {
                return Err(BrokerError::NoRoots);
            }
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots);
    match (&mqtt.client_cert_file, &mqtt.client_key_file) {
        (Some(cert), Some(key)) => {
            let path = config::resolve(key);
            let key = PrivateKeyDer::from_pem_file(&path).map_err(|e| pem("client_key_file", &path, e))?;
            Ok(builder.with_client_auth_cert(certificates("client_cert_file", cert)?, key)?)
        }
        // The config has both or neither.
        _ => Ok(builder.with_no_client_auth()),
    }
}

fn certificates(key: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, BrokerError> {
    let path = config::resolve(path);
    let read = CertificateDer::pem_file_iter(&path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match read {
        Ok(certificates) if certificates.is_empty() => Err(pem(key, &path, "there is no certificate in it")),
        Ok(certificates) => Ok(certificates),
        Err(e) => Err(pem(key, &path, e)),
    }
}

fn pem(key: &'static str, path: &Path, why: impl std::fmt::Display) -> BrokerError {
    BrokerError::Pem { key, path: path.to_owned(), why: why.to_string() }
}
