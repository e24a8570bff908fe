//! Reads pgcleave.yaml and the manifests from disk.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use crate::manifest::problem::{Invalid, Kind};
use crate::manifest::service::Project;
use crate::manifest::{Choice, Disk, Draft, Found, SourceFile};

/// The largest file that is read.
pub const MAX_FILE_BYTES: u64 = 1024 * 1024;
/// How much is read of all files together.
pub const MAX_TOTAL_BYTES: u64 = 64 * 1024 * 1024;
/// The name of the file beside the manifests' folder.
pub const CONFIG_FILE: &str = "pgcleave.yaml";

/// Reads and checks pgcleave.yaml (the file, or the folder that holds it) and all manifests.
///
/// Where pgcleave.yaml has no environment, role names get no prefix and the connection string comes from `DATABASE_URL`.
/// Nothing outside the folder of pgcleave.yaml is read, neither by a path nor by a link.
///
/// # Errors
/// All that is wrong with any of the files.
pub fn project<'a>(config: &Path, environment: impl Into<Choice<'a>>) -> Result<Project, Invalid> {
    let environment = environment.into();
    let config = if config.is_dir() { config.join(CONFIG_FILE) } else { config.to_path_buf() };
    let root = Root::of(&config);
    let mut draft = match root.read(&config) {
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
    add_manifests(&root, &mut draft);
    let mentioned = draft.mentioned().into_iter();
    let disk = mentioned.filter_map(|path| Some((found(&root, &path)?, path))).map(|(f, p)| (p, f)).collect();
    draft.check(environment, &disk)
}

/// The project's folder with all links resolved, or why it cannot be told.
struct Root(io::Result<PathBuf>);

impl Root {
    /// Takes the folder of pgcleave.yaml.
    fn of(config: &Path) -> Self {
        let folder = config.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Self(fs::canonicalize(folder))
    }

    /// Tells whether a path that is there leads out of the folder.
    fn leaves_out(&self, path: &Path) -> io::Result<bool> {
        let root = self.0.as_ref().map_err(|error| io::Error::from(error.kind()))?;
        Ok(!fs::canonicalize(path)?.starts_with(root))
    }

    /// Reads a file that lies in the folder.
    fn read(&self, path: &Path) -> Result<Vec<u8>, Unread> {
        match self.leaves_out(path) {
            // what is no file is told as such, wherever it lies
            Ok(true) if fs::metadata(path).is_ok_and(|found| found.is_file()) => Err(Unread::Outside),
            Ok(_) => read(path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Unread::Gone),
            Err(error) => Err(Unread::Io(error)),
        }
    }
}

fn found(root: &Root, path: &Path) -> Option<Found> {
    if root.leaves_out(path).ok()? {
        return Some(Found::Outside);
    }
    let metadata = fs::metadata(path).ok()?;
    if metadata.is_dir() {
        return Some(Found::Folder);
    }
    metadata.is_file().then_some(Found::File)
}

/// Reads every `.yaml` file of the manifests' folder.
fn add_manifests(root: &Root, draft: &mut Draft) {
    let folder = draft.manifests();
    if root.leaves_out(&folder).is_ok_and(|outside| outside) {
        let message = format!("{} lies outside the folder that holds pgcleave.yaml", folder.display());
        let help = "move the manifests into that folder, or pgcleave.yaml beside them";
        draft.refuse_at(draft.manifests_at(), Kind::OutsideProject, message, help);
        return;
    }
    let paths = match listed(&folder) {
        Ok(paths) => paths,
        Err(error) => {
            let message = format!("cannot list the folder {}: {}", folder.display(), lower(&error));
            let help = "make it with `pgcleave init SERVICE`, or correct `manifests`";
            draft.refuse_at(draft.manifests_at(), Kind::MissingFile, message, help);
            return;
        }
    };
    if paths.is_empty() {
        // with no manifest at all a plan would take every service for removed
        let message = format!("the folder {} holds no manifest", folder.display());
        let help = "write one with `pgcleave init SERVICE`, or correct `manifests`";
        draft.refuse_at(draft.manifests_at(), Kind::NoManifests, message, help);
    }
    let mut total = 0;
    for path in paths {
        if path.extension().is_some_and(|e| e == "yml") {
            draft.refuse(&path, Kind::FileName, "manifests end in `.yaml`", "rename the file");
            continue;
        }
        match root.read(&path) {
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
    Outside,
    NotAFile(&'static str),
    TooLarge,
    Io(io::Error),
}

impl Unread {
    fn tell(self, draft: &mut Draft, path: &Path) {
        match self {
            Self::Gone => draft.refuse(path, Kind::UnreadableFile, "the file is gone", "is a link broken?"),
            Self::Outside => draft.refuse(
                path,
                Kind::OutsideProject,
                "the file is a link to outside the folder that holds pgcleave.yaml",
                "put the file itself there",
            ),
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
