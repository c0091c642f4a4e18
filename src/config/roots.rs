//! Which certificates are trusted: the system's, or those in a file that the config names.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use super::resolve;

/// Why nothing can be trusted.
#[derive(Debug, thiserror::Error)]
pub enum RootsError {
    /// A PEM file.
    #[error("{}: {why}", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// No certificate to trust.
    #[error("this system has no CA certificates; install the package ca-certificates, or name a file in ca_file")]
    NoRoots,
    /// The TLS library does not take what it was given.
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
}

/// A TLS client that shows no certificate of its own.
///
/// # Errors
/// When the file cannot be read, has no certificate in it, or the system has none.
pub fn tls_client(ca_file: Option<&Path>) -> Result<Arc<ClientConfig>, RootsError> {
    let mut roots = RootCertStore::empty();
    match ca_file {
        Some(path) => {
            let path = resolve(path);
            let pem = |why: String| RootsError::Pem { path: path.clone(), why };
            let read = CertificateDer::pem_file_iter(&path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
            for certificate in read.map_err(|e| pem(e.to_string()))? {
                roots.add(certificate).map_err(|e| pem(e.to_string()))?;
            }
            if roots.is_empty() {
                return Err(pem("there is no certificate in it".into()));
            }
        }
        None => {
            // Some of a system's files may be damaged; those that are good suffice.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if roots.is_empty() {
                return Err(RootsError::NoRoots);
            }
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(client))
}
