//! The account that the server runs as: never root, which PostgreSQL refuses.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use super::error::Error;

/// The account: our own, or another when we are root.
#[derive(Debug, Clone, Copy)]
pub(super) struct Account(Option<(u32, u32)>);

impl Account {
    /// Chooses our own account; for root that of postgres, else nobody's.
    pub(super) fn choose() -> Result<Self, Error> {
        if !rustix::process::geteuid().is_root() {
            return Ok(Self(None));
        }
        let file = Path::new("/etc/passwd");
        let accounts = fs::read_to_string(file).map_err(|e| Error::file("read", file, &e))?;
        ids(&accounts, "postgres")
            .or_else(|| ids(&accounts, "nobody"))
            .map(|ids| Self(Some(ids)))
            .ok_or(Error::NoAccount)
    }

    /// Hands a file or folder over.
    pub(super) fn give(self, path: &Path) -> Result<(), Error> {
        let Some((user, group)) = self.0 else { return Ok(()) };
        std::os::unix::fs::chown(path, Some(user), Some(group)).map_err(|e| Error::file("hand over", path, &e))
    }

    /// Writes a file that only the account (and root) can read.
    pub(super) fn write_private(self, path: &Path, text: &str) -> Result<(), Error> {
        let failed = |e: &std::io::Error| Error::file("write", path, e);
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(path)
            .map_err(|e| failed(&e))?;
        file.write_all(text.as_bytes()).map_err(|e| failed(&e))?;
        self.give(path)
    }

    /// Prepares a program that runs as the account, in a folder that it can enter, without the caller's `PG…` variables.
    pub(super) fn command(self, program: &Path, folder: &Path) -> Command {
        let mut command = Command::new(program);
        if let Some((user, group)) = self.0 {
            command.uid(user).gid(group);
        }
        command.current_dir(folder).stdin(Stdio::null()).env("LC_ALL", "C");
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PG")) {
            command.env_remove(name);
        }
        command
    }
}

/// Finds an account's user and group in the text of /etc/passwd.
fn ids(accounts: &str, name: &str) -> Option<(u32, u32)> {
    let mut fields = accounts.lines().find(|line| line.split(':').next() == Some(name))?.split(':').skip(2);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_group_are_the_third_and_fourth_field() {
        let accounts = "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65533:nobody:/:/bin/false\n";
        assert_eq!(ids(accounts, "nobody"), Some((65534, 65533)));
        assert_eq!(ids(accounts, "postgres"), None);
    }
}
