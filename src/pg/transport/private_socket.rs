//! A socket between the driver and the relay, both in this process.
//!
//! The driver connects to sockets by their paths only. On Linux the path is an abstract name, which needs no folder that
//! can be written to; elsewhere it is in a folder that only this user can enter. Whoever else connects is turned away.

use std::io;

use tokio::net::{UnixListener, UnixStream};

/// A socket that the driver is about to connect to.
pub(super) struct PrivateSocket {
    listener: UnixListener,
    /// What stands before `/.s.PGSQL.<port>` in the socket's path.
    pub(super) folder: String,
    #[cfg(not(target_os = "linux"))]
    _folder: tempfile::TempDir,
}

impl PrivateSocket {
    /// Listens.
    #[cfg(target_os = "linux")]
    pub(super) fn listen(port: u16) -> io::Result<Self> {
        use std::fmt::Write as _;

        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|error| io::Error::other(error.to_string()))?;
        let mut folder = "\0pgcleave-".to_owned();
        for byte in random {
            let _ = write!(folder, "{byte:02x}");
        }
        Ok(Self { listener: UnixListener::bind(format!("{folder}/.s.PGSQL.{port}"))?, folder })
    }

    /// Listens.
    #[cfg(not(target_os = "linux"))]
    pub(super) fn listen(port: u16) -> io::Result<Self> {
        use std::os::unix::fs::PermissionsExt as _;

        let private = std::fs::Permissions::from_mode(0o700);
        let made = tempfile::Builder::new().prefix("pgcleave-").permissions(private).tempdir()?;
        let folder = made.path().to_string_lossy().into_owned();
        Ok(Self { listener: UnixListener::bind(format!("{folder}/.s.PGSQL.{port}"))?, folder, _folder: made })
    }

    /// Waits for the driver, and takes nobody else.
    pub(super) async fn accept(self) -> io::Result<UnixStream> {
        let own = i32::try_from(std::process::id()).map_err(io::Error::other)?;
        loop {
            let (stream, _) = self.listener.accept().await?;
            if stream.peer_cred()?.pid().is_none_or(|pid| pid == own) {
                return Ok(stream);
            }
        }
    }
}
