//! The files' shapes: what is read from the text, and what the JSON Schema describes.

use schemars::JsonSchema;

use super::decode::{At, Decode, Must, Named, Reading, Scalar, record, word};
use super::yaml::Node;
use crate::model::layout::Layout;
use crate::model::naming::Access;

impl Decode for Access {
    fn decode(node: &Node, reading: &mut Reading<'_>) -> Option<Self> {
        word(&[("write", Self::Write), ("read", Self::Read), ("owner", Self::Owner)], node, reading)
    }
}

impl Decode for Layout {
    fn decode(node: &Node, reading: &mut Reading<'_>) -> Option<Self> {
        word(&Self::WORDS, node, reading)
    }
}

/// The least severity of a finding that fails an audit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, JsonSchema)]
#[schemars(rename_all = "snake_case")]
pub(crate) enum FailOn {
    /// Errors only.
    Error,
    /// Warnings and errors.
    Warning,
    /// Everything.
    Info,
}

impl Decode for FailOn {
    fn decode(node: &Node, reading: &mut Reading<'_>) -> Option<Self> {
        word(&[("error", Self::Error), ("warning", Self::Warning), ("info", Self::Info)], node, reading)
    }
}

impl FailOn {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Info => "info",
        }
    }
}

record! {
    /// A manifest of pgcleave: one service on a shared PostgreSQL.
    #[schemars(rename = "Service")]
    RawService {
        /// The service's name; the file is named like it, `<service>.yaml`.
        #[schemars(extend("pattern" = "^[a-z][a-z0-9_]{0,39}$"))]
        service: Must<String>,
        /// What the service does, for people.
        description: Option<String>,
        /// The team that looks after it.
        team: Option<String>,
        /// The schema that it owns; its own name by default.
        schema: Option<At<String>>,
        /// The folder of its migrations, seen from this file's folder.
        migrations: Option<At<String>>,
        /// Whose rules the files of `migrations` follow; by default the layout that all of them fit.
        layout: Option<Layout>,
        /// The extensions that it needs.
        extensions: Option<Vec<At<String>>>,
        /// Its logins by name; each becomes two roles `<service>_<name>_a` and `_b` that take turns.
        credentials: Option<Named<At<RawCredential>>>,
        /// All that other services may ever touch.
        exposes: Option<Vec<At<RawExposed>>>,
        /// What it uses of others, `service.object`; they must expose it to this service.
        consumes: Option<Vec<At<String>>>,
        /// Its materialized views.
        read_models: Option<Vec<At<RawReadModel>>>,
        /// Its append-only event log.
        event_log: Option<At<RawEventLog>>,
        /// Its outbox: events for other services.
        outbox: Option<At<RawOutbox>>,
        /// The database of its own to which the service has been split off.
        database: Option<At<RawDatabase>>,
        /// Whether pgcleave makes its roles and grants and runs its migrations; with `false` it is only described.
        #[schemars(extend("default" = true))]
        managed: Option<At<bool>>,
    }

    /// One login of a service.
    #[schemars(rename = "Credential")]
    RawCredential {
        /// What it may do: `write` for the service itself, `read` for reports, `owner` for migrations.
        access: Must<Access>,
        /// How many sessions at once.
        #[schemars(extend("minimum" = 1))]
        connection_limit: Option<At<i32>>,
        /// Settings of its sessions in this database, such as `statement_timeout: 5s`.
        settings: Option<Named<At<Scalar>>>,
    }

    /// One object that others may use: exactly one kind with the object's name, and for whom.
    #[schemars(rename = "Exposed", extend("oneOf" = [
        { "required": ["view"] }, { "required": ["table"] }, { "required": ["function"] },
        { "required": ["procedure"] }, { "required": ["sequence"] }, { "required": ["type"] },
    ]))]
    RawExposed {
        /// A view or materialized view.
        view: Option<At<String>>,
        /// A table.
        table: Option<At<String>>,
        /// A function with its argument types: `cancel_order(uuid, text)`.
        function: Option<At<String>>,
        /// A procedure with its argument types.
        procedure: Option<At<String>>,
        /// A sequence.
        sequence: Option<At<String>>,
        /// A type or domain.
        r#type: Option<At<String>>,
        /// The services that may use it.
        to: Must<Vec<At<String>>>,
        /// What they may do: `select`, `insert`, `update`, `delete`, `execute`, `usage`; by default `select`,
        /// `execute` or `usage`, as fits the kind.
        privileges: Option<At<Vec<At<String>>>>,
    }

    /// One materialized view of a service.
    #[schemars(rename = "ReadModel")]
    RawReadModel {
        /// Its name.
        name: Must<String>,
        /// The file with its query, seen from this file's folder.
        query: Must<String>,
        /// The columns that identify a row.
        key: Option<At<Vec<At<String>>>>,
        /// When it is refreshed.
        refresh: Option<At<RawRefresh>>,
    }

    /// When a read model is refreshed.
    #[schemars(rename = "Refresh")]
    RawRefresh {
        /// How old it may get: `30s`, `15m`, `24h`, `7d`.
        #[schemars(with = "Option<String>")]
        every: Option<At<Scalar>>,
        /// The time of day, `HH:MM`.
        at: Option<At<String>>,
    }

    /// An append-only event log.
    #[schemars(rename = "EventLog")]
    RawEventLog {
        /// Its table.
        table: Must<String>,
    }

    /// Events for other services.
    #[schemars(rename = "Outbox")]
    RawOutbox {
        /// Topic → the services that take its events.
        topics: Must<Named<Vec<At<String>>>>,
    }

    /// A database of a service's own.
    #[schemars(rename = "Database")]
    RawDatabase {
        /// The environment variable that holds its connection string.
        url_env: Must<String>,
    }

    /// pgcleave.yaml: what is not a service.
    #[schemars(rename = "Config")]
    RawConfig {
        /// The folder of the manifests, seen from this file's folder; `manifests` by default.
        manifests: Option<At<String>>,
        /// The places where the services are set up, by name; chosen with `--env`.
        environments: Option<Named<At<RawEnvironment>>>,
        /// The environment that is used without `--env`; it does not count together with `--database-url`.
        default_environment: Option<At<String>>,
        /// Logins that belong to no service and have a purpose of their own, by their names on the server.
        operators: Option<Named<At<RawOperator>>>,
        /// Where new passwords are written; the folder `.secrets` by default.
        secrets: Option<At<RawSecrets>>,
        /// What a migration file may take before it is stopped.
        migrate: Option<At<RawMigrate>>,
        /// How the audit judges.
        audit: Option<At<RawAudit>>,
    }

    /// A login that belongs to no service.
    #[schemars(rename = "Operator")]
    RawOperator {
        /// What it is for. `administrator of pgcleave` makes a registry that it owns trusted: for superusers who run a split
        /// where somebody else runs `apply`.
        #[schemars(extend("enum" = ["administrator of pgcleave"]))]
        purpose: Must<String>,
    }

    /// What a migration file may take before it is stopped.
    #[schemars(rename = "Migrate")]
    RawMigrate {
        /// How long a file may run, its further tries included; `1h` by default.
        file_limit: Option<At<Scalar>>,
        /// How long a statement may wait for a lock; `5s` by default.
        lock_wait: Option<At<Scalar>>,
        /// How often a file in a transaction that waited too long is tried again; 10 by default.
        #[schemars(extend("minimum" = 0, "maximum" = 100))]
        lock_retries: Option<At<i32>>,
    }

    /// One place where the services are set up.
    #[schemars(rename = "Environment")]
    RawEnvironment {
        /// The environment variable that holds the administrator's connection string; `DATABASE_URL` by default.
        database_url_env: Option<At<String>>,
        /// Stands before every role's name, so that environments can share a server.
        role_prefix: Option<At<String>>,
        /// `sslrootcert` in published secrets: the file of the root certificate on the clients' machines, or `system`. By
        /// default that of the administrator's connection string.
        client_sslrootcert: Option<At<String>>,
        /// Whether PUBLIC loses CONNECT and TEMPORARY on the database and USAGE on schema `public`, as the last change, once it
        /// is allowed with `--allow close-database`; true by default. With false they stay.
        close_database: Option<At<bool>>,
    }

    /// Where new passwords are written: exactly one of these.
    #[schemars(rename = "Secrets", extend("oneOf" = [
        { "required": ["directory"] }, { "required": ["json"] },
        { "required": ["kubernetes"] }, { "required": ["command"] },
    ]))]
    RawSecrets {
        /// A folder with one dotenv file for each credential.
        directory: Option<At<String>>,
        /// One JSON file for all.
        json: Option<At<String>>,
        /// A folder with one Kubernetes Secret for each credential.
        kubernetes: Option<At<RawKubernetes>>,
        /// A command that gets each secret as JSON on its standard input; `{service}` and `{credential}` are filled in.
        command: Option<At<Vec<At<String>>>>,
    }

    /// A folder with one Kubernetes Secret for each credential.
    #[schemars(rename = "Kubernetes")]
    RawKubernetes {
        /// The folder.
        directory: Must<String>,
        /// The Secrets' namespace.
        namespace: Option<String>,
    }

    /// How the audit judges.
    #[schemars(rename = "Audit")]
    RawAudit {
        /// The least severity that fails.
        fail_on: Option<FailOn>,
        /// Findings that are accepted for a while.
        waivers: Option<Vec<At<RawWaiver>>>,
    }

    /// One accepted finding.
    #[schemars(rename = "Waiver")]
    RawWaiver {
        /// The rule's id.
        rule: Must<String>,
        /// The object as the finding prints it; `*` for any.
        object: Must<String>,
        /// The role as the finding prints it; any by default.
        principal: Option<At<String>>,
        /// Why it is accepted.
        reason: Must<String>,
        /// The last day on which it holds, `YYYY-MM-DD`.
        #[schemars(extend("format" = "date"))]
        expires: Must<String>,
    }
}
