//! PostgreSQL's own programs for servers newer than this machine's, out of the servers' images.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tokio::sync::Mutex;

/// Prints a tar file of pg_dump with its libraries and their loader.
const PACK: &str = r#"
dump=$(ls /usr/lib/postgresql/*/bin/pg_dump | head -n 1)
tar -chf - "$dump" $(ldd "$dump" | grep -o '/[^ ]*') 2>/dev/null
"#;

/// Unpacks it into one folder, and makes a program of it that needs nothing of this machine.
const UNPACK: &str = r#"
set -e
mkdir -p "$1/bin"
tar -xf - -C "$1" --transform 's|.*/||'
cat > "$1/bin/pg_dump" <<'END'
#!/bin/sh
here=$(dirname "$0")/..
exec "$here"/ld-linux* --library-path "$here" "$here/pg_dump" "$@"
END
chmod 755 "$1/bin/pg_dump"
"$1/bin/pg_dump" --version
"#;

/// Gives a folder with a pg_dump of this major; nothing where neither the machine nor an image has one.
pub(crate) async fn pg_dump_folder(major: u32) -> Option<PathBuf> {
    static FOUND: Mutex<BTreeMap<u32, Option<PathBuf>>> = Mutex::const_new(BTreeMap::new());
    let mut found = FOUND.lock().await;
    if let Some(known) = found.get(&major) {
        return known.clone();
    }
    let installed = PathBuf::from(format!("/usr/lib/postgresql/{major}/bin"));
    let folder = if installed.join("pg_dump").is_file() { Some(installed) } else { from_image(major) };
    found.insert(major, folder.clone());
    folder
}

/// Copies it out of the image, once for all runs of this build.
fn from_image(major: u32) -> Option<PathBuf> {
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("pg_dump-{major}"));
    if kept.join("bin/pg_dump").is_file() {
        return Some(kept.join("bin"));
    }
    let made = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).ok()?;
    let image = format!("postgres:{major}");
    let mut packing = Command::new("docker")
        .args(["run", "--rm", "--network=none", "--pull=never", "--entrypoint=sh", &image, "-c", PACK])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let packed = packing.stdout.take()?;
    let unpacked = Command::new("sh").args(["-c", UNPACK, "unpack"]).arg(made.path()).stdin(packed).output().ok()?;
    let whole = packing.wait().ok()?.success() && unpacked.status.success();
    if !whole {
        return None;
    }
    // Another run may have been faster.
    let _ = std::fs::rename(made.keep(), &kept);
    kept.join("bin/pg_dump").is_file().then(|| kept.join("bin"))
}
