//! A PgBouncer in front of a database.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use sqlx::{Connection as _, PgConnection};

/// It serves the database as `bench`; it ends with the value.
pub(crate) struct Bouncer {
    child: Child,
    pub(crate) ini: PathBuf,
    port: u16,
}

impl Bouncer {
    /// Starts it in front of a database; nothing where there is no PgBouncer.
    pub(crate) async fn start(folder: &Path, url: &str) -> Option<Self> {
        let (login, place) = url.strip_prefix("postgresql://")?.rsplit_once('@')?;
        let (user, password) = login.split_once(':')?;
        let (host, database) = place.split_once('/')?;
        let (host, port) = host.split_once(':')?;
        let own = std::net::TcpListener::bind(("127.0.0.1", 0)).ok()?.local_addr().ok()?.port();
        let ini = folder.join("pgbouncer.ini");
        let text = format!(
            "[databases]\nbench = host={host} port={port} dbname={database} user={user} password={password}\n\n\
             [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {own}\nunix_socket_dir =\nauth_type = any\n\
             admin_users = admin\npool_mode = transaction\ndefault_pool_size = 20\nignore_startup_parameters = extra_float_digits\n"
        );
        std::fs::write(&ini, text).ok()?;
        let mut command = Command::new("pgbouncer");
        if rustix::process::geteuid().is_root() {
            // It refuses to run as root.
            let mode = |path: &Path, mode| {
                use std::os::unix::fs::PermissionsExt as _;
                let _ = std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode));
            };
            mode(folder, 0o755);
            mode(&ini, 0o644);
            command.args(["--user", "nobody"]);
        }
        let child = command.arg(&ini).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok()?;
        let this = Self { child, ini, port: own };
        for _ in 0..100 {
            if PgConnection::connect(&this.url()).await.is_ok() {
                return Some(this);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        None
    }

    pub(crate) fn url(&self) -> String {
        format!("postgresql://any@127.0.0.1:{}/bench", self.port)
    }

    pub(crate) fn console(&self) -> String {
        format!("postgresql://admin@127.0.0.1:{}/pgbouncer", self.port)
    }
}

impl Drop for Bouncer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
