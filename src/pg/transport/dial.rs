//! Reaches a server: by TCP or by its socket, with TLS or without.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use super::settings::{Host, Keepalive, Settings};
use super::tls::{self, Mode};

/// A connection to a server, encrypted or not.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// Where a server was reached.
#[derive(Debug, Clone)]
pub(super) enum Peer {
    Address(SocketAddr),
    /// A path; an abstract name begins with NUL.
    Socket(String),
}

impl Peer {
    /// Tells whether it is on this machine, so that nobody can be in the way.
    pub(super) fn is_local(&self) -> bool {
        match self {
            Self::Socket(_) => true,
            Self::Address(address) => address.ip().to_canonical().is_loopback(),
        }
    }
}

/// A server that was reached.
pub(super) struct Line {
    pub(super) stream: Box<dyn Duplex>,
    pub(super) peer: Peer,
    /// Whether it is encrypted.
    pub(super) encrypted: bool,
}

/// Whether TLS is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encryption {
    No,
    /// Where the server has it.
    IfOffered,
    Yes,
}

/// Why a server was not reached.
#[derive(Debug)]
pub(super) enum Failure {
    /// The system, or the way to the server.
    Io(io::Error),
    /// TLS was refused, or the certificate was not good.
    Tls(String),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        match inner {
            Some(error) => Self::Tls(tls::told(error)),
            None => Self::Io(error),
        }
    }
}

/// The request for TLS: its length, and a number that is no protocol version.
const TLS_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

/// Returns the places of a host.
pub(super) async fn places(host: &Host) -> io::Result<Vec<Peer>> {
    if let Some(address) = host.address {
        return Ok(vec![Peer::Address(SocketAddr::new(address, host.port))]);
    }
    if host.is_socket() {
        let folder = host.name.strip_prefix('@').map_or_else(|| host.name.clone(), |name| format!("\0{name}"));
        return Ok(vec![Peer::Socket(format!("{folder}/.s.PGSQL.{}", host.port))]);
    }
    let found: Vec<_> = tokio::net::lookup_host((host.name.as_str(), host.port)).await?.map(Peer::Address).collect();
    if found.is_empty() { Err(io::Error::new(io::ErrorKind::NotFound, "the host has no address")) } else { Ok(found) }
}

/// Connects to one place.
pub(super) async fn reach(
    settings: &Settings,
    host: &Host,
    peer: Peer,
    encryption: Encryption,
) -> Result<Line, Failure> {
    let stream: Box<dyn Duplex> = match &peer {
        Peer::Socket(path) => {
            return Ok(Line { stream: Box::new(UnixStream::connect(path).await?), peer, encrypted: false });
        }
        Peer::Address(address) => {
            let stream = TcpStream::connect(address).await?;
            // Small messages leave at once: else each COPY ends with the server's delayed acknowledgement, 40 ms.
            stream.set_nodelay(true)?;
            watch(&stream, settings.keepalive);
            Box::new(stream)
        }
    };
    encrypt(settings, host, stream, encryption).await.map(|(stream, encrypted)| Line { stream, peer, encrypted })
}

/// Asks for TLS, and begins it.
async fn encrypt(
    settings: &Settings,
    host: &Host,
    mut stream: Box<dyn Duplex>,
    encryption: Encryption,
) -> Result<(Box<dyn Duplex>, bool), Failure> {
    if encryption == Encryption::No {
        return Ok((stream, false));
    }
    // before anything is sent: what is wrong with our own files is not the server's fault
    let config = settings.tls.config().map_err(Failure::Tls)?;
    if !settings.tls.is_direct && !offers_tls(&mut stream).await? {
        return match encryption {
            Encryption::Yes => Err(Failure::Tls("the server does not offer TLS".to_owned())),
            _ => Ok((stream, false)),
        };
    }
    let name = match ServerName::try_from(host.name.clone()) {
        Ok(name) => name,
        // where the name is not verified it may be any
        Err(_) if settings.tls.mode != Mode::VerifyFull => std::net::IpAddr::from([0, 0, 0, 0]).into(),
        Err(_) => return Err(Failure::Tls("the host's name cannot stand in a certificate".to_owned())),
    };
    let stream = TlsConnector::from(Arc::clone(&config)).connect(name, stream).await?;
    if settings.tls.is_direct && stream.get_ref().1.alpn_protocol() != Some(b"postgresql".as_slice()) {
        return Err(Failure::Tls("the server does not take a direct TLS connection".to_owned()));
    }
    Ok((Box::new(stream), true))
}

/// Asks whether the server has TLS. Exactly one byte is read: what somebody slipped in behind it would come before TLS.
async fn offers_tls(stream: &mut Box<dyn Duplex>) -> io::Result<bool> {
    stream.write_all(&TLS_REQUEST).await?;
    stream.flush().await?;
    match stream.read_u8().await? {
        b'S' => Ok(true),
        b'N' => Ok(false),
        _ => Err(io::Error::new(io::ErrorKind::InvalidData, "what answers there is no PostgreSQL server")),
    }
}

/// Tells whether anything answers at a place: connects, and waits for one byte. Where TLS is offered it is begun, since a
/// server notes in its log when a client leaves before.
pub(super) async fn answers(settings: &Settings, host: &Host, peer: &Peer) -> io::Result<()> {
    let mut stream: Box<dyn Duplex> = match peer {
        Peer::Socket(path) => Box::new(UnixStream::connect(path).await?),
        Peer::Address(address) => Box::new(TcpStream::connect(address).await?),
    };
    if offers_tls(&mut stream).await?
        && let (Ok(config), Ok(name)) = (settings.tls.config(), ServerName::try_from(host.name.clone()))
    {
        let _ = TlsConnector::from(config).connect(name, stream).await;
    }
    Ok(())
}

/// Lets the system notice that nobody is there any more; where it cannot, it does not.
fn watch(stream: &TcpStream, keepalive: Keepalive) {
    use std::time::Duration;

    use rustix::net::sockopt;

    let Keepalive { on, idle_seconds, interval_seconds, count, unacknowledged_millis } = keepalive;
    let _ = sockopt::set_socket_keepalive(stream, on);
    if on {
        let _ = sockopt::set_tcp_keepidle(stream, Duration::from_secs(idle_seconds.into()));
        let _ = sockopt::set_tcp_keepintvl(stream, Duration::from_secs(interval_seconds.into()));
        let _ = sockopt::set_tcp_keepcnt(stream, count);
    }
    #[cfg(target_os = "linux")]
    let _ = sockopt::set_tcp_user_timeout(stream, unacknowledged_millis);
    #[cfg(not(target_os = "linux"))]
    let _ = unacknowledged_millis;
}
