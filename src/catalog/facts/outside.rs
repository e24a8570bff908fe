//! What has no schema: databases, default privileges, foreign data, replication, parameters, system objects.

use super::Error;
use super::reader::{Columns, Query, Reader, owned, schema, schema_by_oid};
use crate::audit::facts::Facts;
use crate::audit::facts::outside::{
    Database, DefaultAcl, DefaultKind, EventTrigger, Extension, ForeignTable, LargeObject, Parameter, Publication,
    Server, Subscription, SystemGrant, Tablespace, UserMapping, Wrapper,
};
use crate::audit::facts::role::BOOTSTRAP_SUPERUSER;
use crate::model::acl::AclKind;

const DATABASES: Query = Query { about: "databases", needs: &["pg_database"], sql: include_str!("sql/databases.sql") };
const DEFAULT_ACLS: Query =
    Query { about: "default privileges", needs: &["pg_default_acl"], sql: include_str!("sql/default_acls.sql") };
const LARGE_OBJECTS: Query =
    Query { about: "large objects", needs: &["pg_largeobject_metadata"], sql: include_str!("sql/large_objects.sql") };
const WRAPPERS: Query = Query {
    about: "foreign-data wrappers",
    needs: &["pg_foreign_data_wrapper"],
    sql: include_str!("sql/wrappers.sql"),
};
const SERVERS: Query =
    Query { about: "foreign servers", needs: &["pg_foreign_server"], sql: include_str!("sql/servers.sql") };
const USER_MAPPINGS: Query =
    Query { about: "user mappings", needs: &["pg_user_mappings"], sql: include_str!("sql/user_mappings.sql") };
const FOREIGN_TABLES: Query =
    Query { about: "foreign tables", needs: &["pg_foreign_table"], sql: include_str!("sql/foreign_tables.sql") };
const PUBLICATIONS: Query = Query {
    about: "publications",
    needs: &["pg_publication", "pg_publication_rel", "pg_publication_namespace"],
    sql: include_str!("sql/publications.sql"),
};
const SUBSCRIPTIONS: Query =
    Query { about: "subscriptions", needs: &["pg_subscription"], sql: include_str!("sql/subscriptions.sql") };
const EVENT_TRIGGERS: Query =
    Query { about: "event triggers", needs: &["pg_event_trigger"], sql: include_str!("sql/event_triggers.sql") };
const EXTENSIONS: Query =
    Query { about: "extensions", needs: &["pg_extension"], sql: include_str!("sql/extensions.sql") };
const PARAMETERS: Query =
    Query { about: "parameters", needs: &["pg_parameter_acl"], sql: include_str!("sql/parameters.sql") };
const TABLESPACES: Query =
    Query { about: "tablespaces", needs: &["pg_tablespace"], sql: include_str!("sql/tablespaces.sql") };
const SYSTEM_GRANTS: Query = Query {
    about: "grants on system objects",
    needs: &["pg_init_privs", "pg_proc", "pg_attribute", "pg_type"],
    sql: include_str!("sql/system_grants.sql"),
};

pub(super) async fn read(reader: &mut Reader<'_>) -> Result<(), Error> {
    reader
        .each(&DATABASES, |facts, row| {
            let (owner, acl) = owned(facts, row, AclKind::Database)?;
            let oid = row.oid("oid");
            facts.databases.push(Database {
                oid,
                name: row.name("name"),
                owner,
                acl,
                allows_connections: row.flag("open"),
            });
            Ok(())
        })
        .await?;
    reader.each(&DEFAULT_ACLS, default_acl).await?;
    reader
        .each(&LARGE_OBJECTS, |facts, row| {
            let (owner, acl) = owned(facts, row, AclKind::LargeObject)?;
            facts.large_objects.push(LargeObject { oid: row.oid("oid"), owner, acl });
            Ok(())
        })
        .await?;
    foreign_data(reader).await?;
    replication(reader).await?;
    reader
        .each(&EXTENSIONS, |facts, row| {
            let owner = facts.roles.by_oid(row.oid("owner"));
            let schema = schema(facts, row);
            facts.extensions.push(Extension { oid: row.oid("oid"), name: row.name("name"), owner, schema });
            Ok(())
        })
        .await?;
    reader
        .each(&PARAMETERS, |facts, row| {
            let owner = facts.roles.by_oid(BOOTSTRAP_SUPERUSER);
            let (text, major) = (row.maybe_text("acl"), facts.session.major);
            let acl = facts.acls.intern(&mut facts.roles, AclKind::Parameter, owner, text, major)?;
            facts.parameters.push(Parameter { name: row.text("name").to_owned(), owner, acl });
            Ok(())
        })
        .await?;
    reader
        .each(&TABLESPACES, |facts, row| {
            let (owner, acl) = owned(facts, row, AclKind::Tablespace)?;
            facts.tablespaces.push(Tablespace { oid: row.oid("oid"), name: row.name("name"), owner, acl });
            Ok(())
        })
        .await?;
    reader.each(&SYSTEM_GRANTS, system_grant).await
}

async fn foreign_data(reader: &mut Reader<'_>) -> Result<(), Error> {
    reader
        .each(&WRAPPERS, |facts, row| {
            let (owner, acl) = owned(facts, row, AclKind::ForeignDataWrapper)?;
            facts.wrappers.push(Wrapper { oid: row.oid("oid"), name: row.name("name"), owner, acl });
            Ok(())
        })
        .await?;
    reader
        .each(&SERVERS, |facts, row| {
            let (owner, acl) = owned(facts, row, AclKind::ForeignServer)?;
            let (oid, name, wrapper) = (row.oid("oid"), row.name("name"), row.name("wrapper"));
            let of_files = row.flag("of_files");
            facts.servers.push(Server { oid, name, wrapper, of_files, owner, acl, options: row.texts("options") });
            Ok(())
        })
        .await?;
    reader
        .each(&USER_MAPPINGS, |facts, row| {
            let role = row.maybe_oid("role").map(|oid| facts.roles.by_oid(oid));
            let remote_role = row.maybe_text("remote_role").map(str::to_owned);
            let own_account = row.flag("own_account");
            facts.user_mappings.push(UserMapping { server: row.oid("server"), role, remote_role, own_account });
            Ok(())
        })
        .await?;
    if reader.is_closed("pg_user_mapping") && reader.facts.user_mappings.iter().any(|m| m.remote_role.is_none()) {
        let hidden = "pg_catalog.pg_user_mapping: remote roles of other roles' user mappings";
        reader.facts.not_readable.push(hidden.to_owned());
    }
    reader
        .each(&FOREIGN_TABLES, |facts, row| {
            let (relation, server) = (row.oid("relation"), row.oid("server"));
            facts.foreign_tables.push(ForeignTable { relation, server, options: row.texts("options") });
            Ok(())
        })
        .await
}

async fn replication(reader: &mut Reader<'_>) -> Result<(), Error> {
    reader
        .each(&PUBLICATIONS, |facts, row| {
            let owner = facts.roles.by_oid(row.oid("owner"));
            facts.publications.push(Publication {
                oid: row.oid("oid"),
                name: row.name("name"),
                owner,
                all_tables: row.flag("all_tables"),
                relations: row.oids("relations"),
                schemas: row.oids("schemas").into_iter().filter_map(|oid| schema_by_oid(facts, oid)).collect(),
            });
            Ok(())
        })
        .await?;
    reader
        .each(&SUBSCRIPTIONS, |facts, row| {
            let owner = facts.roles.by_oid(row.oid("owner"));
            let (name, enabled) = (row.name("name"), row.flag("enabled"));
            facts.subscriptions.push(Subscription { name, owner, enabled, publications: row.texts("publications") });
            Ok(())
        })
        .await?;
    reader
        .each(&EVENT_TRIGGERS, |facts, row| {
            let owner = facts.roles.by_oid(row.oid("owner"));
            let function_owner = facts.roles.by_oid(row.oid("function_owner"));
            facts.event_triggers.push(EventTrigger {
                name: row.name("name"),
                event: row.text("event").to_owned(),
                owner,
                function: row.oid("function"),
                function_owner,
                function_label: row.text("function_label").to_owned(),
                enabled: row.flag("enabled"),
            });
            Ok(())
        })
        .await
}

fn default_acl(facts: &mut Facts, row: Columns<'_>) -> Result<(), Error> {
    let Some(kind) = DefaultKind::from_letter(row.text("kind")) else { return Ok(()) };
    let in_schema = row.maybe_oid("schema").is_some();
    let schema = schema(facts, row);
    if in_schema && schema.is_none() {
        return Ok(());
    }
    let creator = facts.roles.by_oid(row.oid("creator"));
    let (text, major) = (row.maybe_text("acl"), facts.session.major);
    let acl = facts.acls.intern(&mut facts.roles, kind.acl_kind(), creator, text, major)?;
    facts.default_acls.push(DefaultAcl { creator, schema, kind, acl });
    Ok(())
}

fn system_grant(facts: &mut Facts, row: Columns<'_>) -> Result<(), Error> {
    let kind = match row.text("kind") {
        "routine" => AclKind::Routine,
        "sequence" => AclKind::Sequence,
        "column" => AclKind::Column,
        "type" => AclKind::Type,
        "schema" => AclKind::Schema,
        _ => AclKind::Relation,
    };
    let (owner, now) = owned(facts, row, kind)?;
    let (initial, major) = (row.maybe_text("initial"), facts.session.major);
    let initial = facts.acls.intern(&mut facts.roles, kind, owner, initial, major)?;
    let Some(acl) = facts.acls.beyond(now, initial) else { return Ok(()) };
    facts.system_grants.push(SystemGrant {
        oid: row.oid("oid"),
        schema: row.text("schema").to_owned(),
        column: row.maybe_text("column").map(str::to_owned),
        kind,
        label: row.text("label").to_owned(),
        owner,
        acl,
    });
    Ok(())
}
