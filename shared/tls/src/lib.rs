//! The certificate authorities that TLS clients trust: the machine's.
//!
//! They are loaded when a client first needs them, and kept for the life of the process. A process that has used up its
//! file descriptors at that moment finds none, or only some of them. A client with such a set could not connect for as
//! long as it lives; so this is an [error](RootsError), nothing is kept, and the next client tries again.

use std::{io, sync::Arc, sync::OnceLock};

use base64::{Engine, engine::general_purpose::STANDARD};
use rustls::{ClientConfig, RootCertStore, pki_types::CertificateDer};
use rustls_native_certs::{CertificateResult, ErrorKind};

/// The machine's certificate authorities. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct Roots(Arc<Loaded>);

#[derive(Debug)]
struct Loaded {
    store: Arc<RootCertStore>,
    certificates: Vec<CertificateDer<'static>>,
}

/// The machine's certificate authorities could not be loaded. The next call tries again.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum RootsError {
    /// The process has no file descriptor left to read them with.
    #[error(
        "the machine's certificate authorities could not be read, since too many files are open ({0}); run fewer jobs at a time"
    )]
    TooManyFiles(String),
    /// The machine has none.
    #[error(
        "this machine has no certificate authorities{0}; install ca-certificates, or set SSL_CERT_FILE to a file of them"
    )]
    None(String),
}

impl Roots {
    /// The authorities of this machine, in the places where OpenSSL looks for them, or where `SSL_CERT_FILE` and
    /// `SSL_CERT_DIR` say. The first call that succeeds decides for the life of the process.
    ///
    /// # Errors
    /// When there are none, or when some could not be read because no file descriptor was left.
    pub fn of_machine() -> Result<Self, RootsError> {
        static ROOTS: OnceLock<Roots> = OnceLock::new();
        match ROOTS.get() {
            Some(roots) => Ok(roots.clone()),
            // Two concurrent calls may both load them: that happens once, and is better than waiting for a lock in
            // async code.
            None => {
                Self::load(rustls_native_certs::load_native_certs()).map(|roots| ROOTS.get_or_init(|| roots).clone())
            }
        }
    }

    fn load(found: CertificateResult) -> Result<Self, RootsError> {
        let CertificateResult { certs, errors, .. } = found;
        if let Some(error) = errors.iter().find(|error| is_out_of_descriptors(&error.kind)) {
            return Err(RootsError::TooManyFiles(error.to_string()));
        }
        let mut store = RootCertStore::empty();
        // Certificates that this TLS stack cannot parse, it could not trust either.
        let certificates: Vec<_> = certs.into_iter().filter(|der| store.add(der.clone()).is_ok()).collect();
        if certificates.is_empty() {
            let why = errors.first().map(|error| format!(" ({error})")).unwrap_or_default();
            return Err(RootsError::None(why));
        }
        if let Some(error) = errors.first() {
            tracing::debug!(%error, errors = errors.len(), "some certificate authorities could not be read");
        }
        Ok(Self(Arc::new(Loaded { store: Arc::new(store), certificates })))
    }

    /// A configuration for clients that trust them: ring's algorithms, TLS 1.2 and 1.3, no certificate of the client's.
    ///
    /// # Errors
    /// Never with the versions and algorithms that are compiled in here.
    pub fn client_config(&self) -> Result<ClientConfig, rustls::Error> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        Ok(ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(self.0.store.clone())
            .with_no_client_auth())
    }

    /// All of them as PEM, for libraries that accept no other form.
    #[must_use]
    pub fn to_pem(&self) -> Vec<u8> {
        let bytes = self.0.certificates.iter().map(|der| der.len() * 4 / 3 + 64).sum();
        let mut pem = String::with_capacity(bytes);
        for der in &self.0.certificates {
            pem.push_str("-----BEGIN CERTIFICATE-----\n");
            STANDARD.encode_string(der, &mut pem);
            pem.push_str("\n-----END CERTIFICATE-----\n");
        }
        pem.into_bytes()
    }
}

/// Returns whether a read failed because no file descriptor was left, in this process or on the whole machine.
fn is_out_of_descriptors(kind: &ErrorKind) -> bool {
    // EMFILE and ENFILE have the same numbers on Linux, macOS and the BSDs. Elsewhere authorities are not files.
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    let is = |error: &io::Error| cfg!(unix) && matches!(error.raw_os_error(), Some(ENFILE | EMFILE));
    matches!(kind, ErrorKind::Io { inner, .. } if is(inner))
}

/// The code in the README is compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
