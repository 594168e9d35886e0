//! TLS: what a server shows of itself, and why a handshake comes to nothing.

use std::error::Error;
use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, SignatureScheme};
use rustls_platform_verifier::Verifier;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use x509_cert::der::Decode;

use super::{Settings, TIMEOUT};
use crate::diagnosis::{Diagnosis, Trouble};

/// What is trusted beside the system's authorities, and who this side is.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// PEM of further authorities.
    pub ca_file: Option<PathBuf>,
    /// PEM of certificate and key to show.
    pub client_identity: Option<(PathBuf, PathBuf)>,
}

/// What a certificate says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// Whom it is for.
    pub subject: String,
    /// Who vouches for that.
    pub issuer: String,
    /// Until when.
    pub not_after: Timestamp,
}

/// What came of a handshake.
#[derive(Debug)]
pub struct Seen {
    /// What the server shows, also where it is not trusted.
    pub certificate: Option<Certificate>,
    /// Why the relay would not go on.
    pub fault: Option<Fault>,
}

/// Why TLS with a server comes to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The other side speaks something else.
    NotTls,
    /// The connection ended in the middle.
    Cut,
    /// The certificate ended then.
    Expired(Option<Timestamp>),
    /// The certificate begins later.
    NotYetValid,
    /// The certificate is for these others.
    OtherName(Vec<String>),
    /// Nobody who is trusted vouches for it.
    Untrusted,
    /// The server wants a certificate of this side, or takes another.
    ClientCertificate,
    /// The files of the settings hold nothing that can be used.
    Files(String),
    /// Anything else.
    Other(String),
}

impl Certificate {
    /// Reads a certificate as a server sends it; `None` if it is none.
    pub fn read(der: &[u8]) -> Option<Self> {
        let certificate = x509_cert::Certificate::from_der(der).ok()?.tbs_certificate;
        let not_after = certificate.validity.not_after.to_unix_duration().as_secs();
        Some(Self {
            subject: certificate.subject.to_string(),
            issuer: certificate.issuer.to_string(),
            not_after: Timestamp::from_second(i64::try_from(not_after).ok()?).ok()?,
        })
    }

    /// How many whole days it is valid yet; less than none if it has expired.
    pub fn days_left(&self) -> i64 {
        self.not_after.duration_since(Timestamp::now()).as_hours().div_euclid(24)
    }
}

impl fmt::Display for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} issued by {}, {} days left", self.subject, self.issuer, self.days_left())
    }
}

/// Shakes hands with `host` over `stream` as the relay's clients do, and goes no further.
pub async fn look(stream: TcpStream, host: &str, trust: &Trust) -> Seen {
    let shown = Arc::default();
    let config = match config(trust, &shown) {
        Ok(config) => config,
        Err(why) => return Seen { certificate: None, fault: Some(Fault::Files(why)) },
    };
    let Ok(name) = ServerName::try_from(host.trim_start_matches('[').trim_end_matches(']').to_owned()) else {
        return Seen { certificate: None, fault: Some(Fault::Other(format!("{host} is not a name for TLS"))) };
    };
    let handshake = TlsConnector::from(Arc::new(config)).connect(name, stream);
    let fault = match tokio::time::timeout(TIMEOUT, handshake).await {
        Ok(Ok(_)) => None,
        Ok(Err(error)) => Some(Fault::find(&error).unwrap_or_else(|| match error.kind() {
            ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => Fault::Cut,
            _ => Fault::Other(error.to_string()),
        })),
        Err(_) => Some(Fault::Other(format!("the handshake did not end in {TIMEOUT:?}"))),
    };
    let certificate = shown.lock().unwrap_or_else(PoisonError::into_inner).take();
    Seen { certificate, fault }
}

impl Fault {
    /// The fault of TLS within `error`, if it is one.
    pub fn find(error: &(dyn Error + 'static)) -> Option<Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(fault) = error.downcast_ref::<rustls::Error>() {
                return Some(Self::of(fault));
            }
            // An I/O error hides what it carries from `source`.
            let carried = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
            next = match carried {
                Some(carried) => Some(carried),
                None => error.source(),
            };
        }
        None
    }

    fn of(error: &rustls::Error) -> Self {
        let time = |time: &UnixTime| i64::try_from(time.as_secs()).ok().and_then(|at| Timestamp::from_second(at).ok());
        match error {
            rustls::Error::InvalidMessage(_) => Self::NotTls,
            rustls::Error::InvalidCertificate(certificate) => match certificate {
                CertificateError::Expired => Self::Expired(None),
                CertificateError::ExpiredContext { not_after, .. } => Self::Expired(time(not_after)),
                CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => Self::NotYetValid,
                CertificateError::NotValidForName => Self::OtherName(Vec::new()),
                CertificateError::NotValidForNameContext { presented, .. } => Self::OtherName(presented.clone()),
                CertificateError::UnknownIssuer | CertificateError::BadSignature => Self::Untrusted,
                // webpki says so of a certificate that vouches for itself.
                CertificateError::Other(other) if other.to_string().contains("CaUsedAsEndEntity") => Self::Untrusted,
                other => Self::Other(other.to_string()),
            },
            rustls::Error::AlertReceived(
                AlertDescription::CertificateRequired
                | AlertDescription::UnknownCA
                | AlertDescription::BadCertificate
                | AlertDescription::CertificateUnknown,
            ) => Self::ClientCertificate,
            other => Self::Other(other.to_string()),
        }
    }

    /// The fault in words, with what mends it; `what` was being done, and failed.
    pub fn diagnosis(&self, what: String, shown: Option<&Certificate>, settings: &Settings) -> Diagnosis {
        let Settings { url, ca_file, client_certificate, schemes: [tls, plain] } = settings;
        let trouble = match self {
            Self::NotTls | Self::Cut => Trouble::ServerUnreachable,
            _ => Trouble::Certificate,
        };
        let cure = match self {
            Self::Cut => {
                format!("Write {plain} in {url} if it speaks no TLS there, and check proxies and firewalls in between")
            }
            Self::NotTls => format!("Write {plain} in {url}, or the port that speaks {tls}"),
            Self::Expired(_) => "Renew the server's certificate".to_owned(),
            Self::NotYetValid => "Check the clocks of this machine and of the server".to_owned(),
            Self::OtherName(_) => {
                format!("Write a name in {url} that the certificate has, or get the server one for this name")
            }
            Self::Untrusted => format!(
                "Put the authority that issued it, as PEM, into the file that {ca_file} names, and let the server send \
                 the whole chain"
            ),
            Self::ClientCertificate => match client_certificate {
                Some(variable) => {
                    format!("Set {variable} to a certificate that the server trusts, or let it ask for none")
                }
                None => "Let the server ask for no certificate".to_owned(),
            },
            Self::Files(_) => "Mend the setting".to_owned(),
            Self::Other(_) => format!("Check the server's certificate and TLS, and {ca_file}"),
        };
        Diagnosis::of(trouble, what, self.why(shown), cure)
    }

    fn why(&self, shown: Option<&Certificate>) -> String {
        match self {
            Self::NotTls => "what listens there does not speak TLS".to_owned(),
            Self::Cut => "it ended the connection instead: what listens there perhaps does not speak TLS".to_owned(),
            Self::Expired(Some(when)) => format!("its certificate expired on {}", when.strftime("%Y-%m-%d")),
            Self::Expired(None) => "its certificate has expired".to_owned(),
            Self::NotYetValid => "its certificate is not valid yet".to_owned(),
            Self::OtherName(names) if names.is_empty() => "its certificate is for another name".to_owned(),
            Self::OtherName(names) => format!("its certificate is for {}", names.join(", ")),
            Self::Untrusted => match shown {
                Some(shown) => format!("its certificate is issued by {}, which is not trusted", shown.issuer),
                None => "its certificate is issued by nobody who is trusted".to_owned(),
            },
            Self::ClientCertificate => "the server does not take this side's certificate, or wants one".to_owned(),
            Self::Files(why) | Self::Other(why) => why.clone(),
        }
    }
}

/// The certificate that a server shows, once it has.
type Shown = Arc<Mutex<Option<Certificate>>>;

/// How the relay's clients verify: by the system's authorities and those of `trust`.
fn config(trust: &Trust, shown: &Shown) -> Result<ClientConfig, String> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let roots = trust.ca_file.as_deref().map_or(Ok(Vec::new()), certificates)?;
    let verifier = Verifier::new_with_extra_roots(roots, Arc::clone(&provider)).map_err(|error| error.to_string())?;
    let verifier = Recorder { verifier, shown: Arc::clone(shown) };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    match &trust.client_identity {
        None => Ok(builder.with_no_client_auth()),
        Some((certificate, key)) => {
            let unusable = |error: &dyn fmt::Display| format!("{}: {error}", key.display());
            let read = PrivateKeyDer::from_pem_file(key).map_err(|error| unusable(&error))?;
            builder.with_client_auth_cert(certificates(certificate)?, read).map_err(|error| unusable(&error))
        }
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match read {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) => Err(format!("{} holds no PEM certificate", path.display())),
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}

/// Judges as the platform's verifier does, and keeps what it was shown.
#[derive(Debug)]
struct Recorder {
    verifier: Verifier,
    shown: Shown,
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = Certificate::read(end_entity);
        self.verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}
