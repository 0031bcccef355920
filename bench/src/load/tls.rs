//! The certificate that the gateways show and the client that trusts it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, ServerName};

/// A self-signed P-256 certificate for `localhost` on disk.
#[derive(Debug)]
pub(crate) struct Certificate {
    pub(crate) chain: PathBuf,
    pub(crate) key: PathBuf,
    /// Both in one file, as HAProxy wants it.
    pub(crate) both: PathBuf,
    der: CertificateDer<'static>,
}

impl Certificate {
    /// Makes one and writes it to `dir`.
    pub(crate) fn write(dir: &Path) -> Result<Self> {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()])?;
        let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        let at = |name: &str, text: &str| -> Result<PathBuf> {
            let path = dir.join(name);
            fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
            Ok(path)
        };
        Ok(Certificate {
            chain: at("cert.pem", &chain)?,
            key: at("key.pem", &key)?,
            both: at("both.pem", &format!("{chain}{key}"))?,
            der: made.cert.der().clone(),
        })
    }

    /// A client that trusts it, with a session store of its own. It offers one version, one suite and one group
    /// that all servers have, so that none is measured with cheaper or dearer cryptography than another.
    pub(crate) fn client(&self, resume: bool) -> Result<Arc<ClientConfig>> {
        let mut provider = aws_lc_rs::default_provider();
        provider.cipher_suites = vec![aws_lc_rs::cipher_suite::TLS13_AES_256_GCM_SHA384];
        provider.kx_groups = vec![aws_lc_rs::kx_group::X25519];
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone())?;
        let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_root_certificates(roots)
            .with_no_client_auth();
        if !resume {
            config.resumption = Resumption::disabled();
        }
        Ok(Arc::new(config))
    }
}

/// The name in the certificate.
pub(crate) fn server_name() -> Result<ServerName<'static>> {
    Ok(ServerName::try_from("localhost")?)
}
