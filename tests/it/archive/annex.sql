-- What is rarer than what museum.sql holds. {p} is the test's role prefix.
create extension if not exists citext with schema public;
set role {p}museum_owner;
set search_path = museum;
create domain nested_domain as code check (length(value) < 9);
create domain list as int[] check (cardinality(value) < 5);
create domain place as point3 check ((value).x > 0);
create table more_types (
  id int primary key, cit public.citext, nd nested_domain default 'x', li list, pl place, o oid, lsn pg_lsn, snap pg_snapshot, x8 xid8, x4 xid, tid_ tid,
  ci circle, pa path, ls lseg, li_ line, bo box, m8 macaddr8, jp jsonpath, rp regproc, rpr regprocedure, ro regoper, rt regtype, rr regrole, rn regnamespace,
  rco regcollation, rcf regconfig, rd regdictionary, tr tstzrange, nm nummultirange, arr int[], iv interval, ch "char", mo money[], vb varbit, ov oidvector, i2v int2vector,
  tsr tsrange, dr daterange, tz timetz
);
insert into more_types values
 (1, 'CiT', 'abc', '{1,2}', row(1,2,'x')::point3, 4294967295, '16/B374D848', '10:20:10,14,15', '18446744073709551615', '4294967295', '(4294967294,65535)',
  '<(1,2),3>', '[(1,2),(3,4)]', '[(1,2),(3,4)]', '{1,2,3}', '(1,2),(3,4)', '08:00:2b:01:02:03:04:05', '$.a[*] ? (@.b > 1)', 'pg_catalog.now', 'museum.shout(text)', 'pg_catalog.||/',
  'museum.mood', '{p}museum_owner', 'museum', 'museum.german', 'pg_catalog.english', 'pg_catalog.simple', '[2020-01-01 00:00+00,infinity)', '{[1.0,2.00),(3,4]}', '[2:3]={1,2}',
  '1 year -2 mons +3 days -04:05:06.789', E'\\377', '{"$1.00","-$2.50"}', '', '1 2 3', '4 5', '(,)', 'empty', '24:00:00-15:59:59'),
 (2, null, default, '{}', null, 0, '0/0', '1:1:', '0', '0', '(0,0)', '<(0,0),0>', '((1,2),(3,4))', null, null, null, null, '"x\\t"', '-', '-', '0', '-', '-', '-', '-', '-', '-', 'empty', '{}', '{{1},{2}}',
  '-178000000 years', '', '{}', B'', '', '', null, null, null);
alter table more_types alter column arr set compression pglz, alter column li set statistics 0;
create table "Größte Tabelle mit einem Namen von genau 63 Byte, das ist lan" ("Spalte mit einem Namen von genau 63 Byte ist auch lang, ja ja j" int, "x%y" int, "tab	tab" int, "new
line" int);
insert into "Größte Tabelle mit einem Namen von genau 63 Byte, das ist lan" values (1, 2, 3, 4);
do $$ begin execute 'create table widest (' || (select string_agg(format('c%s int', g), ', ') from generate_series(1, 1600) g) || ')'; 
  execute 'insert into widest (c1, c1600) values (1, 1600), (null, null)'; end $$;
create type shape as (a int, b text);
create table of_type of shape (a with options default 7, primary key (a));
insert into of_type values (1, 'x');
create table no_identity (a int);
alter table no_identity replica identity nothing;
create sequence waiting;
select setval('waiting', 77, false);
create unlogged sequence volatile_;
create sequence descending as smallint increment -1 start -5 cache 7;
create table ident (a int generated always as identity (start with 10 increment by 5 minvalue 5 maxvalue 1000 cycle), b int);
insert into ident (b) values (1), (2);
create rule r_always as on update to no_key do also nothing;
create rule r_replica as on delete to no_key where old.a = 0 do also nothing;
alter table no_key enable always rule r_always, enable replica rule r_replica;
create trigger t_parts after insert on measured for each row execute function touch();
alter table measured_2025 disable trigger t_parts;
create statistics expr_stats on (lower(again)) from child;
create view invoker with (security_invoker = true, check_option = cascaded) as select * from no_key where a > 0;
create table nnd (a int, b int, unique nulls not distinct (a));
create table set_null (id int primary key, parent int, other int, foreign key (parent) references parent on delete set null (parent) on update cascade);
create table uncle (x int check (x > 0) no inherit, y int);
create table nephew () inherits (animal, uncle);
insert into nephew values (1, 'n', 2, 3);
create function same(point3, point3) returns boolean language sql immutable as 'select $1 is not distinct from $2';
grant all on nnd to {p}guest_reader;
grant all on of_type to {p}guest_reader with grant option;
revoke update, delete on ident from {p}museum_owner;
revoke all on no_identity from {p}museum_owner;
create operator === (leftarg = point3, rightarg = point3, procedure = same, commutator = ===);
reset role;
set search_path = museum;
create operator class point3_ops for type point3 using hash as operator 1 ===;
alter operator class point3_ops using hash owner to {p}museum_owner;
alter operator family point3_ops using hash owner to {p}museum_owner;
set role {p}museum_owner;
create text search dictionary dict (template = pg_catalog.simple, stopwords = english);
create text search configuration conf (copy = pg_catalog.english);
alter text search configuration conf alter mapping for asciiword with dict;
create function variadic_(a int default 3, variadic b text[] default '{}') returns table (c int, d text) language sql stable strict parallel safe cost 7 rows 3 security definer set search_path = museum, pg_temp
  as $$ select 1, 'x' $$;
create function on_ddl() returns event_trigger language plpgsql as 'begin end';
create materialized view mat_opts with (autovacuum_enabled = false) as select 1 as a with data;
create index concurrently_ on mat_opts (a);
comment on type mood is 'moods'; comment on domain code is 'codes'; comment on constraint everything_note_check on everything is 'a check';
comment on trigger touched on everything is 'touches'; comment on index child_low is 'low'; comment on function shout(text) is 'loud'; comment on policy own on serials is 'p';
comment on rule up on updatable is 'r'; comment on sequence counter is 's'; comment on statistics child_stats is 'st'; comment on collation german is 'de'; comment on operator === (point3, point3) is 'op';
comment on aggregate total(int) is 'agg'; comment on procedure tidy() is 'proc'; comment on view v is 'view'; comment on column v.t is 'vcol'; comment on text search configuration conf is 'cfg';
comment on constraint positive_check on domain positive is 'dc'; comment on type point3 is 'composite'; comment on column point3.x is 'composite col';
reset role;
reset search_path;
create event trigger museum_ddl on ddl_command_end execute function museum.on_ddl();
alter event trigger museum_ddl disable;
create publication museum_pub for table museum.measured;
create cast (museum.point3 as text) with inout;
do $$ declare setting text; begin
  foreach setting in array array['datestyle = German', 'intervalstyle = sql_standard', 'bytea_output = escape', 'extra_float_digits = 0', 'xmloption = document',
    'timezone = "America/New_York"'] loop
    execute format('alter database %I set ', current_database()) || setting;
  end loop;
end $$;
