//! Certificates made for one test, and a TLS client that trusts them and tells what was agreed.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion};
use rustls_pki_types::{CertificateDer, ServerName};

use super::scratch::Scratch;
use super::wait::PATIENCE;

/// The name on every certificate.
pub const NAME: &str = "gateway.test";

/// A certificate that signs itself, with its key.
pub struct Certificate {
    certified: rcgen::CertifiedKey<rcgen::KeyPair>,
}

impl Certificate {
    /// Makes one.
    #[expect(clippy::new_without_default, reason = "each one is another")]
    pub fn new() -> Self {
        let names = [NAME, "localhost", "127.0.0.1"].map(str::to_owned);
        Self { certified: rcgen::generate_simple_self_signed(names).unwrap() }
    }

    /// Writes `cert.pem` and `key.pem`.
    pub fn write(&self, folder: &Scratch) {
        // The key first: for a moment it does not belong to the certificate that stands there.
        folder.write("key.pem", &self.certified.signing_key.serialize_pem());
        folder.write("cert.pem", &self.certified.cert.pem());
    }

    /// The certificate as PEM.
    pub fn pem(&self) -> String {
        self.certified.cert.pem()
    }

    /// The key as PEM.
    pub fn key_pem(&self) -> String {
        self.certified.signing_key.serialize_pem()
    }

    /// The certificate as it stands on the wire.
    pub fn der(&self) -> CertificateDer<'static> {
        self.certified.cert.der().clone()
    }

    /// A client that trusts this certificate alone and offers these protocols.
    pub fn client(&self, versions: &[&'static SupportedProtocolVersion], alpn: &[&str]) -> TlsClient {
        let mut roots = RootCertStore::empty();
        roots.add(self.der()).unwrap();
        let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        TlsClient { config: Arc::new(config) }
    }
}

/// What a client of TLS brings.
#[derive(Clone)]
pub struct TlsClient {
    config: Arc<ClientConfig>,
}

/// A connection over TLS.
pub type TlsStream = StreamOwned<ClientConnection, TcpStream>;

impl TlsClient {
    /// Connects and ends the handshake; the error is the server's refusal.
    pub fn connect(&self, address: SocketAddr) -> std::io::Result<TlsStream> {
        self.over(TcpStream::connect(address)?, b"")
    }

    /// The same over a connection that exists; `before` goes out in one packet with the first of the handshake.
    pub fn over(&self, stream: TcpStream, before: &[u8]) -> std::io::Result<TlsStream> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let name = ServerName::try_from(NAME).unwrap();
        let mut connection = ClientConnection::new(Arc::clone(&self.config), name).unwrap();
        let mut first = before.to_vec();
        connection.write_tls(&mut first)?;
        let mut stream = stream;
        stream.write_all(&first)?;
        connection.complete_io(&mut stream)?;
        Ok(StreamOwned::new(connection, stream))
    }
}

/// Sends a request over TLS that ends its connection; the answer as text.
pub fn over_tls(stream: &mut TlsStream, request: &str) -> String {
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap_or_else(|error| panic!("no orderly end: {error}"));
    String::from_utf8(answer).unwrap()
}
