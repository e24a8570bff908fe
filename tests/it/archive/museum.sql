-- One of everything that a copy of a schema must not lose. {p} is the test's role prefix.
create role {p}museum_owner nologin;
create role {p}museum_writer nologin;
create role {p}museum_reader nologin;
create role {p}museum_app_a login connection limit 7;
create role {p}guest_reader nologin;
grant {p}museum_writer to {p}museum_app_a;
grant {p}museum_reader to {p}museum_writer;
grant {p}museum_reader to {p}museum_owner;
alter role {p}museum_app_a set statement_timeout = '5s';
do $$ begin execute format('alter role {p}museum_app_a in database %I set search_path = museum, "odd name"', current_database()); end $$;
alter default privileges for role {p}museum_owner revoke execute on functions from public;

create extension if not exists pgcrypto with schema public;
create schema museum authorization {p}museum_owner;
comment on schema museum is 'one of everything; it''s a "museum"';
grant usage on schema museum to {p}museum_reader, {p}guest_reader;
alter default privileges for role {p}museum_owner in schema museum grant select on tables to {p}museum_reader;
set role {p}museum_owner;
set search_path = museum;

create type mood as enum ('sad', 'ok', 'it''s; fine');
create domain positive as numeric check (value > 0);
create domain code as text collate "C" not null default 'x' check (value ~ '^[a-z\\;'']*$');
create type point3 as (x int, y numeric, label text);
create type floatrange as range (subtype = float8);
create collation german (provider = icu, locale = 'de-DE');
create collation lax (provider = icu, locale = 'und-u-ks-level2', deterministic = false);

create function shout(t text) returns text language sql immutable as $f$ select upper(t) || ';' $f$;
create function atomic(a int) returns int language sql stable begin atomic select case when a > 0 then a else 0 end; select a + 1; end;
create function touch() returns trigger language plpgsql as $body$ begin new.note := coalesce(new.note, '') || '$$;'; return new; end; $body$;
create procedure tidy() language plpgsql set search_path = museum as $$ begin perform 1; end $$;
create aggregate total(int) (sfunc = int4pl, stype = int, initcond = '0');
revoke all on function shout(text) from public;
grant execute on function shout(text) to {p}museum_reader with grant option;

create table everything (
  id bigint generated always as identity primary key,
  small smallint, whole integer, big bigint default 42, num numeric, money_ money,
  r real, d double precision, t text, v varchar(30), c char(5), name_ name, ch "char",
  raw bytea, ok boolean, day date, clock time, clocktz timetz, at timestamp, attz timestamptz, span interval,
  u uuid, j json, jb jsonb, x xml, ip inet, net cidr, mac macaddr, bits bit(3), vbits varbit,
  tsv tsvector, tsq tsquery, pt point, poly polygon, m mood, p positive, k code, p3 point3,
  ir int4range, fr floatrange, mr int4multirange, moods mood[], nested int[][], texts text[], p3s point3[],
  rc regclass, ga text collate german, la text collate lax,
  doubled numeric generated always as (num * 2) stored,
  note text default 'none' check (note <> 'bad')
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05, toast.autovacuum_enabled = false);
comment on table everything is E'two\nlines; \\ and a backslash';
comment on column everything.num is 'a number';
alter table everything alter column t set storage external;
alter table everything alter column whole set statistics 500;
alter table everything alter column whole set (n_distinct = -0.5);
insert into everything (small, whole, big, num, money_, r, d, t, v, c, name_, ch, raw, ok, day, clock, clocktz, at, attz, span, u, j, jb, x, ip, net, mac,
  bits, vbits, tsv, tsq, pt, poly, m, p, k, p3, ir, fr, mr, moods, nested, texts, p3s, rc, ga, la)
select -32768, 2147483647, 9223372036854775807, 1.10, '$1,234.56', 'infinity', 'nan', E'tab\there\nline\rcr\\back\bs\f\v \\N \\. ''q'' "d" ü 🏛', '', 'a  ', 'n', 'x',
  '\x00ff0a0d5c', true, 'infinity', '24:00:00', '12:00:00.123456+05:30', '9999-12-31 23:59:59.999999', '-infinity', '-1 year 2 mons -3 days 04:05:06.789',
  '00112233-4455-6677-8899-aabbccddeeff', '{"a": 1.0,  "a": 2}', '{"z": 1.00, "a": [null, "\u00e4"]}', '<a b="c">&lt;</a>', '::1/128', '10.0.0.0/8', '08:00:2b:01:02:03',
  B'101', B'1', 'a:1 fat:2A', 'a & !b', '(1.5,-0)', '((0,0),(1,1),(1,0))', 'it''s; fine', 0.10, 'abc', row(1, 2.50, 'a,"b"')::point3, '[1,5)', '(-infinity,1.5]', '{[1,2),[5,9)}',
  '{sad,"it''s; fine"}', '{{1,2},{3,null}}', array['a,b', 'null', null, '', E'\\'], array[row(1, null, '')::point3], 'museum.everything', 'Ä', 'ä'
from generate_series(1, 3);
insert into everything (k, t, num, at, attz, day) values ('b', '', 'NaN', '294276-12-31 23:59:59', '4713-01-01 00:00:00 BC', '5874897-12-31'),
  ('c', null, 'Infinity', 'infinity', '20000-01-01 00:00:00+00', '4713-01-01 BC'), ('d', E'\\.', '-Infinity', null, null, null), ('e', E'\\N', 123456789012345678901234567890.000000000000000000001, null, null, null);
insert into everything (k, t) select 'big', repeat(md5(g::text), 3000) from generate_series(1, 5) g;
update everything set clocktz = clocktz where id = 2;

create table "odd ""name"";--" ("a column" int, "b;'" text, primary key ("a column", "b;'"));
insert into "odd ""name"";--" values (1, 'x'), (1, 'y'), (2, E'\\');
create table no_columns ();
insert into no_columns select from generate_series(1, 4);
create table only_generated (a int generated always as (1) stored);
create table no_key (a int, b text);
insert into no_key values (1, 'twice'), (1, 'twice'), (null, null);
create unlogged table scratch (a int);
insert into scratch values (7);
create table dropped_column (a int, gone text, b int not null);
insert into dropped_column select g, 'x', g from generate_series(1, 10) g;
alter table dropped_column drop column gone;

create table measured (id int not null, at date not null, value numeric, primary key (id, at)) partition by range (at);
create table measured_2025 partition of measured for values from ('2025-01-01') to ('2026-01-01');
create table measured_2026 partition of measured for values from ('2026-01-01') to ('2027-01-01') partition by hash (id);
create table measured_2026_0 partition of measured_2026 for values with (modulus 2, remainder 0);
create table measured_2026_1 partition of measured_2026 for values with (modulus 2, remainder 1);
create table measured_rest partition of measured default;
create index on measured (value);
insert into measured select g, date '2024-06-01' + g, g / 3.0 from generate_series(1, 900) g;

create table animal (id int primary key, name text);
create table dog (barks boolean) inherits (animal);
insert into animal values (1, 'cat');
insert into dog values (2, 'rex', true);

create sequence counter start 100 increment -5 minvalue -1000 maxvalue 1000 cycle;
select nextval('counter'), nextval('counter');
create sequence unused;
create table serials (id serial primary key, other int generated by default as identity (start with 50));
insert into serials (id) values (default), (default);

create table parent (id int primary key, code text unique, during int4range, exclude using gist (during with &&));
create table child (id int primary key, parent int not null references parent on delete cascade deferrable initially deferred,
  again text references parent (code) match full, self int references child);
create table loose (parent int);
alter table loose add constraint loose_fk foreign key (parent) references parent not valid;
insert into parent values (1, 'a', '[1,2)'), (2, 'b', '[2,3)');
insert into child values (1, 1, 'a', 2), (2, 2, null, 1);
create table part_child (id int, at date, foreign key (id, at) references measured);
insert into part_child select id, at from measured limit 5;
set constraints all immediate;
create unique index child_low on child (lower(again)) include (parent) where parent > 0;
create index child_fn on child (shout(again)) with (fillfactor = 60);
create index child_brin on child using brin (id);
alter table child replica identity using index child_pkey;
alter table no_key replica identity full;
alter table parent cluster on parent_pkey;
alter table parent add constraint soon unique (during) deferrable;
create statistics child_stats (ndistinct, dependencies) on parent, self from child;
alter statistics child_stats set statistics 200;

create trigger touched before insert or update on everything for each row when (new.id > 0) execute function touch();
create trigger off after insert on child for each statement execute function touch();
alter table child disable trigger off;
create trigger always_ before insert on no_key for each row execute function touch();
alter table no_key enable always trigger always_;
create trigger replica_ before insert on loose for each row execute function touch();
alter table loose enable replica trigger replica_;
create rule redirect as on insert to dropped_column where new.a < 0 do instead (insert into no_key values (new.a, ';'); select 1; );
alter table dropped_column disable rule redirect;

alter table serials enable row level security;
create policy own on serials for select to {p}museum_reader using (id > 0);
create view v as select id, t from everything where ok with local check option;
create view grouped as select p.*, count(c.id) from parent p left join child c on c.parent = p.id group by p.id;
create view hashed as select id, encode(public.digest(t, 'sha256'), 'hex') as h from everything;
create view updatable with (security_barrier = true) as select * from no_key;
create rule up as on update to updatable do instead nothing;
create materialized view z_first as select id, num from everything with data;
create unique index on z_first (id);
create view between_ as select count(*) as n from z_first;
create materialized view a_second as select n from between_;
create materialized view empty_ as select 1 as one with no data;
comment on materialized view a_second is 'reads z_first through a view';
grant select on v, a_second to {p}guest_reader;
grant select (id), update (note) on everything to {p}guest_reader;
grant usage on type mood to {p}guest_reader;
revoke usage on type mood from public;
grant usage on sequence counter to {p}museum_writer;
reset role;
reset search_path;
