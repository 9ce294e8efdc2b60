//! TLS for servers on this machine.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer},
    },
};

/// Why no certificate was created.
type Error = Box<dyn std::error::Error + Send + Sync>;

/// A certificate authority of a test's own.
#[derive(Debug)]
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    /// Creates one.
    ///
    /// # Errors
    /// When no key can be generated.
    pub fn new() -> Result<Self, Error> {
        let mut parameters = CertificateParams::default();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Ok(Self(CertifiedIssuer::self_signed(parameters, KeyPair::generate()?)?))
    }

    /// Returns its certificate as PEM, which clients have to trust.
    #[must_use]
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// Returns the TLS side of a server with a certificate for `localhost` that this authority signed.
    ///
    /// # Errors
    /// When no key can be generated.
    pub fn acceptor(&self) -> Result<TlsAcceptor, Error> {
        let key = KeyPair::generate()?;
        let certificate = CertificateParams::new(vec!["localhost".to_owned()])?.signed_by(&key, &self.0)?;
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![CertificateDer::from(certificate)], PrivateKeyDer::try_from(key.serialize_der())?)?;
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}
