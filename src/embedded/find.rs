//! Finds the PostgreSQL that is installed on this machine.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::error::Error;

/// The oldest major version that will do.
const OLDEST_MAJOR: u32 = 15;

/// The environment variable that names the folder of the programs to use.
const VARIABLE: &str = "PGCLEAVE_PG_BIN";

/// A PostgreSQL.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Found {
    pub(super) major: u32,
    pub(super) bin: PathBuf,
}

/// Finds the programs: in `PGCLEAVE_PG_BIN` and nowhere else where that is set; else the newest of what `pg_config`,
/// Debian's folders and the search path have.
pub(super) fn find() -> Result<Option<Found>, Error> {
    if let Some(folder) = std::env::var_os(VARIABLE).filter(|folder| !folder.is_empty()) {
        let folder = PathBuf::from(folder);
        return match at(&folder) {
            Some(found) => Ok(Some(found)),
            None => Err(Error::BadFolder(folder)),
        };
    }
    Ok(folders().iter().filter_map(|folder| at(folder)).max())
}

/// Takes a folder that has both programs, of a version that will do.
pub(super) fn at(folder: &Path) -> Option<Found> {
    if !folder.join("postgres").is_file() || !folder.join("initdb").is_file() {
        return None;
    }
    let told = Command::new(folder.join("postgres")).arg("--version").stdin(Stdio::null()).output().ok()?;
    let major = major_of(&String::from_utf8_lossy(&told.stdout))?;
    (major >= OLDEST_MAJOR).then(|| Found { major, bin: folder.to_owned() })
}

fn folders() -> Vec<PathBuf> {
    let mut folders = Vec::new();
    if let Ok(told) = Command::new("pg_config").arg("--bindir").stdin(Stdio::null()).output() {
        folders.push(PathBuf::from(String::from_utf8_lossy(&told.stdout).trim()));
    }
    if let Ok(versions) = std::fs::read_dir("/usr/lib/postgresql") {
        folders.extend(versions.flatten().map(|version| version.path().join("bin")));
    }
    if let Some(path) = std::env::var_os("PATH") {
        folders.extend(std::env::split_paths(&path));
    }
    folders.retain(|folder| folder.is_absolute());
    folders
}

/// Reads `postgres (PostgreSQL) 17.2 (Debian …)` or `… 18beta1`.
fn major_of(told: &str) -> Option<u32> {
    let digits: String = told.split_once("(PostgreSQL) ")?.1.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_is_the_first_number_of_the_version() {
        assert_eq!(major_of("postgres (PostgreSQL) 17.2 (Debian 17.2-1)\n"), Some(17));
        assert_eq!(major_of("postgres (PostgreSQL) 18beta1\n"), Some(18));
        assert_eq!(major_of("something else"), None);
    }

    #[test]
    fn a_folder_without_both_programs_is_none() {
        assert_eq!(at(Path::new("/nonexistent")), None);
        assert_eq!(at(&std::env::temp_dir()), None);
    }
}
