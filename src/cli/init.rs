//! `pgcleave init`: writes pgcleave.yaml and a commented manifest; never over an existing file.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use pgcleave::error::Verdict;
use pgcleave::manifest::{Choice, Disk, Draft, Found, SourceFile};

use super::context::Context;
use super::failure::Failure;

/// What to write.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The service to write a manifest for
    service: Option<String>,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> Result<Verdict, Failure> {
    let config = &context.global.config;
    let config = if config.is_dir() { config.join(pgcleave::load::CONFIG_FILE) } else { config.clone() };
    let has_config = config.exists();
    if has_config && arguments.service.is_none() {
        let failure = Failure::file_exists(&config);
        return Err(failure.with_hint("for a service's manifest: pgcleave init SERVICE"));
    }
    let config_text = if has_config { read(&config)? } else { CONFIG.into() };
    let draft = Draft::new(SourceFile { path: config.clone(), bytes: config_text.clone() });
    let manifests = draft.manifests();
    let mut files = Vec::new();
    if !has_config {
        files.push((config.clone(), CONFIG.to_owned()));
    }
    if let Some(service) = &arguments.service {
        files.extend(service_files(service, &config, &manifests, config_text)?);
    }
    if let Some((path, _)) = files.iter().find(|(path, _)| path.symlink_metadata().is_ok()) {
        return Err(Failure::file_exists(path));
    }
    make_folder(&manifests)?;
    for (path, text) in &files {
        path.parent().map_or(Ok(()), make_folder)?;
        write(path, text)?;
        context.story(&format!("wrote {}", path.display()));
    }
    Ok(Verdict::Done)
}

/// Composes a service's files and checks them before anything is written.
fn service_files(
    service: &str,
    config: &Path,
    manifests: &Path,
    config_text: Vec<u8>,
) -> Result<Vec<(PathBuf, String)>, Failure> {
    let is_path = |c: char| !(c.is_alphanumeric() || matches!(c, '_' | '-' | ' '));
    if service.is_empty() || service.contains(is_path) {
        let hint = "a service's name is a lower-case letter, then lower-case letters, digits and `_`";
        return Err(Failure::usage(format!("{service:?} cannot be a service's name")).with_hint(hint));
    }
    let root = config.parent().unwrap_or(Path::new(""));
    let depth = manifests.strip_prefix(root).map_or(0, |p| p.components().filter(|c| c.as_os_str() != ".").count());
    let migrations = format!("{}migrations/{service}", "../".repeat(depth));
    let text = MANIFEST.replace("{service}", service).replace("{migrations}", &migrations);
    let path = manifests.join(format!("{service}.yaml"));

    let mut draft = Draft::new(SourceFile { path: config.to_path_buf(), bytes: config_text });
    draft.add(&SourceFile { path: path.clone(), bytes: text.clone().into_bytes() });
    let disk: Disk = draft.mentioned().into_iter().map(|path| (path, Found::Folder)).collect();
    draft.check(Choice::None, &disk)?;

    let folder = manifests.join(&migrations);
    let migration = MIGRATION.replace("{service}", service);
    Ok(vec![(path, text), (folder.join("V1__first_tables.sql"), migration)])
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path).map_err(|error| Failure::file("read", path, &error))
}

fn make_folder(path: &Path) -> Result<(), Failure> {
    if path.as_os_str().is_empty() {
        return Ok(());
    }
    fs::create_dir_all(path).map_err(|error| Failure::file("make the folder", path, &error))
}

/// Writes a file that is not there yet.
fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let written = fs::File::create_new(path).and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => Failure::file_exists(path),
        _ => Failure::file("write", path, &error),
    })
}

const CONFIG: &str = "\
# What is not a service: where the manifests are, where they are applied, how strictly they are audited.
manifests: manifests

# Chosen with --env. Without any here, DATABASE_URL is used and role names get no prefix.
# environments:
#   staging: { database_url_env: STAGING_DATABASE_URL, role_prefix: stg_ }
#   prod:    { database_url_env: PROD_DATABASE_URL }
# default_environment: staging

# Where new passwords are written. Keep the folder out of version control.
secrets: { directory: .secrets }
# secrets: { command: [vault, kv, put, \"secret/{service}/{credential}\", \"-\"] }

audit:
  fail_on: warning
  # waivers:
  #   - { rule: DB05, object: schema public, reason: \"a legacy tool needs it\", expires: 2030-12-31 }
";

const MANIFEST: &str = "\
# One service: it owns one schema, and nobody else does.
service: {service}
# description: What it does, in a line
# team: who-looks-after-it
# schema: {service}                # the service's name by default
# managed: false               # only described: others' contracts with it are known, and nothing of it is changed
migrations: {migrations}
# extensions: [pgcrypto]

credentials:
  app:      { access: write, connection_limit: 20, settings: { statement_timeout: 5s } }
  reports:  { access: read }
  migrator: { access: owner }

# All that other services may ever touch; each of them must list it under `consumes`.
# exposes:
#   - { view: {service}_summary, to: [billing] }
#   - { function: \"cancel(uuid, text)\", to: [support] }

# What this service uses of others; they must list this service under `exposes`.
# consumes: [billing.invoice_status]
";

const MIGRATION: &str = "\
-- Runs as the owner of the schema {service}; names without a schema are its own.
create table example (
    id bigint generated always as identity primary key,
    created_at timestamptz not null default now()
);
";
