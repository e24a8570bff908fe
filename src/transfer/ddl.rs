//! The definitions of a schema, in the order in which a load wants them.

use std::borrow::Cow;

use super::control::Control;
use super::error::Error;
use super::pg_dump::{PgDump, Section};
use super::{psql, statement};
use crate::ident::Ident;
use crate::model::naming::is_temporary_login;
use crate::pg::connect::Target;

/// Takes from a dump what only psql or only another server understands, and the schema itself, which is there by then.
///
/// Current minors of pg_dump write `\restrict`, which an older psql refuses; pg_dump 17 and newer set a parameter that
/// older servers do not know; current servers keep a mark of their own among a column's options, which an older pg_dump
/// takes for one of the user's. Materialized views are filled at the very end, when all else is there, and only then.
#[must_use]
pub fn cleaned(dump: &str, schema: &Ident) -> String {
    let body = dump.find("\nSET ").map_or(0, |i| i + 1);
    let (head, body) = dump.split_at(body);
    let key = head.lines().find_map(|line| line.strip_prefix("\\restrict "));
    let mut text: String = head.lines().filter(|line| !line.starts_with('\\')).flat_map(|line| [line, "\n"]).collect();
    let body = body.replacen("SET transaction_timeout = 0;\n", "", 1);
    let last = key.map(|key| format!("\n\\unrestrict {key}\n"));
    let end = last.and_then(|last| body.rfind(&last)).unwrap_or(body.len());
    // Whoever runs this owns the schema, and need not be able to make one.
    let create = format!("\nCREATE SCHEMA {};\n", schema.quoted());
    let body = body[..end].replacen(&create, "\n", 1);
    text += &psql::with_escape_strings(&without(&body));
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

/// Moves the privileges on tables, views and sequences from the pre-data to the end of the post-data, as `pg_restore`
/// orders them: rows are loaded as the owner, which may have revoked its own privileges. Changes nothing the second time.
#[must_use]
pub fn access_last(pre_data: &str, post_data: &str) -> (String, String) {
    let (mut kept, mut moved, mut done) = (String::new(), String::new(), 0);
    let statements = statement::split(pre_data);
    let mut rest = statements.as_slice();
    while let [_, others @ ..] = rest {
        let length = statement::access(rest).map_or(0, <[_]>::len);
        for statement in &rest[..length] {
            let at = statement.as_ptr().addr() - pre_data.as_ptr().addr();
            kept += &pre_data[done..at];
            done = at + statement.len();
            done += pre_data[done..].bytes().take_while(|b| matches!(b, b';' | b'\n')).count();
            moved += statement;
            moved += ";\n";
        }
        rest = if length == 0 { others } else { &rest[length..] };
    }
    let post_data = if moved.is_empty() { post_data.to_owned() } else { format!("{post_data}\n{moved}") };
    (kept + &pre_data[done..], post_data)
}

/// Takes out a server's own marks, statements that fill a materialized view, and grants to temporary logins;
/// names may hold line feeds.
fn without(body: &str) -> Cow<'_, str> {
    if ![MARK, FILL, TEMPORARY].iter().any(|text| body.contains(text)) {
        return Cow::Borrowed(body);
    }
    let (mut text, mut done) = (String::new(), 0);
    for statement in statement::split(body) {
        let gone = statement.starts_with(FILL) || is_temporary_grant(statement);
        let kept = if gone { Some(String::new()) } else { unmarked(statement) };
        let Some(kept) = kept else { continue };
        let at = statement.as_ptr().addr() - body.as_ptr().addr();
        text += &body[done..at];
        text += &kept;
        done = at + statement.len();
        if kept.is_empty() {
            done += body[done..].bytes().take_while(|b| matches!(b, b';' | b'\n')).count();
        }
    }
    Cow::Owned(text + &body[done..])
}

/// A server's own mark among a column's options.
const MARK: &str = "pg_attver=";

/// What is in the name of every temporary login.
const TEMPORARY: &str = "pgcleave_tmp_";

/// Tells whether a statement grants something to a temporary login: that of this run or of another one, gone at its end.
fn is_temporary_grant(statement: &str) -> bool {
    let grantee = statement.strip_prefix("GRANT ").and_then(|rest| rest.strip_suffix('"')?.rsplit_once(" TO \""));
    grantee.is_some_and(|(_, name)| Ident::new(name).is_ok_and(|name| is_temporary_login(&name)))
}

/// How pg_dump fills a materialized view.
const FILL: &str = "REFRESH MATERIALIZED VIEW ";

/// Gives a column's options without the server's own mark, empty if no other is left; nothing for other statements.
fn unmarked(statement: &str) -> Option<String> {
    let inner = statement.strip_prefix("ALTER TABLE ONLY \"")?.strip_suffix(')')?;
    let (head, options) = inner.rsplit_once(" SET (").filter(|(_, options)| options.contains(MARK))?;
    let others: Vec<_> = options.split(',').map(str::trim).filter(|o| !o.starts_with(MARK)).collect();
    let kept = format!("ALTER TABLE ONLY \"{head} SET ({})", others.join(", "));
    Some(if others.is_empty() { String::new() } else { kept })
}

/// The definitions of a schema, as pg_dump wrote them and [`cleaned`] left them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Definitions {
    /// What must be there before rows come.
    pub pre_data: String,
    /// Indexes, constraints, triggers, rules.
    pub post_data: String,
}

/// Has pg_dump write the definitions as a snapshot sees them.
///
/// # Errors
/// pg_dump could not be started, or ended badly, or the source gave it a definition that psql would not only send.
pub async fn dump(
    program: &PgDump,
    source: &Target,
    schema: &Ident,
    snapshot: &str,
    control: &Control,
) -> Result<Definitions, Error> {
    // At once, so that both have their locks before anybody waits to alter a table.
    let (pre_data, post_data) = tokio::try_join!(
        program.run(source, schema, Section::PreData, Some(snapshot), control),
        program.run(source, schema, Section::PostData, Some(snapshot), control),
    )?;
    let (pre_data, post_data) = access_last(&cleaned(&pre_data, schema), &cleaned(&post_data, schema));
    let definitions = Definitions { pre_data, post_data };
    for (section, text) in [("pre-data", &definitions.pre_data), ("post-data", &definitions.post_data)] {
        psql::check(text).map_err(|why| Error::Unsafe { text: format!("the source's {section}"), why })?;
    }
    Ok(definitions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn privileges_on_relations_follow_the_rows() {
        let pre = "CREATE TABLE \"s\".\"t\" ();\n\n\n-- Type: ACL\n\nREVOKE ALL ON TABLE \"s\".\"t\" FROM \"o\";\n\
            GRANT ALL ON SCHEMA \"s\" TO \"p\";\nGRANT SELECT(\"a\") ON TABLE \"s\".\"t\" TO \"p\";\n-- end\n";
        let (pre, post) = access_last(pre, "CREATE INDEX;\n");
        assert_eq!(
            pre,
            "CREATE TABLE \"s\".\"t\" ();\n\n\n-- Type: ACL\n\nGRANT ALL ON SCHEMA \"s\" TO \"p\";\n-- end\n"
        );
        assert_eq!(
            post,
            "CREATE INDEX;\n\nREVOKE ALL ON TABLE \"s\".\"t\" FROM \"o\";\nGRANT SELECT(\"a\") ON TABLE \"s\".\"t\" TO \"p\";\n"
        );
        assert_eq!(access_last(&pre, &post), (pre, post));
    }

    #[test]
    fn privileges_of_another_grantor_keep_their_grantor() {
        let by_other = "SET SESSION AUTHORIZATION \"b\";\nGRANT SELECT ON TABLE \"s\".\"t\" TO \"c\";\nRESET SESSION AUTHORIZATION;\n";
        let (pre, post) = access_last(&format!("CREATE TABLE t ();\n{by_other}CREATE VIEW v;\n"), "");
        assert_eq!((pre.as_str(), post), ("CREATE TABLE t ();\nCREATE VIEW v;\n", format!("\n{by_other}")));
    }

    #[test]
    fn a_server_s_own_mark_is_no_option_of_a_column() {
        let line = |options: &str| format!("ALTER TABLE ONLY \"s\".\"t\" ALTER COLUMN \"a\nb\" SET ({options});\n\n");
        let dump = |options: &str| format!("{}-- next\n", line(options));
        assert_eq!(without(&dump("pg_attver=22161408")), "-- next\n");
        let marked = dump("n_distinct=-0.5, pg_attver=7, n_distinct_inherited=2");
        assert_eq!(without(&marked), dump("n_distinct=-0.5, n_distinct_inherited=2"));
        for other in [dump("n_distinct=7"), "select ' SET (pg_attver=7)';\n".to_owned()] {
            assert_eq!(without(&other), other);
        }
    }

    #[test]
    fn materialized_views_are_not_filled_by_the_definitions() {
        let before = "CREATE INDEX \"i\" ON \"s\".\"m\" USING btree (\"a\");\n\n\n";
        let fills =
            format!("{before}REFRESH MATERIALIZED VIEW \"s\".\"m\";\n\n\nselect 'REFRESH MATERIALIZED VIEW x';\n");
        assert_eq!(without(&fills), format!("{before}select 'REFRESH MATERIALIZED VIEW x';\n"));
    }

    #[test]
    fn psql_commands_go_and_look_alikes_in_bodies_stay() {
        let dump = "--\n-- dump\n--\n\n\\restrict abc\n\n-- Dumped\n\nSET statement_timeout = 0;\nSET transaction_timeout = 0;\n\
            CREATE SCHEMA \"s\";\n\nselect '\n\\restrict abc\n';\n\n\\unrestrict abc\n\n";
        let schema = Ident::new("s").expect("a name");
        assert_eq!(
            cleaned(dump, &schema),
            "--\n-- dump\n--\n\n\n-- Dumped\n\nSET statement_timeout = 0;\n\n\
            select E'\n\\\\restrict abc\n';\n"
        );
    }
}
