//! restore.sh: an archive back into a database with psql and zstd alone.

use super::layout::{Archive, EXTENSIONS, GRANTS, LEAVE, POST_DATA, PRE_DATA, REFRESH, ROLES, SEQUENCES, SUMS};
use crate::sql;
use crate::transfer::session::PGOPTIONS;
use crate::transfer::table::{Form, copy_in};

/// Writes the script.
#[must_use]
pub(super) fn script(archive: &Archive) -> String {
    let schema = archive.schema.as_str();
    let mut loads = String::new();
    for file in &archive.files {
        let Some(table) = file.table.map(|i| &archive.tables[i]) else { continue };
        let statement = copy_in(&table.name, &table.columns, Form::Text);
        loads += &format!("load {} {}\n", file.path, quoted(statement.as_str()));
    }
    let tables = archive.tables.iter().map(|t| sql!("analyze ", t.name.sql(), ";\n"));
    let analyze: String = tables.map(|statement| statement.as_str().to_owned()).collect();
    format!(
        r#"#!/bin/sh
# Restores an archive of one schema with psql and zstd alone:
#   ./restore.sh postgresql://admin@host/database
# Without an argument, psql's own variables (PGHOST, PGDATABASE, PGPASSFILE, ...) say where to. Run it as a superuser or
# as a role that may create the roles, the schema and the extensions below. The target must not hold the schema yet.
set -eu
cd "$(dirname "$0")"
target=${{1:-}}
PGOPTIONS="${{PGOPTIONS:-}} {PGOPTIONS}"
PGCLIENTENCODING=UTF8
export PGOPTIONS PGCLIENTENCODING

run() {{
    if [ -n "$target" ]; then psql -X -q -v ON_ERROR_STOP=1 "$@" -- "$target"; else psql -X -q -v ON_ERROR_STOP=1 "$@"; fi
}}

load() {{
    echo "$1"
    # A pipe tells of psql's failure alone: a file that ends too early ends in a byte that no table takes.
    {{ zstd -dcq -- "$1" || printf '\\377\\n'; }} | run -c "$2"
}}

for program in psql zstd; do
    command -v "$program" > /dev/null || {{ echo "$program is needed and was not found" >&2; exit 1; }}
done
echo 'checking the files'
if command -v sha256sum > /dev/null; then sha256sum --quiet --strict -c {SUMS}; else shasum -a 256 -s -c {SUMS}; fi
schema={schema}
held=$(run -At -v schema="$schema" -f - <<'SQL'
select count(*) from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace where n.nspname = :'schema';
SQL
) || {{ echo 'the target cannot be reached; nothing was restored' >&2; exit 1; }}
if [ "$held" != 0 ]; then
    echo "the target's schema $schema is not empty; what a broken restore has left must be dropped first" >&2
    exit 1
fi

# From here on the target holds parts. Loaded is not whole: indexes, constraints and grants come last.
unfinished() {{
    status=$?
    if [ "$status" != 0 ]; then
        echo "the restore has NOT finished: the target's schema $schema is missing or incomplete" >&2
        printf 'put right what is said above, then run it again after: %s\n' {drop} >&2
    fi
    exit "$status"
}}
trap unfinished EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
echo 'roles, extensions, definitions'
run -1 -f {ROLES} -f {EXTENSIONS} -f {PRE_DATA} > /dev/null
{loads}
echo 'indexes and constraints'
run -1 -f {POST_DATA} > /dev/null
run -1 -f {SEQUENCES} -f {GRANTS} > /dev/null
run -f {REFRESH}
printf '%s' {analyze} | run
run -1 -f {LEAVE}
echo 'done'
"#,
        schema = quoted(schema),
        drop = quoted(sql!("drop schema if exists ", archive.schema, " cascade;").as_str()),
        analyze = quoted(&analyze),
    )
}

/// Quotes a text for a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
