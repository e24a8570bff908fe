//! Reads pgcleave.yaml and the manifests from disk.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use crate::manifest::problem::{Invalid, Kind};
use crate::manifest::service::Project;
use crate::manifest::{Disk, Draft, Found, SourceFile};

/// The largest file that is read.
pub const MAX_FILE_BYTES: u64 = 1024 * 1024;
/// How much is read of all files together.
pub const MAX_TOTAL_BYTES: u64 = 64 * 1024 * 1024;
/// The name of the file beside the manifests' folder.
pub const CONFIG_FILE: &str = "pgcleave.yaml";

/// Reads and checks pgcleave.yaml (the file, or the folder that holds it) and all manifests.
///
/// Without an environment, role names get no prefix and the connection string comes from `DATABASE_URL`.
///
/// # Errors
/// All that is wrong with any of the files.
pub fn project(config: &Path, environment: Option<&str>) -> Result<Project, Invalid> {
    let config = if config.is_dir() { config.join(CONFIG_FILE) } else { config.to_path_buf() };
    let mut draft = match read(&config) {
        Ok(bytes) => Draft::new(SourceFile { path: config, bytes }),
        Err(Unread::Gone) => {
            let mut draft = Draft::without_config(config.clone());
            let message = format!("there is no file {}", config.display());
            draft.refuse(
                &config,
                Kind::NoConfig,
                message,
                "run `pgcleave init` to write one, or name it with --config",
            );
            return draft.check(environment, &Disk::new());
        }
        Err(unread) => {
            let mut draft = Draft::without_config(config.clone());
            unread.tell(&mut draft, &config);
            return draft.check(environment, &Disk::new());
        }
    };
    add_manifests(&mut draft);
    let disk =
        draft.mentioned().into_iter().filter_map(|path| Some((found(&path)?, path))).map(|(f, p)| (p, f)).collect();
    draft.check(environment, &disk)
}

fn found(path: &Path) -> Option<Found> {
    let metadata = fs::metadata(path).ok()?;
    if metadata.is_dir() {
        return Some(Found::Folder);
    }
    metadata.is_file().then_some(Found::File)
}

/// Reads every `.yaml` file of the manifests' folder.
fn add_manifests(draft: &mut Draft) {
    let folder = draft.manifests();
    let paths = match listed(&folder) {
        Ok(paths) => paths,
        Err(error) => {
            let message = format!("cannot list the folder {}: {}", folder.display(), lower(&error));
            let help = "make it with `pgcleave init SERVICE`, or correct `manifests`";
            draft.refuse_at(draft.manifests_at(), Kind::MissingFile, message, help);
            return;
        }
    };
    let mut total = 0;
    for path in paths {
        if path.extension().is_some_and(|e| e == "yml") {
            draft.refuse(&path, Kind::FileName, "manifests end in `.yaml`", "rename the file");
            continue;
        }
        match read(&path) {
            Ok(bytes) => {
                total += bytes.len() as u64;
                if total > MAX_TOTAL_BYTES {
                    let message = format!("the manifests together pass {MAX_TOTAL_BYTES} bytes");
                    draft.refuse(
                        &path,
                        Kind::FileTooLarge,
                        message,
                        "this and later files were not read; is this the right folder?",
                    );
                    return;
                }
                draft.add(&SourceFile { path, bytes });
            }
            Err(unread) => unread.tell(draft, &path),
        }
    }
}

/// Lists the folder's YAML files, hidden ones left out, in a fixed order.
fn listed(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let is_hidden = path.file_name().is_some_and(|n| n.as_encoded_bytes().starts_with(b"."));
        let is_yaml = path.extension().is_some_and(|e| e == "yaml" || e == "yml");
        if is_yaml && !is_hidden {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// Why a file was not read.
enum Unread {
    Gone,
    NotAFile(&'static str),
    TooLarge,
    Io(io::Error),
}

impl Unread {
    fn tell(self, draft: &mut Draft, path: &Path) {
        match self {
            Self::Gone => draft.refuse(path, Kind::UnreadableFile, "the file is gone", "is a link broken?"),
            Self::NotAFile(what) => {
                draft.refuse(
                    path,
                    Kind::UnreadableFile,
                    format!("this is {what}, not a file"),
                    "put a YAML file in its place",
                );
            }
            Self::TooLarge => {
                let message = format!("the file has more than {MAX_FILE_BYTES} bytes");
                draft.refuse(
                    path,
                    Kind::FileTooLarge,
                    message,
                    "a manifest describes one service; is this the right file?",
                );
            }
            Self::Io(error) => {
                let message = format!("cannot read the file: {}", lower(&error));
                draft.refuse(path, Kind::UnreadableFile, message, "check who may read it");
            }
        }
    }
}

/// Reads a file that is one, and not too large; nothing else is even opened.
fn read(path: &Path) -> Result<Vec<u8>, Unread> {
    let metadata = fs::metadata(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Unread::Gone,
        _ => Unread::Io(error),
    })?;
    if metadata.is_dir() {
        return Err(Unread::NotAFile("a folder"));
    }
    if !metadata.is_file() {
        return Err(Unread::NotAFile("a pipe, socket or device"));
    }
    if metadata.len() > MAX_FILE_BYTES {
        return Err(Unread::TooLarge);
    }
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or_default());
    let file = File::open(path).map_err(Unread::Io)?;
    // It may have grown, and some files do not know their length.
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(Unread::Io)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(Unread::TooLarge);
    }
    Ok(bytes)
}

/// Gives an error of the system in lower case, as our own texts are.
fn lower(error: &io::Error) -> String {
    error.to_string().to_lowercase()
}
