//! TLS towards the server, with libpq's parameters.
//!
//! <https://www.postgresql.org/docs/current/libpq-ssl.html>

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme, SupportedProtocolVersion,
};
use secrecy::SecretString;

use super::parameters::Parameters;
use crate::pg::error::Error;

/// `sslmode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::pg) enum Mode {
    Disable,
    Allow,
    Prefer,
    Require,
    VerifyCa,
    VerifyFull,
}

const MODES: &[(&str, Mode)] = &[
    ("disable", Mode::Disable),
    ("allow", Mode::Allow),
    ("prefer", Mode::Prefer),
    ("require", Mode::Require),
    ("verify-ca", Mode::VerifyCa),
    ("verify-full", Mode::VerifyFull),
];

impl Mode {
    /// Returns the name that libpq has for it.
    pub(in crate::pg) fn name(self) -> &'static str {
        MODES.iter().find(|(_, mode)| *mode == self).map_or("", |(name, _)| name)
    }
}

/// Whom a server's certificate has to come from.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Roots {
    /// Anybody: nothing is verified.
    Nobody,
    /// The authorities that the system trusts.
    System,
    /// Those in a file, or in a PEM text.
    Given(String),
}

/// How to speak TLS with a server.
pub(in crate::pg) struct Tls {
    pub(in crate::pg) mode: Mode,
    /// Whether the mode was given, and is not the default.
    pub(in crate::pg) mode_is_given: bool,
    /// The root certificate, where one was given.
    pub(in crate::pg) root_file: Option<String>,
    roots: Roots,
    /// Certificate and key of this client.
    client: Option<(String, String)>,
    revoked: Vec<PathBuf>,
    versions: Vec<&'static SupportedProtocolVersion>,
    sends_name: bool,
    /// Begin with TLS, without asking for it first.
    pub(super) is_direct: bool,
    made: OnceLock<Arc<ClientConfig>>,
}

impl Tls {
    /// Reads the parameters; files are read when the first connection is made.
    pub(super) fn read(parameters: &Parameters) -> Result<Self, Error> {
        let given = parameters.text("sslrootcert").map(str::to_owned);
        let is_system = given.as_deref() == Some("system");
        let default = if is_system { Mode::VerifyFull } else { Mode::Prefer };
        let mode = choice(parameters, "sslmode", MODES, default)?;
        if is_system && mode != Mode::VerifyFull {
            return Err(bad("sslmode", "verify-full, since sslrootcert=system trusts every public authority"));
        }
        let default_root = || home_file("root.crt");
        let roots = match given.clone().filter(|_| !is_system).or_else(|| if is_system { None } else { default_root() })
        {
            Some(file) => Roots::Given(file),
            None if mode >= Mode::VerifyCa => Roots::System,
            None => Roots::Nobody,
        };
        let yes_or_no: &[(&str, bool)] = &[("0", false), ("1", true)];
        let negotiations: &[(&str, bool)] = &[("postgres", false), ("direct", true)];
        let is_direct = choice(parameters, "sslnegotiation", negotiations, false)?;
        if is_direct && mode < Mode::Require {
            return Err(bad("sslnegotiation", "postgres, or direct with sslmode=require or stronger"));
        }
        let revoked = revoked(parameters)?;
        if !revoked.is_empty() && (roots == Roots::Nobody || mode < Mode::Require) {
            return Err(bad(
                "sslmode",
                "verify-full or verify-ca, since sslcrl is checked together with the certificate",
            ));
        }
        Ok(Self {
            mode,
            mode_is_given: parameters.text("sslmode").is_some() || is_system,
            root_file: given,
            roots,
            client: client(parameters)?,
            revoked,
            versions: versions(parameters)?,
            sends_name: choice(parameters, "sslsni", yes_or_no, true)?,
            is_direct,
            made: OnceLock::new(),
        })
    }

    /// Tells whether the server's certificate is verified.
    pub(super) fn verifies(&self) -> bool {
        self.roots != Roots::Nobody
    }

    /// Returns what libpq has to be told where its default differs from ours.
    pub(super) fn environment(&self) -> Option<(&'static str, SecretString)> {
        let system = self.roots == Roots::System && self.mode == Mode::VerifyFull && self.root_file.is_none();
        system.then(|| ("PGSSLROOTCERT", "system".into()))
    }

    /// Returns the configuration; reads its files the first time.
    ///
    /// # Errors
    /// A file cannot be read, or holds something else; in our words.
    pub(super) fn config(&self) -> Result<Arc<ClientConfig>, String> {
        if let Some(config) = self.made.get() {
            return Ok(Arc::clone(config));
        }
        let config = Arc::new(self.make()?);
        Ok(Arc::clone(self.made.get_or_init(|| config)))
    }

    fn make(&self) -> Result<ClientConfig, String> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&self.versions)
            .map_err(|error| error.to_string())?;
        let verifier: Arc<dyn ServerCertVerifier> = match self.verifier(&provider)? {
            Some(verifier) => Arc::new(Verified { verifier, checks_name: self.mode == Mode::VerifyFull }),
            None => Arc::new(Unverified { provider }),
        };
        let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
        let mut config = match &self.client {
            Some((certificate, key)) => {
                let chain = certificates("sslcert", certificate)?;
                let unreadable = |error| format!("sslkey: no private key without a password: {error}");
                let key = PrivateKeyDer::from_pem_slice(&read("sslkey", key)?).map_err(unreadable)?;
                builder.with_client_auth_cert(chain, key).map_err(|error| format!("sslcert and sslkey: {error}"))?
            }
            None => builder.with_no_client_auth(),
        };
        config.enable_sni = self.sends_name;
        if self.is_direct {
            config.alpn_protocols = vec![b"postgresql".to_vec()];
        }
        Ok(config)
    }

    fn verifier(&self, provider: &Arc<CryptoProvider>) -> Result<Option<Arc<WebPkiServerVerifier>>, String> {
        let mut store = RootCertStore::empty();
        match &self.roots {
            Roots::Nobody => return Ok(None),
            Roots::System => {
                // a broken certificate among the system's is not ours to complain about; none at all is
                store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
                if store.is_empty() {
                    return Err("the system has no certificates of authorities: give sslrootcert".to_owned());
                }
            }
            Roots::Given(file) => {
                for certificate in certificates("sslrootcert", file)? {
                    store.add(certificate).map_err(|error| format!("sslrootcert: {}", told(&error)))?;
                }
            }
        }
        let mut lists = Vec::new();
        for path in &self.revoked {
            let name = path.to_string_lossy();
            for list in CertificateRevocationListDer::pem_slice_iter(&read("sslcrl", &name)?) {
                lists.push(list.map_err(|error| format!("sslcrl: {name}: {error}"))?);
            }
        }
        if !self.revoked.is_empty() && lists.is_empty() {
            return Err("sslcrl: no list of revoked certificates in it".to_owned());
        }
        let builder = WebPkiServerVerifier::builder_with_provider(Arc::new(store), Arc::clone(provider));
        let builder = if lists.is_empty() { builder } else { builder.with_crls(lists).enforce_revocation_expiration() };
        builder.build().map(Some).map_err(|error| error.to_string())
    }
}

/// Says what was wrong with TLS in words that name the way out.
pub(super) fn told(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidCertificate(CertificateError::Other(other))
            if other.to_string().contains("UnsupportedCertVersion") =>
        {
            "an X.509 certificate of version 1 cannot be verified; make one of version 3".to_owned()
        }
        error => error.to_string(),
    }
}

fn bad(name: &str, expected: &str) -> Error {
    Error::BadParameter { name: name.to_owned(), expected: expected.to_owned() }
}

/// Reads a value that is one of a few.
fn choice<T: Copy>(parameters: &Parameters, name: &'static str, choices: &[(&str, T)], default: T) -> Result<T, Error> {
    let Some(text) = parameters.text(name) else { return Ok(default) };
    let names = || choices.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    let found = choices.iter().find(|(known, _)| *known == text);
    found.map(|(_, choice)| *choice).ok_or_else(|| bad(name, &format!("one of {}", names())))
}

/// Returns the files of revoked certificates.
fn revoked(parameters: &Parameters) -> Result<Vec<PathBuf>, Error> {
    let mut files: Vec<PathBuf> = parameters.text("sslcrl").map(PathBuf::from).into_iter().collect();
    if let Some(folder) = parameters.text("sslcrldir") {
        let entries = std::fs::read_dir(folder).map_err(|_| bad("sslcrldir", "a folder that can be read"))?;
        let before = files.len();
        files.extend(entries.flatten().map(|entry| entry.path()).filter(|path| path.is_file()));
        files[before..].sort();
        if files.len() == before {
            return Err(bad("sslcrldir", "a folder with lists of revoked certificates"));
        }
    }
    Ok(files)
}

/// Returns this client's certificate and key, where it has both.
fn client(parameters: &Parameters) -> Result<Option<(String, String)>, Error> {
    let modes: &[(&str, bool)] = &[("disable", false), ("allow", true)];
    if !choice(parameters, "sslcertmode", modes, true)? {
        return Ok(None);
    }
    let given = |name| parameters.text(name).map(str::to_owned);
    let (certificate, key) = (given("sslcert"), given("sslkey"));
    match (certificate.is_some(), key.is_some()) {
        (false, true) => return Err(bad("sslcert", "the certificate of the key that sslkey names")),
        (true, false) if home_file("postgresql.key").is_none() => {
            return Err(bad("sslkey", "the key of the certificate that sslcert names"));
        }
        _ => {}
    }
    let certificate = certificate.or_else(|| home_file("postgresql.crt"));
    Ok(certificate.zip(key.or_else(|| home_file("postgresql.key"))))
}

fn versions(parameters: &Parameters) -> Result<Vec<&'static SupportedProtocolVersion>, Error> {
    let names: &[(&str, u8)] = &[("TLSv1", 0), ("TLSv1.1", 1), ("TLSv1.2", 2), ("TLSv1.3", 3)];
    let least = choice(parameters, "ssl_min_protocol_version", names, 2)?;
    let most = choice(parameters, "ssl_max_protocol_version", names, 3)?;
    if most < least.max(2) {
        return Err(bad("ssl_max_protocol_version", "TLSv1.2 or TLSv1.3, and not below ssl_min_protocol_version"));
    }
    let all = [(2, &rustls::version::TLS12), (3, &rustls::version::TLS13)];
    Ok(all.into_iter().filter(|(version, _)| (least..=most).contains(version)).map(|(_, version)| version).collect())
}

/// Returns one of the files that libpq looks for, where it is there.
fn home_file(name: &str) -> Option<String> {
    let path = std::env::home_dir()?.join(".postgresql").join(name);
    path.exists().then(|| path.to_string_lossy().into_owned())
}

/// Reads a file, or takes a text that is PEM itself.
fn read(parameter: &str, file: &str) -> Result<Vec<u8>, String> {
    if file.trim_start().starts_with("-----BEGIN") {
        return Ok(file.as_bytes().to_vec());
    }
    std::fs::read(file).map_err(|error| format!("{parameter}: {file}: {error}"))
}

fn certificates(parameter: &str, file: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let text = read(parameter, file)?;
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match all {
        Ok(all) if !all.is_empty() => Ok(all),
        Ok(_) => Err(format!("{parameter}: no certificate in it")),
        Err(error) => Err(format!("{parameter}: {error}")),
    }
}

/// Verifies where a certificate comes from, and its name if that is asked for.
#[derive(Debug)]
struct Verified {
    verifier: Arc<WebPkiServerVerifier>,
    checks_name: bool,
}

impl ServerCertVerifier for Verified {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match self.verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            // the name is looked at last, when all else has been found good
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if !self.checks_name => Ok(ServerCertVerified::assertion()),
            answer => answer,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}

/// Takes any certificate, as libpq does where nothing is to be verified: self-signed ones of X.509 version 1 too, which
/// cannot even be read here. Whoever is in the way could show a certificate of his own, so that the signature made with
/// its key would prove nothing either.
#[derive(Debug)]
struct Unverified {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
