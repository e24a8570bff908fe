//! Opens an archive: nothing of it is used before all of it has been checked.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

use super::error::Error;
use super::file;
use super::layout::{self, Archive};
use super::location::Location;
use crate::transfer::control::{Control, Step};
use crate::transfer::error::Error as TransferError;

/// The largest list of hashes and the largest description that are read, in bytes.
const MAX_INDEX_BYTES: u64 = 256 << 20;

/// An archive whose files are what was written.
#[derive(Debug, Clone)]
pub struct Opened {
    /// Where it is.
    pub place: Location,
    /// What archive.json says.
    pub archive: Archive,
}

/// Checks every file of an archive, several at once, and reads what it says.
///
/// # Errors
/// It is no archive, a file is missing, too much, a link, outside, or not what was written.
pub async fn open(place: &Location, jobs: usize, control: &Arc<Control>, step: &Step<'_>) -> Result<Opened, Error> {
    let sums = read_sums(place).await?;
    let queue: Vec<_> = sums.iter().map(|(file, hash)| (file.clone(), hash.clone())).rev().collect();
    let queue = Arc::new(Mutex::new(queue));
    let damaged = Arc::new(Mutex::new(Vec::new()));
    let worker = || {
        let (queue, damaged) = (Arc::clone(&queue), Arc::clone(&damaged));
        let (place, control) = (place.clone(), Arc::clone(control));
        async move {
            let check = move || -> Result<(), TransferError> {
                loop {
                    control.check()?;
                    let next = queue.lock().expect("no check panics while it holds the queue").pop();
                    let Some((file, hash)) = next else { return Ok(()) };
                    if file::measure(&place, &file)?.sha256 != hash {
                        damaged.lock().expect("no check panics while it holds the list").push(file);
                    }
                }
            };
            tokio::task::spawn_blocking(check).await.expect("checks do not panic")
        }
    };
    control.run(step, (0..jobs.max(1)).map(|_| worker()).collect()).await?;
    let mut damaged = std::mem::take(&mut *damaged.lock().expect("all checks have ended"));
    damaged.sort();
    if let Some(file) = damaged.into_iter().next() {
        return Err(Error::Damaged { file, why: "has not the hash that was written".to_owned() });
    }
    let archive = read_index(place).await?;
    agree(&archive, &sums)?;
    Ok(Opened { place: place.clone(), archive })
}

fn not_one(place: &Location, why: impl Into<String>) -> Error {
    Error::NotAnArchive { path: place.label(), why: why.into() }
}

/// Reads the list of hashes, and checks that each file is a plain file inside the folder and that there are no others.
async fn read_sums(place: &Location) -> Result<BTreeMap<String, String>, Error> {
    if matches!(place, Location::Folder(path) if !path.is_dir()) {
        return Err(not_one(place, "there is no such folder"));
    }
    let text = read(place, layout::SUMS).await?;
    let damaged = |why: &str| Error::Damaged { file: layout::SUMS.to_owned(), why: why.to_owned() };
    let mut sums = BTreeMap::new();
    for line in text.strip_suffix('\n').ok_or_else(|| damaged("ends in the middle of a line"))?.split('\n') {
        let (hash, file) = line.split_once("  ").ok_or_else(|| damaged("has a line of another form"))?;
        let hexadecimal = hash.len() == 64 && hash.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if !hexadecimal {
            return Err(damaged("has a line of another form"));
        }
        if !layout::is_safe(file) {
            return Err(damaged("names a file outside the archive, or one of another form"));
        }
        if sums.insert(file.to_owned(), hash.to_owned()).is_some() {
            return Err(damaged("names a file twice"));
        }
    }
    if !sums.contains_key(layout::INDEX) {
        return Err(damaged("does not name archive.json"));
    }
    match place {
        Location::Folder(path) => {
            sums.keys().try_for_each(|file| plain(path, file))?;
            nothing_else(&sums, inside(path, "")?)?;
        }
        Location::Bucket(bucket) => {
            let names = bucket.names().await.map_err(|e| place.failed("list what is beside", layout::SUMS, e))?;
            if let Some(file) = sums.keys().find(|file| !names.contains(*file)) {
                return Err(Error::Damaged { file: file.clone(), why: "is missing".to_owned() });
            }
            nothing_else(&sums, names)?;
        }
    }
    Ok(sums)
}

/// Refuses what no list names: whoever looks into the folder would take it for a part.
fn nothing_else(sums: &BTreeMap<String, String>, names: impl IntoIterator<Item = String>) -> Result<(), Error> {
    match names.into_iter().find(|name| name != layout::SUMS && !sums.contains_key(name)) {
        Some(file) => Err(Error::Damaged { file, why: "is no part of the archive".to_owned() }),
        None => Ok(()),
    }
}

/// Gives the files of a folder, by their names from there on; of folders within it by theirs.
fn inside(folder: &Path, prefix: &str) -> Result<Vec<String>, Error> {
    let failed = |error| Error::from(TransferError::file("list", &folder.join(prefix), error));
    let mut found = Vec::new();
    for entry in fs::read_dir(folder.join(prefix)).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type().map_err(failed)?.is_dir() {
            found.extend(inside(folder, &format!("{name}/"))?);
        } else {
            found.push(name);
        }
    }
    found.sort();
    Ok(found)
}

/// Checks that a file of a folder is a plain one, and reached through no link.
fn plain(folder: &Path, file: &str) -> Result<(), Error> {
    let mut at = folder.to_owned();
    let mut parts = file.split('/').peekable();
    while let Some(part) = parts.next() {
        at.push(part);
        let wrong = |why: &str| Error::Damaged { file: file.to_owned(), why: why.to_owned() };
        let found = fs::symlink_metadata(&at).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => wrong("is missing"),
            _ => TransferError::file("read", &at, error).into(),
        })?;
        let right = if parts.peek().is_some() { found.is_dir() } else { found.is_file() };
        if !right {
            return Err(wrong("is a link or no plain file"));
        }
    }
    Ok(())
}

async fn read(place: &Location, file: &str) -> Result<String, Error> {
    let bytes = place.small(file, MAX_INDEX_BYTES).await?;
    let bytes = bytes.ok_or_else(|| not_one(place, format!("{file} is missing, no plain file, or too large")))?;
    String::from_utf8(bytes).map_err(|_| not_one(place, format!("{file} is not UTF-8")))
}

async fn read_index(place: &Location) -> Result<Archive, Error> {
    #[derive(serde::Deserialize)]
    struct Format {
        format: String,
    }
    let text = read(place, layout::INDEX).await?;
    let wrong = |e: serde_json::Error| not_one(place, format!("archive.json: {e}"));
    let format = serde_json::from_str::<Format>(&text).map_err(wrong)?.format;
    if format != layout::FORMAT {
        return Err(not_one(place, format!("its format is {format:?}, not {:?}", layout::FORMAT)));
    }
    serde_json::from_str(&text).map_err(wrong)
}

/// Checks that description and hashes speak of the same files.
fn agree(archive: &Archive, sums: &BTreeMap<String, String>) -> Result<(), Error> {
    let wrong = |file: &str, why: &str| Error::Damaged { file: file.to_owned(), why: why.to_owned() };
    let mut rows = vec![0; archive.tables.len()];
    for file in &archive.files {
        if sums.get(&file.path) != Some(&file.sha256) {
            return Err(wrong(&file.path, "has another hash in archive.json"));
        }
        if let Some(table) = file.table {
            *rows.get_mut(table).ok_or_else(|| wrong(&file.path, "belongs to no table"))? += file.rows;
        }
    }
    if archive.files.len() + 1 != sums.len() {
        return Err(wrong(layout::INDEX, "does not name all files"));
    }
    let all = [layout::ROLES, layout::EXTENSIONS, layout::PRE_DATA, layout::POST_DATA, layout::SEQUENCES];
    for name in all.into_iter().chain([layout::GRANTS, layout::REFRESH]) {
        if !sums.contains_key(name) {
            return Err(wrong(name, "is missing"));
        }
    }
    match archive.tables.iter().zip(rows).find(|(table, rows)| table.rows != *rows) {
        Some((table, _)) => Err(wrong(&table.name.label(), "has other rows than its files")),
        None => Ok(()),
    }
}
