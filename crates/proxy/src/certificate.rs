//! The certificate of the TLS listeners, picked up again when its files change.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// The certificate chain and key in force, and the files they come from.
#[derive(Debug, Clone)]
pub struct Certificates {
    current: Arc<Current>,
    cert: PathBuf,
    key: PathBuf,
}

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file cannot be read as PEM.
    #[error("{path}: {source}")]
    Pem {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: rustls_pki_types::pem::Error,
    },
    /// The certificate file holds none.
    #[error("{0}: holds no certificate")]
    Empty(PathBuf),
    /// The key cannot be used, or does not belong to the certificate.
    #[error("{path}: {source}")]
    Key {
        /// The key file.
        path: PathBuf,
        /// What is wrong with it.
        source: rustls::Error,
    },
}

#[derive(Debug)]
struct Current(ArcSwap<CertifiedKey>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

impl Certificates {
    /// Reads a chain and its key from PEM files.
    pub fn load(cert: &Path, key: &Path) -> Result<Self, CertificateError> {
        let certified = read(cert, key)?;
        let current = Arc::new(Current(ArcSwap::from_pointee(certified)));
        Ok(Self { current, cert: cert.to_owned(), key: key.to_owned() })
    }

    /// Reads the files again; the old certificate stays in force if they cannot be used.
    pub fn renew(&self) -> Result<(), CertificateError> {
        self.current.0.store(Arc::new(read(&self.cert, &self.key)?));
        Ok(())
    }

    /// The files, for whoever watches them.
    pub fn files(&self) -> [&Path; 2] {
        [&self.cert, &self.key]
    }

    /// TLS 1.2 and 1.3 with HTTP/2 and HTTP/1.1; X25519MLKEM768 is offered first.
    pub(crate) fn server_config(&self) -> Arc<ServerConfig> {
        let mut config = ServerConfig::builder()
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&self.current) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Arc::new(config)
    }
}

fn read(cert: &Path, key: &Path) -> Result<CertifiedKey, CertificateError> {
    let pem = |path: &Path, source| CertificateError::Pem { path: path.to_owned(), source };
    let chain = CertificateDer::pem_file_iter(cert)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|source| pem(cert, source))?;
    if chain.is_empty() {
        return Err(CertificateError::Empty(cert.to_owned()));
    }
    let der = PrivateKeyDer::from_pem_file(key).map_err(|source| pem(key, source))?;
    let unusable = |source| CertificateError::Key { path: key.to_owned(), source };
    let signer = any_supported_type(&der).map_err(unusable)?;
    let certified = CertifiedKey::new(chain, signer);
    certified.keys_match().map_err(unusable)?;
    Ok(certified)
}
