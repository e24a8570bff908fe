use expect_test::{Expect, expect};

use super::*;

fn shown(references: &[Reference]) -> String {
    let one = |r: &Reference| {
        let name = format!("{}.{}", r.schema.as_deref().unwrap_or("-"), r.name.as_deref().unwrap_or("-"));
        let needs = if r.needs == r.used.needs() { String::new() } else { format!(" ({})", r.needs) };
        let certainty = if r.certainty == Certainty::Proven { String::new() } else { format!(", {:?}", r.certainty) };
        format!("{}:{}+{} {:?}{needs} {name}{certainty}\n", r.line, r.column, r.length, r.used)
    };
    references.iter().map(one).collect()
}

fn check(sql: &str, expected: &Expect) {
    expected.assert_eq(&shown(&references(sql, &[])));
}

#[test]
fn tables_refer_by_keys_defaults_checks_and_parents() {
    check(
        "create table o (
            id int default nextval('billing.seq') references billing.t (id) on delete cascade,
            n bigint default nextval('billing.seq'::text::regclass),
            c billing.currency[] not null check (billing.f(id) > 0),
            g int generated always as (billing.g(id)) stored,
            t text collate billing.coll,
            like billing.l including all,
            foreign key (id) references billing.k,
            exclude using gist (c billing.ops with operator(billing.=))
        ) inherits (billing.p) partition by range (billing.r(id));
        create table orders.x partition of billing.pp for values from (1) to (2);
        alter table o add constraint c foreign key (a) references billing.kk,
            alter c type billing.ct using billing.cf(c), alter d set default billing.df();
        alter table o attach partition billing.ap default;
        alter table o inherit billing.inh;
        create index on o (billing.fi(a)) where billing.w(a);
        create table orders.ot of billing.oft;",
        &expect![[r#"
            2:36+13 Sequence billing.seq
            2:62+9 ForeignKey billing.t
            3:38+13 Sequence billing.seq
            4:15+16 Type billing.currency
            4:50+9 Call billing.f
            5:40+9 Call billing.g
            6:28+12 Collation billing.coll
            7:18+9 Read billing.l
            8:41+9 ForeignKey billing.k
            9:35+11 Object billing.ops
            9:61+8 Operator billing.=
            10:21+9 Inherit billing.p
            10:52+9 Call billing.r
            11:22+8 Define orders.x
            11:44+10 Inherit billing.pp
            12:67+10 ForeignKey billing.kk
            13:26+10 Type billing.ct
            13:43+10 Call billing.cf
            13:78+10 Call billing.df
            14:40+10 Inherit billing.ap
            15:31+11 Inherit billing.inh
            16:28+10 Call billing.fi
            16:49+9 Call billing.w
            17:22+9 Define orders.ot
            17:35+11 Type billing.oft
        "#]],
    );
}

#[test]
fn queries_refer_wherever_they_stand() {
    check(
        "with billing as (select 1), c as (select * from billing.a) select * from billing, c, only billing.b x
            join lateral billing.srf(1) z on true, (select from billing.d) q, rows from (billing.rf(1));
        select x.y, billing.f(x.z), (billing.g()).h, billing.t.col, a operator(billing.+) b, array(select 1 from billing.e),
            case when exists (table billing.h) then 1 end, x::billing.ty, billing.lit 'x', row(1)::billing.rw[] from x;
        insert into billing.i select 1; insert into billing.j values (1) on conflict (a) do update set a = 1;
        update billing.u set a = 1 from billing.v; delete from billing.w using billing.x;
        merge into billing.m using billing.n on true when matched then delete when not matched then insert values (1);
        truncate billing.tr; lock table billing.lk; copy billing.ci from '/x'; copy billing.co to '/x';
        call billing.proc(billing.arg()); values (billing.va()); explain select billing.ex();
        select * into billing.made from billing.from_;",
        &expect![[r#"
            1:49+9 Read billing.a
            1:91+9 Read billing.b
            2:26+11 Call billing.srf
            2:65+9 Read billing.d
            2:90+10 Call billing.rf
            3:21+9 Call billing.f
            3:38+9 Call billing.g
            3:80+8 Operator billing.+
            3:114+9 Read billing.e
            4:37+9 Read billing.h
            4:63+10 Type billing.ty
            4:75+11 Type billing.lit
            4:100+10 Type billing.rw
            5:21+9 Insert billing.i
            5:53+9 Insert (SELECT, INSERT, UPDATE) billing.j
            6:16+9 Update billing.u
            6:41+9 Read billing.v
            6:64+9 Delete billing.w
            6:80+9 Read billing.x
            7:20+9 Merge (SELECT, INSERT, DELETE) billing.m
            7:36+9 Read billing.n
            8:18+10 Truncate billing.tr
            8:41+10 Lock billing.lk
            8:58+10 Insert billing.ci
            8:85+10 Read billing.co
            9:14+12 Call billing.proc
            9:27+11 Call billing.arg
            9:51+10 Call billing.va
            9:81+10 Call billing.ex
            10:23+12 Define billing.made
            10:41+13 Read billing.from_
        "#]],
    );
}

#[test]
fn views_rules_policies_and_triggers_refer() {
    check(
        "create view v as select * from billing.a;
        create materialized view orders.mv as table billing.b with no data;
        create rule r as on insert to orders.s do also insert into billing.c values (1);
        create policy p on orders.o using (exists (select 1 from billing.d)) with check (billing.e(x));
        create trigger t before insert on orders.o for each row when (billing.f(new.id)) execute function billing.g();
        create trigger t after insert on billing.h for each row execute function own();
        create statistics s on a, b from billing.i; create event trigger e on ddl_command_end execute function billing.j();",
        &expect![[r#"
            1:32+9 Read billing.a
            2:34+9 Define orders.mv
            2:53+9 Read billing.b
            3:39+8 Define orders.s
            3:68+9 Insert billing.c
            4:28+8 Define orders.o
            4:66+9 Read billing.d
            4:90+9 Call billing.e
            5:43+8 Define orders.o
            5:71+9 Call billing.f
            5:107+9 Call billing.g
            6:42+9 Define billing.h
            7:42+9 Define billing.i
            7:112+9 Call billing.j
        "#]],
    );
}

#[test]
fn types_and_definitions_refer() {
    check(
        "create type orders.c as (a billing.t1); create domain orders.d as billing.dom check (billing.v(value));
        create type orders.r as range (subtype = billing.st, subtype_diff = billing.sd, collation = billing.co);
        create aggregate orders.agg (billing.at) (sfunc = billing.sf, stype = billing.sty);
        create cast (billing.a as billing.b) with function billing.c(int);
        create operator orders.+ (function = billing.opf, leftarg = billing.la);
        create function orders.f(a billing.ty, b billing.t.col%type default billing.df()) returns setof billing.rs
            language sql set search_path = billing return billing.rr(1);
        create table billing.new_one (a int); drop table billing.dt; alter table orders.x set schema billing;
        comment on column billing.t.c is 'billing.x'; create sequence s owned by billing.o.id;
        alter type billing.e add value 'x'; refresh materialized view billing.mv; set my.setting = billing;
        create table t (a int) with (toast.autovacuum_enabled = false);",
        &expect![[r#"
            1:13+8 Define orders.c
            1:28+10 Type billing.t1
            1:55+8 Define orders.d
            1:67+11 Type billing.dom
            1:86+9 Call billing.v
            2:21+8 Define orders.r
            2:50+10 Type billing.st
            2:77+10 Call billing.sd
            2:101+10 Collation billing.co
            3:26+10 Define orders.agg
            3:38+10 Type billing.at
            3:59+10 Call billing.sf
            3:79+11 Type billing.sty
            4:22+9 Type billing.a
            4:35+9 Type billing.b
            4:60+9 Call billing.c
            5:25+7 Define orders.+
            5:46+11 Call billing.opf
            5:69+10 Type billing.la
            6:25+8 Define orders.f
            6:36+10 Type billing.ty
            6:50+13 RowType billing.t
            6:77+10 Call billing.df
            6:105+10 Type billing.rs
            7:44+7 SearchPath billing.-
            7:59+10 Call billing.rr
            8:22+15 Define billing.new_one
            8:58+10 Define billing.dt
            8:82+8 Define orders.x
            8:102+7 Schema billing.-
            9:27+11 Define billing.t
            9:82+12 Define billing.o
            10:20+9 Define billing.e
            10:71+10 Define billing.mv
        "#]],
    );
}

#[test]
fn names_in_text_refer_and_data_does_not() {
    check(
        "select 'billing.a'::regclass, cast('billing.b' as pg_catalog.regclass), regclass 'billing.c', to_regclass('billing.d'),
            'billing.f(int)'::regprocedure, 'billing.ty'::regtype, 'billing'::regnamespace, E'billing.\\x61'::regclass,
            currval('billing.s1'), setval('\"Billing\".s2', 1), nextval(('billing.s3')::regclass), pg_get_serial_sequence('billing.t', 'id');
        select 'billing.a', 'select * from billing.b', $$billing.c$$, $$ from billing.d $$::text; -- billing.e
        /* billing.f /* select from billing.g */ */ insert into x values ('{\"a\": \"billing.h\"}');
        select query_to_xml('select * from billing.i', true, true, '');
        select \"from billing.j\", x.\"billing.k\" from x; comment on table x is 'see billing.l';",
        &expect![[r#"
            1:8+11 Object billing.a
            1:36+11 Object billing.b
            1:51+19 Type pg_catalog.regclass
            1:82+11 Object billing.c
            1:107+11 Object billing.d
            2:13+16 Call billing.f
            2:45+12 Type billing.ty
            2:68+9 Schema billing.-
            2:93+15 Object billing.a
            3:21+12 Sequence billing.s1
            3:43+14 Sequence Billing.s2
            3:72+12 Sequence billing.s3
            3:121+11 Object billing.t
            6:44+9 Read billing.i, Possible
        "#]],
    );
}

#[test]
fn privilege_tests_and_exports_name_what_they_look_at() {
    check(
        "select has_table_privilege('billing.a', 'select'), has_table_privilege('billing.x', 'billing.b', 'select'),
            has_column_privilege('billing.c', 'id', 'select'), has_column_privilege('r', 'billing.d', 'id', 'select'),
            has_schema_privilege('billing', 'usage'), has_function_privilege('r', 'billing.f(int)', 'execute'),
            has_type_privilege('billing.t', 'usage'), schema_to_xml('billing', true, true, '');",
        &expect![[r#"
            1:28+11 Object billing.a
            1:85+11 Object billing.b
            2:34+11 Object billing.c
            2:90+11 Object billing.d
            3:34+9 Schema billing.-
            3:83+16 Call billing.f
            4:32+11 Type billing.t
            4:69+9 Schema billing.-
        "#]],
    );
}

#[test]
fn schemas_search_paths_and_roles_are_told() {
    check(
        "set search_path = billing, \"Odd\"; set local search_path to 'billing'; set schema 'billing';
        select set_config('search_path', 'orders, billing', true); reset search_path; show search_path;
        alter function f() set search_path to billing; alter role x set search_path = billing;
        grant usage on schema billing to billing_reader, public; create schema billing; drop schema billing cascade;
        grant select on all tables in schema billing to x; alter default privileges in schema billing grant select on tables to y;
        grant select on billing.g to z; alter table x owner to billing_owner; create policy p on x to billing_app using (true);
        grant execute on function billing.ff(billing.tt) to x; create extension e schema billing;",
        &expect![[r#"
            1:19+7 SearchPath billing.-
            1:28+5 SearchPath Odd.-
            1:60+9 SearchPath billing.-
            1:82+9 SearchPath billing.-
            2:42+17 SearchPath billing.-
            2:42+17 SearchPath orders.-
            3:47+7 SearchPath billing.-
            3:67+1 RoleName -.x
            3:87+7 SearchPath billing.-
            4:15+5 RoleName -.usage
            4:31+7 Schema billing.-
            4:42+14 Role -.billing_reader
            4:58+6 Role -.public
            4:80+7 Schema billing.-
            4:101+7 Schema billing.-
            5:46+7 Schema billing.-
            5:57+1 Role -.x
            5:95+7 Schema billing.-
            5:129+1 Role -.y
            6:25+9 Define billing.g
            6:38+1 Role -.z
            6:64+13 Role -.billing_owner
            6:103+11 Role -.billing_app
            7:15+7 RoleName -.execute
            7:35+10 Define billing.ff
            7:46+10 Type billing.tt
            7:61+1 Role -.x
            7:90+7 Schema billing.-
        "#]],
    );
}

#[test]
fn what_lends_or_names_a_schema_in_passing_is_told() {
    check(
        "create schema authorization billing_owner; create schema orders2 authorization billing_owner;
        create foreign table orders.f (a int) server s options (schema_name 'billing', table_name 'invoices');
        alter foreign table orders.f options (set schema_name 'billing', add other 'billing');
        create publication p for table billing.t, orders.o; security label on table billing.t is 'x';
        create server s foreign data wrapper w options (schema_name 'billing');",
        &expect![[r#"
            1:29+13 Role -.billing_owner
            1:58+7 Schema orders2.-
            1:80+13 Role -.billing_owner
            2:30+8 Define orders.f
            2:77+9 Schema billing.-, Possible
            3:29+8 Define orders.f
            3:63+9 Schema billing.-, Possible
            4:40+9 Define billing.t
            4:51+8 Define orders.o
            4:85+9 Define billing.t
        "#]],
    );
}

#[test]
fn plpgsql_bodies_are_read() {
    check(
        "create function orders.f() returns bigint language plpgsql as $$
declare
  r billing.invoices%rowtype; c billing.t.x%type; v int := billing.init();
  cur cursor for select * from billing.cur;
begin
  select * into strict r from billing.a limit 1; -- billing.comment
  insert into billing.b (a) values (billing.ba(r.id)) returning id, x into r.id, c;
  with d as (select * from billing.d) select count(*) into v from d;
  x := billing.g(1); perform billing.h(); call billing.p();
  if exists (select 1 from billing.i) then return query select * from billing.j; end if;
  for r in select * from billing.k loop raise notice 'billing.l %', billing.m(); end loop;
  while billing.n() loop null; end loop;
  return r.id;
exception when others then update billing.o set a = 1;
end $$;
create procedure p() language 'plpgsql' as 'begin delete from billing.q where a = ''billing.r''; end';
do $do$ begin execute $$ do 'begin perform billing.s(); end' $$; end $do$;
do language plpython3u $$ plpy.execute('select * from billing.t') $$;",
        &expect![[r#"
            1:17+8 Define orders.f
            3:5+16 RowType billing.invoices
            3:33+11 RowType billing.t
            3:60+12 Call billing.init
            4:32+11 Read billing.cur
            6:31+9 Read billing.a
            7:15+9 Insert (SELECT, INSERT) billing.b
            7:37+10 Call billing.ba
            8:28+9 Read billing.d
            9:8+9 Call billing.g
            9:30+9 Call billing.h
            9:48+9 Call billing.p
            10:28+9 Read billing.i
            10:71+9 Read billing.j
            11:26+9 Read billing.k
            11:69+9 Call billing.m
            12:9+9 Call billing.n
            14:35+9 Update billing.o
            16:63+9 Delete (SELECT, DELETE) billing.q
            17:44+9 Call billing.s, Possible
            18:24+45 Unknown -.-, Unprovable
        "#]],
    );
}

#[test]
fn sql_bodies_are_read() {
    check(
        "create function a() returns int language sql as $$ select 1 from billing.a; update billing.b set x = 1; $$;
create function b() returns int language sql begin atomic select * from billing.c; end;
create function c() returns int as E'select\\n 1 from billing.d' language SQL;
create function d() returns int language c as 'billing.so', 'billing.sym';
create function e() returns int language plpython3u as 'billing.x';",
        &expect![[r#"
            1:66+9 Read billing.a
            1:84+9 Update billing.b
            2:73+9 Read billing.c
            3:54+9 Read billing.d
            5:56+11 Unknown -.-, Unprovable
        "#]],
    );
}

#[test]
fn executed_text_is_possible_or_unprovable() {
    check(
        "do $$
declare q text := 'select 1 from billing.a';
begin
  execute 'select 1 from billing.b' into x using billing.c();
  execute format('insert into billing.d select %L, %s from %I where a = %1$L', a, b, c);
  execute format('select * from %I.%I', s, t);
  execute format('select * from %I.e', 'billing');
  execute 'select * from billing.' || quote_ident(t);
  execute 'select * from billing.f where a = ' || quote_literal(v) || ' and billing.g(b)';
  execute 'select * from ' || t;
  q := 'delete from billing.h';
  execute q; execute q; execute unknown_one;
  for r in execute 'select * from billing.i' loop return query execute concat('select 1 ', 'from billing.j'); end loop;
  open c for execute 'select * from ' || quote_ident(t);
  perform 'select * from billing.data';
end $$;",
        &expect![[r#"
            2:34+9 Read billing.a, Possible
            4:26+9 Read billing.b, Possible
            4:50+9 Call billing.c
            5:11+77 Unknown -.-, Unprovable
            5:31+9 Insert billing.d, Possible
            6:33+7 Unknown -.-, Unprovable
            7:33+4 Read billing.e, Possible
            8:26+17 Read billing.-, Possible
            9:26+9 Read billing.f, Possible
            9:77+9 Call billing.g, Possible
            10:31+2 Unknown -.-, Unprovable
            11:21+9 Delete billing.h, Possible
            12:33+11 Unknown -.-, Unprovable
            13:35+9 Read billing.i, Possible
            13:98+9 Read billing.j, Possible
        "#]],
    );
}

#[test]
fn what_the_parser_does_not_understand_is_searched() {
    check(
        "select * from only (billing.a) tablesample billing.b (1), x join billing.c on true;
        frobnicate billing.d; select 1 +; select * from billing.e; update billing.f set;",
        &expect![[r#"
            1:21+9 Read billing.a
            1:44+9 Call billing.b, Possible
            1:66+9 Read billing.c, Possible
            2:57+9 Read billing.e
            2:75+9 Update billing.f
        "#]],
    );
}

#[test]
fn names_without_a_schema_are_looked_up_along_the_path() {
    let found = body_references(
        "plpgsql",
        "begin with c as (select 1) select * into r from c, t; perform f(); end",
        &["billing", "orders"],
    );
    expect![[r#"
        1:52+1 Read billing.t, Possible
        1:52+1 Read orders.t, Possible
        1:63+1 Call billing.f, Possible
        1:63+1 Call orders.f, Possible
    "#]]
    .assert_eq(&shown(&found));
    assert_eq!(references("select * from t", &[]), vec![]);
}

#[test]
fn bodies_and_expressions_of_the_catalog_have_their_own_places() {
    let places = |references: Vec<Reference>, text: &str| {
        references.iter().map(|r| text[r.at..].chars().take(r.length).collect::<String>()).collect::<Vec<_>>()
    };
    let body = "\nbegin\n  é := billing.f($b$ x $b$); end";
    assert_eq!(places(body_references("plpgsql", body, &[]), body), ["billing.f"]);
    let body = "BEGIN ATOMIC\n SELECT a FROM billing.a;\nEND";
    assert_eq!(places(body_references("sql", body, &[]), body), ["billing.a"]);
    let body = "RETURN billing.a(1)";
    assert_eq!(places(body_references("sql", body, &[]), body), ["billing.a"]);
    let body = "select 1; select * from billing.b";
    assert_eq!(places(body_references("sql", body, &[]), body), ["billing.b"]);
    let default = "nextval('billing.seq'::regclass)";
    assert_eq!(places(expression_references(default, &[]), default), ["'billing.seq'"]);
    assert_eq!(body_references("plpython3u", "billing.x", &[])[0].certainty, Certainty::Unprovable);
    assert_eq!(body_references("c", "billing.x", &[]), []);
}

#[test]
fn text_search_configurations_and_sent_sql_are_read_in_text() {
    check(
        "select to_tsvector('billing.cfg', x), to_tsvector('billing.text'), ts_lexize('billing.dict', 'y');
        select dblink('select * from billing.a'), dblink('dbname=x', 'select * from billing.b', false);",
        &expect![[r#"
            1:20+13 Object billing.cfg
            1:78+14 Object billing.dict
            2:38+9 Read billing.a, Possible
            2:85+9 Read billing.b, Possible
        "#]],
    );
}

#[test]
fn quotes_and_case_are_read_as_the_server_reads_them() {
    check(
        "select * from BILLING.Invoices, \"Billing\".\"In\"\"v.x\", U&\"b\\0069lling\".a; select * from db.billing.b",
        &expect![[r#"
            1:15+16 Read billing.invoices
            1:33+19 Read Billing.In"v.x
            1:54+17 Read billing.a
            1:87+12 Read billing.b
        "#]],
    );
}

mod hostile;
