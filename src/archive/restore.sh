#!/bin/sh
# Restores an archive of one schema with psql and zstd alone:
#   ADMIN_URL=postgresql://admin@host/database OWNER_URL=postgresql://restorer@host/database ./restore.sh
# ADMIN_URL: a superuser, or a role that may create roles, extensions and schemas in the database. It creates the roles,
#   the empty schema and the extensions, and runs nothing else of the archive.
# OWNER_URL: a login for the same database that is neither a superuser nor an administrator. It becomes a member of the
#   owner roles while this script runs; definitions and rows run as it. `create role restorer login password '...'` is enough.
# --trust-archive: definitions and rows may run as a superuser. OWNER_URL may be one then, or left out.
# The target must not hold the schema yet. This script is code: where the archive comes from somebody else, read it first,
# or use `pgcleave import`, which does not run it.
set -eu
cd "$(dirname "$0")"
trust=
for argument in "$@"; do
    case $argument in
    --trust-archive) trust=1 ;;
    *) echo 'usage: ADMIN_URL=... OWNER_URL=... ./restore.sh [--trust-archive]' >&2; exit 2 ;;
    esac
done
admin=${ADMIN_URL:-}
owner=${OWNER_URL:-}
if [ -n "$trust" ] && [ -z "$owner" ]; then owner=$admin; fi
if [ -z "$admin" ] || [ -z "$owner" ]; then
    echo 'set ADMIN_URL (roles, extensions, the empty schema) and OWNER_URL (everything else, no superuser)' >&2
    exit 2
fi
PGOPTIONS="${PGOPTIONS:-} @PGOPTIONS@"
PGCLIENTENCODING=UTF8
export PGOPTIONS PGCLIENTENCODING

# Other users of this host can read the arguments of psql: passwords reach it through its environment and a file.
# $1: url (without its secrets), password or sslpassword; $2: a URL or a key=value string, read as libpq reads it.
part() {
    printf '%s' "$2" | LC_ALL=C awk -v want="$1" '
    function decoded(s,    out, i) {
        out = ""
        for (i = 1; i <= length(s); i++)
            if (substr(s, i) ~ /^%[0-9A-Fa-f][0-9A-Fa-f]/) {
                out = out sprintf("%c", (index(digits, toupper(substr(s, i + 1, 1))) - 1) * 16 + index(digits, toupper(substr(s, i + 2, 1))) - 1)
                i += 2
            } else out = out substr(s, i, 1)
        return out
    }
    function uri(s,    at, head, user, query, n, pairs, i, name, kept) {
        at = index(s, "://") + 3
        head = substr(s, 1, at - 1); s = substr(s, at)
        if (match(s, /^[^@\/]*@/)) {
            user = substr(s, 1, RLENGTH - 1); s = substr(s, RLENGTH + 1)
            if (at = index(user, ":")) { found["password"] = decoded(substr(user, at + 1)); user = substr(user, 1, at - 1) }
            head = head user "@"
        }
        if (at = index(s, "?")) {
            query = substr(s, at + 1); s = substr(s, 1, at - 1)
            n = split(query, pairs, "&")
            kept = ""
            for (i = 1; i <= n; i++) {
                name = decoded(substr(pairs[i], 1, index(pairs[i], "=") - 1))
                if (name == "password" || name == "sslpassword") found[name] = decoded(substr(pairs[i], index(pairs[i], "=") + 1))
                else kept = kept (kept == "" ? "?" : "&") pairs[i]
            }
            s = s kept
        }
        return head s
    }
    function words(s,    out, start, name, value, c, quoted) {
        out = ""
        while (match(s, /^[ \t\r\n\f\v]*[^ \t\r\n\f\v=]+[ \t\r\n\f\v]*=[ \t\r\n\f\v]*/)) {
            name = substr(s, 1, RLENGTH); start = s; s = substr(s, RLENGTH + 1)
            gsub(/[ \t\r\n\f\v=]/, "", name)
            value = ""
            quoted = substr(s, 1, 1) == "\047"
            if (quoted) s = substr(s, 2)
            while (s != "") {
                c = substr(s, 1, 1); s = substr(s, 2)
                if (quoted ? c == "\047" : c ~ /[ \t\r\n\f\v]/) break
                if (c == "\\") { c = substr(s, 1, 1); s = substr(s, 2) }
                value = value c
            }
            if (name == "password" || name == "sslpassword") found[name] = value
            else out = out substr(start, 1, length(start) - length(s)) " "
        }
        return out s
    }
    BEGIN { RS = "\001"; digits = "0123456789ABCDEF" }
    { text = $0 }
    END {
        if (text ~ /^postgres(ql)?:\/\//) left = uri(text)
        else if (index(text, "=")) left = words(text)
        else left = text
        printf "%s", want == "url" ? left : found[want]
    }'
}
# The arguments of psql: a string without secrets, a password, a password of a TLS key, then the others.
connected() {
    to=$1 password=$2 key_password=$3
    shift 3
    if [ -n "$key_password" ]; then
        case $to in
        *service=*) echo 'a connection string has both service and sslpassword: put sslpassword into the service file' >&2; return 1 ;;
        postgres://*'?'* | postgresql://*'?'*) to="$to&service=pgcleave" ;;
        postgres://* | postgresql://*) to="$to?service=pgcleave" ;;
        *) to="$to service=pgcleave" ;;
        esac
        printf '[pgcleave]\nsslpassword=%s\n' "$key_password" > "$private/service"
        PGSERVICEFILE=$private/service; export PGSERVICEFILE
    fi
    if [ -n "$password" ]; then PGPASSWORD=$password; export PGPASSWORD; fi
    exec psql -X -q -v ON_ERROR_STOP=1 "$@" -- "$to"
}
as_admin() { (umask 077; connected "$admin" "$admin_password" "$admin_key_password" "$@"); }
as_owner() { (umask 077; connected "$owner" "$owner_password" "$owner_key_password" "$@"); }

# Runs files of the archive in one transaction, after a statement of this script; psql's own commands are off in them.
files() {
    who=$1 first=$2
    shift 2
    if [ -n "$restrict" ]; then
        for file in "$@"; do
            set -- "$@" -f "$file"
            shift
        done
        "$who" -1 -c "\\restrict $key" -c "$first" "$@" > /dev/null
        return
    fi
    # An older psql sends the text of -c as it is, and reads no command in it; an argument has an end.
    for file in "$@"; do
        shift
        if [ "$(wc -c < "$file")" -le 100000 ]; then
            set -- "$@" -c " $(cat "$file")"
        elif [ -n "$trust" ]; then
            set -- "$@" -f "$file"
        else
            echo "$file is too long for this psql, which does not know \\restrict: use psql 15.14, 16.10, 17.6, 18 or newer," >&2
            echo 'or --trust-archive' >&2
            return 1
        fi
    done
    "$who" -1 -c "$first" "$@" > /dev/null
}

# Loads a file unless it is loaded. A check or a generated column may read rows of a table that is loaded later.
loaded=' '
load() {
    case $loaded in *" $1 "*) return ;; esac
    echo "$1"
    # A pipe tells of psql's failure alone: a file that ends too early ends in a byte that no table takes.
    status=0
    { zstd -dcq -- "$1" || printf '\377\n'; } | as_owner -c "$role" -c @PATH@ -c "$2" || status=$?
    case $status in
    0) loaded="$loaded$1 " progress=1 ;;
    2) exit 2 ;;
    *) refused=1 ;;
    esac
}

for program in psql zstd awk; do
    command -v "$program" > /dev/null || { echo "$program is needed and was not found" >&2; exit 1; }
done
private=$(umask 077 && mktemp -d)
trap 'rm -rf "$private"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
admin_password=$(part password "$admin") admin_key_password=$(part sslpassword "$admin") admin=$(part url "$admin")
owner_password=$(part password "$owner") owner_key_password=$(part sslpassword "$owner") owner=$(part url "$owner")
unset ADMIN_URL OWNER_URL
echo 'checking the files'
if command -v sha256sum > /dev/null; then sha256sum --quiet --strict -c @SUMS@; else shasum -a 256 -s -c @SUMS@; fi
schema=@SCHEMA@
held=$(as_admin -At -v schema="$schema" -f - <<'SQL'
select count(*) from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace where n.nspname = :'schema';
SQL
) || { echo 'the target cannot be reached; nothing was restored' >&2; exit 1; }
if [ "$held" != 0 ]; then
    echo "the target's schema $schema is not empty; what a broken restore has left must be dropped first" >&2
    exit 1
fi
login=$(as_owner -At -c 'select session_user') || { echo 'OWNER_URL cannot log in; nothing was restored' >&2; exit 1; }
mighty=$(as_owner -At -c "select pg_catalog.bool_or(r.rolsuper or r.rolcreaterole or r.rolreplication or r.rolbypassrls
    or r.rolname in ('pg_execute_server_program', 'pg_read_server_files', 'pg_write_server_files'))
    from pg_catalog.pg_roles r where pg_catalog.pg_has_role(session_user, r.oid, 'member')")
if [ "$mighty" != f ] && [ -z "$trust" ]; then
    echo "OWNER_URL logs in as $login, which is a superuser or may do what an administrator may: code of the archive would" >&2
    echo 'run with these rights. Give OWNER_URL a login of its own, or trust the archive with --trust-archive.' >&2
    exit 1
fi
above=$(as_admin -At -c @SUPERUSERS@)
if [ -n "$above" ] && [ -z "$trust" ]; then
    echo "the archive's objects belong to roles that are superusers here: $above. Its code would run as a superuser;" >&2
    echo 'trust the archive with --trust-archive and a superuser as OWNER_URL.' >&2
    exit 1
fi
key=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
restrict=
if as_owner -c "\\restrict $key" > /dev/null 2>&1; then restrict=1; fi

# From here on the target holds parts. Loaded is not whole: indexes, constraints and grants come last.
undo=
unfinished() {
    status=$?
    trap - EXIT
    trap 'rm -rf "$private"' EXIT
    if [ -n "$undo" ]; then as_admin -c "$undo" || status=1; fi
    if [ "$status" != 0 ]; then
        echo "the restore has NOT finished: the target's schema $schema is missing or incomplete" >&2
        printf 'put right what is said above, then run it again after: %s\n' @DROP@ >&2
    fi
    exit "$status"
}
trap unfinished EXIT
echo 'roles, schema, extensions'
files as_admin 'select 1' @ROLES@ @EXTENSIONS@
undo=$(as_admin -At -v login="$login" -f - <<'SQL'
@REVOKES@
SQL
)
grants=$(as_admin -At -v login="$login" -f - <<'SQL'
@GRANTS_TO_LOGIN@
SQL
)
if [ -n "$grants" ]; then as_admin -c "$grants"; fi
role=@ROLE@
# A trusted archive may hold what only a superuser can create; a superuser gives each object to its owner.
if [ "$(as_owner -At -c "select r.rolsuper from pg_catalog.pg_roles r where r.rolname = session_user")" = t ]; then role='set role none'; fi
echo 'definitions'
files as_owner "$role; "@OPEN@ @PRE_DATA@
while :; do
    refused='' progress=''
@LOADS@
    [ -n "$refused" ] || break
    [ -n "$progress" ] || { echo 'these rows are refused' >&2; exit 1; }
    echo 'once more, now that other tables are full: the rows that were refused'
done
echo 'indexes and constraints'
files as_owner "$role" @SEQUENCES@
files as_owner "$role" @POST_DATA@
files as_admin 'select 1' @GRANTS@
status=0
files as_owner "$role; set row_security = on" @REFRESH@ || status=$?
case $status in
0) ;;
2) exit 2 ;;
*)
    # One whose query fails here stays empty; the others are filled.
    number=0
    while IFS= read -r refresh; do
        number=$((number + 1))
        # The blank keeps psql from reading a command of its own.
        as_owner -1 -c "$role; set row_security = on" -c " $refresh" > /dev/null < /dev/null ||
            echo "a materialized view stays empty: once its query works here, run line $number of" @REFRESH@ >&2
    done < @REFRESH@
    ;;
esac
printf '%s' @ANALYZE@ | as_owner -c "$role" -f -
if [ -n @CLOSE@ ]; then as_owner -c "$role" -c @CLOSE@; fi
files as_admin 'select 1' @LEAVE@
echo 'done'
