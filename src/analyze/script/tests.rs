use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;

fn obstacles(text: &str, expected: &Expect) {
    let lines: Vec<String> = read(text).obstacles.iter().map(ToString::to_string).collect();
    expected.assert_eq(&lines.join("\n"));
}

fn statements(text: &str) -> Vec<&str> {
    read(text).statements.into_iter().map(|range| &text[range]).collect()
}

#[test]
fn ordinary_migration_has_no_obstacle() {
    obstacles(
        "create type s as enum ('a');\nalter type s add value 'b';\ncreate table t (begin_at int, \"commit\" text);\n\
         insert into t values (1, 'commit; rollback; set role x');\nset local search_path = a;\n\
         create procedure p() language plpgsql as $$ begin commit; end $$;\ncall p();\n\
         create function f() returns int begin atomic select case when true then 1 else 2 end; select 2; end;\n\
         create user mapping for current_user server s;\n-- commit;\n/* rollback; /* set role x; */ */",
        &expect![""],
    );
}

#[test]
fn transaction_control_is_found_with_its_line() {
    obstacles(
        "begin;\nstart transaction;\nselect 1; commit;\nEND;\nabort;\nrollback to a;\nsavepoint a;\nrelease a;\nprepare transaction 'x';\ncommit prepared 'x'",
        &expect![[r#"
            line 1: BEGIN would break the file's transaction
            line 2: START TRANSACTION would break the file's transaction
            line 3: COMMIT would break the file's transaction
            line 4: END would break the file's transaction
            line 5: ABORT would break the file's transaction
            line 6: ROLLBACK TO A would break the file's transaction
            line 7: SAVEPOINT A would break the file's transaction
            line 8: RELEASE A would break the file's transaction
            line 9: PREPARE TRANSACTION would break the file's transaction
            line 10: COMMIT PREPARED would break the file's transaction"#]],
    );
}

#[test]
fn leaving_the_role_is_found() {
    obstacles(
        "reset role;\nset role admin;\nset local role 'admin';\nset session authorization admin;\nset local session authorization default;\n\
         reset all;\ndiscard all;\nset session session authorization x;\nset role = x;\nset \"role\" to x;\nset session_authorization = x;\n\
         reset session authorization;\nalter role orders_owner createdb;\nalter user x password 'y';\nselect set_config('role', 'x', false);\n\
         select pg_catalog.SET_CONFIG( 'ROLE', 'x', false);\nreset session_authorization",
        &expect![[r#"
            line 1: RESET ROLE would leave or change the role that the file runs as
            line 2: SET ROLE ADMIN would leave or change the role that the file runs as
            line 3: SET LOCAL ROLE would leave or change the role that the file runs as
            line 4: SET SESSION AUTHORIZATION ADMIN would leave or change the role that the file runs as
            line 5: SET LOCAL SESSION AUTHORIZATION would leave or change the role that the file runs as
            line 6: RESET ALL would leave or change the role that the file runs as
            line 7: DISCARD ALL would leave or change the role that the file runs as
            line 8: SET SESSION SESSION AUTHORIZATION would leave or change the role that the file runs as
            line 9: SET ROLE would leave or change the role that the file runs as
            line 10: SET would leave or change the role that the file runs as
            line 11: SET would leave or change the role that the file runs as
            line 12: RESET SESSION AUTHORIZATION would leave or change the role that the file runs as
            line 13: ALTER ROLE would leave or change the role that the file runs as
            line 14: ALTER USER X PASSWORD would leave or change the role that the file runs as
            line 15: set_config('role', …) would leave or change the role that the file runs as
            line 16: set_config('role', …) would leave or change the role that the file runs as
            line 17: RESET would leave or change the role that the file runs as"#]],
    );
}

#[test]
fn do_blocks_are_looked_into() {
    obstacles(
        "do $$\nbegin\n  insert into t values (1);\n  if true then\n    commit;\n  end if;\n  set role x;\n  perform set_config('role', 'x', true);\nend $$;",
        &expect![[r#"
            line 5: COMMIT in a DO block would break the file's transaction
            line 7: SET ROLE X in a DO block would leave or change the role that the file runs as
            line 8: set_config('role', …) would leave or change the role that the file runs as"#]],
    );
}

#[test]
fn psql_commands_and_streams_are_found() {
    obstacles(
        "\\i other.sql\nselect 1;\n\\copy t from 'x.csv'\n",
        &expect![[r#"
            line 1: \i is a command of psql
            line 3: \copy is a command of psql"#]],
    );
    obstacles(
        "create table t (a int);\ncopy t (a) from stdin;\n1\n2;\ncommit;\n\\.\n",
        &expect!["line 2: COPY T needs a client's stream"],
    );
}

#[test]
fn what_cannot_run_in_a_transaction_is_found_unless_the_header_says_so() {
    let text = "create index concurrently on t (a);\ncreate unique index concurrently i on t (a);\ndrop index concurrently i;\n\
         reindex (concurrently) table t;\nreindex table concurrently t;\nvacuum t;\ncreate database x;\nalter system set a = b;\n\
         alter table p detach partition q concurrently;\nreindex table t;\ncreate index on t (a)";
    obstacles(
        text,
        &expect![[r#"
            line 1: CREATE INDEX CONCURRENTLY ON cannot run in a transaction
            line 2: CREATE UNIQUE INDEX CONCURRENTLY cannot run in a transaction
            line 3: DROP INDEX CONCURRENTLY I cannot run in a transaction
            line 4: REINDEX cannot run in a transaction
            line 5: REINDEX TABLE CONCURRENTLY T cannot run in a transaction
            line 6: VACUUM T cannot run in a transaction
            line 7: CREATE DATABASE X cannot run in a transaction
            line 8: ALTER SYSTEM SET A cannot run in a transaction
            line 9: ALTER TABLE P DETACH cannot run in a transaction"#]],
    );
    obstacles(&format!("-- Adds an index.\n-- pgcleave: no-transaction\n{text}"), &expect![""]);
    obstacles(
        "-- pgcleave: no-transaction\nvacuum t; commit;",
        &expect!["line 2: COMMIT would break the file's transaction"],
    );
}

#[test]
fn the_header_ends_where_the_statements_begin() {
    assert!(read("select 1; -- pgcleave: no-transaction\n").transaction);
    assert!(read("select '-- pgcleave: no-transaction'").transaction);
    assert!(!read("\n/* x */ --pgcleave: no-transaction\nselect 1").transaction);
    assert!(read("select 1").transaction);
    assert!(!read_marked("select 1", true).transaction);
    let marked = read("-- pgcleave: no-transaction\nselect 1;");
    assert!(!marked.transaction);
    assert_eq!(marked.statements[0], 28..36);
}

#[test]
fn statements_are_split_as_psql_splits_them() {
    assert_eq!(
        statements(
            "select ';'; ; select $a$;$a$ -- ;\n;create rule r as on insert to t do (select 1; select 2);select E'\\';'"
        ),
        ["select ';'", "select $a$;$a$", "create rule r as on insert to t do (select 1; select 2)", "select E'\\';'"]
    );
    assert_eq!(
        statements(
            "create function f() returns int begin atomic select case when true then 1 end; select 2; end; select 3"
        ),
        ["create function f() returns int begin atomic select case when true then 1 end; select 2; end", "select 3"]
    );
}

#[test]
fn positions_are_characters_and_lines_count_from_one() {
    assert_eq!(line_of_position("é\né\nx", 5), 3);
    assert_eq!(line_of_position("abc", 1), 1);
    assert_eq!(line_at("é\né\nx", 6), 3);
}

proptest! {
    #[test]
    fn any_text_is_read_without_panic(text in "[a-z;()'$\\\\\"\n é-]{0,60}") {
        let script = read(&text);
        for range in script.statements {
            prop_assert!(text.get(range).is_some());
        }
    }
}
