-- Each block: `-- RULE | from | to`, the dependent and what it needs, then the SQL that brings it about. `-- none | from |`
-- says that no coupling or hygiene rule may tell of it. @o and @b are the schemas of two services, @u is nobody's, @x is
-- the extensions'; all blocks are run by a superuser in one database, and judged together.

-- given
create role @o_owner; create role @o_app login connection limit 5 password 'x'; create schema @o authorization @o_owner;
create role @b_owner; create role @b_app login connection limit 5 password 'x'; create schema @b authorization @b_owner;
create schema @u; create schema @x;
create type @b.currency as enum ('EUR'); create type @b.pair as (a int, b int); create domain @b.iban as text;
create sequence @b.numbers; create sequence @o.own_numbers;
create table @b.invoices (id bigint primary key, amount bigint, class text, unique (id, amount));
create table @b.ledger (id bigint, day date) partition by range (day);
create table @o.orders (id bigint primary key, amount bigint, note text);
create function @b.round(bigint) returns bigint language sql immutable as 'select $1';
create function @b.is_fine(bigint) returns boolean language sql immutable as 'select true';
create function @b.touch() returns trigger language plpgsql as 'begin return new; end';
create table @u.countries (code text primary key);
create function @u.helper() returns int language sql as 'select 1';
create collation @b.coll (provider = libc, locale = 'C');
create text search configuration @b.cfg (copy = pg_catalog.simple);
create text search dictionary @b.dict (template = pg_catalog.simple);

-- CPL01 | fk_plain on @o.orders | @b.invoices
alter table @o.orders add invoice bigint; alter table @o.orders add constraint fk_plain foreign key (invoice) references @b.invoices;
-- CPL01 | fk_unchecked on @o.orders | @b.invoices
alter table @o.orders add constraint fk_unchecked foreign key (invoice) references @b.invoices not valid;
-- CPL01 | fk_two on @o.two | @b.invoices
create table @o.two (a bigint, b bigint, constraint fk_two foreign key (a, b) references @b.invoices (id, amount));
-- CPL01 | fk_parted on @o.parted_fk | @b.invoices
create table @o.parted_fk (a bigint, constraint fk_parted foreign key (a) references @b.invoices) partition by list (a);
create table @o.parted_fk_1 partition of @o.parted_fk for values in (1);
-- none | @o.parted_fk_1 |
select;
-- CPL02 | @o.view_one | @b.invoices
create view @o.view_one as select id from @b.invoices;
-- CPL02 | @o.view_deep | @b.invoices
create view @o.view_deep as with x as (select 1) select * from x where exists (select from @b.invoices);
-- CPL02 | @o.mat | @b.invoices
create materialized view @o.mat as select count(*) from @b.invoices with no data;
-- CPL05 | @o.view_call | @b.round(bigint)
create view @o.view_call as select @b.round(1) as x;
-- CPL03 | @o.view_cast | @b.iban
create view @o.view_cast as select 'x'::@b.iban::text as x;
-- CPL02 | rule_insert on @o.orders | @b.invoices
create rule rule_insert as on insert to @o.orders do also update @b.invoices set class = 'x' where id = new.id;
-- CPL02 | @o.child | @b.invoices
create table @o.child () inherits (@b.invoices);
-- CPL02 | @o.ledger_2026 | @b.ledger
create table @o.ledger_2026 partition of @b.ledger for values from ('2026-01-01') to ('2027-01-01');
-- CPL02 | @u.spy | @o.orders
create view @u.spy as select id from @o.orders;
-- CPL03 | @o.orders.currency | @b.currency
alter table @o.orders add currency @b.currency;
-- CPL03 | @o.orders.currencies | @b.currency[]
alter table @o.orders add currencies @b.currency[];
-- CPL03 | @o.orders.account | @b.iban
alter table @o.orders add account @b.iban;
-- CPL03 | @o.orders.row_of | @b.invoices
alter table @o.orders add row_of @b.invoices;
-- CPL03 | @o.kind | @b.iban
create domain @o.kind as @b.iban;
-- CPL03 | @o.mixed.y | @b.currency
create type @o.mixed as (x int, y @b.currency);
-- CPL03 | @o.typed | @b.pair
create table @o.typed of @b.pair;
-- CPL03 | @o.span | @b.iban
create type @o.span as range (subtype = @b.iban);
-- CPL03 | @o.takes(@b.currency) | @b.currency
create function @o.takes(@b.currency) returns int language sql as 'select 1';
-- CPL03 | @o.gives() | @b.currency
create function @o.gives() returns setof @b.currency language sql as 'select null::@b.currency';
-- CPL03 | @o.gives_table() | @b.currency
create function @o.gives_table(out a int, out b @b.currency) language sql as 'select 1, null::@b.currency';
-- CPL03 | is_iban on @o.orders | @b.iban
alter table @o.orders add constraint is_iban check (note::@b.iban is not null);
-- CPL04 | @o.orders.no | @b.numbers
alter table @o.orders add no bigint default nextval('@b.numbers');
-- CPL04 | @o.next() | @b.numbers
create function @o.next() returns bigint language sql begin atomic select nextval('@b.numbers'::regclass); end;
-- none | @o.orders.own_no |
alter table @o.orders add own_no bigint default nextval('@o.own_numbers');
-- CPL05 | @o.orders.rounded | @b.round
alter table @o.orders add rounded bigint default @b.round(1);
-- CPL05 | @o.orders.generated | @b.round
alter table @o.orders add generated bigint generated always as (@b.round(amount)) stored;
-- CPL05 | is_positive on @o.orders | @b.is_fine
alter table @o.orders add constraint is_positive check (@b.is_fine(amount));
-- CPL05 | cents_fine on @o.cents | @b.is_fine
create domain @o.cents as bigint constraint cents_fine check (@b.is_fine(value));
-- CPL05 | @o.index_expression | @b.round
create index index_expression on @o.orders (@b.round(amount));
-- CPL05 | @o.index_predicate | @b.is_fine
create index index_predicate on @o.orders (id) where @b.is_fine(amount);
-- CPL05 | @o.no_overlap | @b.is_fine
alter table @o.orders add constraint no_overlap exclude using btree (amount with =) where (@b.is_fine(amount));
-- CPL05 | @o.keyed | @b.round
create table @o.keyed (id bigint) partition by range (@b.round(id));
-- CPL05 | paid on @o.orders | @b.invoices
create policy paid on @o.orders using (exists (select from @b.invoices i where i.id = orders.id));
-- CPL05 | checked on @o.orders | @b.is_fine
create policy checked on @o.orders for insert with check (@b.is_fine(amount));
-- CPL05 | touched on @o.orders | @b.touch()
create trigger touched before insert on @o.orders for each row execute function @b.touch();
-- CPL05 | sometimes on @o.orders | @b.is_fine
create function @o.own_touch() returns trigger language plpgsql as 'begin return new; end';
create trigger sometimes before update on @o.orders for each row when (@b.is_fine(new.amount)) execute function @o.own_touch();
-- CPL05 | @o.atomic() | @b.invoices
create function @o.atomic() returns bigint language sql begin atomic select count(*) from @b.invoices; end;
-- CPL05 | @o.defaulted(bigint) | @b.round
create function @o.defaulted(x bigint default @b.round(1)) returns int language sql as 'select 1';
-- CPL05 | @o.total(bigint) | @b.round
create function @b.add(bigint, bigint) returns bigint language sql immutable as 'select $1 + $2';
create aggregate @o.total(bigint) (sfunc = @b.add, stype = bigint, finalfunc = @b.round);
-- CPL06 | @o.plain() | @b.invoices
create function @o.plain() returns bigint language plpgsql as 'begin return (select count(*) from @b.invoices); end';
-- CPL06 | @o.stringy() | @b.invoices
create function @o.stringy() returns bigint language sql as 'select count(*) from @b.invoices';
-- CPL06 | @o.calls() | @b.round
create procedure @o.calls() language plpgsql as 'begin perform @b.round(1); end';
-- CPL06 | @o.declares() | @b.invoices
create function @o.declares() returns int language plpgsql as 'declare r @b.invoices%rowtype; begin return 1; end';
-- CPL06 | @o.loops() | @b.invoices
create function @o.loops() returns int language plpgsql as 'declare r record; begin for r in select * from @b.invoices loop null; end loop; return 1; end';
-- CPL06 | @o.formatted() | @b.invoices
create function @o.formatted() returns int language plpgsql as $f$ begin execute 'delete from @b.invoices'; return 1; end $f$;
-- CPL06 | @o.dynamic(text) | dynamic SQL
create function @o.dynamic(t text) returns int language plpgsql as $f$ begin execute t; return 1; end $f$;
-- CPL06 | @o.by_path() | @b.invoices
create function @o.by_path() returns bigint language plpgsql set search_path = @o, @b as 'begin return (select count(*) from invoices); end';
-- CPL06 | @o.to_nobody() | @u.countries
create function @o.to_nobody() returns bigint language plpgsql as 'begin return (select count(*) from @u.countries); end';
-- CPL06 | @o.orders.late_no | @b.numbers
alter table @o.orders add late_no bigint default nextval('@b.numbers'::text::regclass);
-- CPL06 | late on @o.orders | @b.numbers
create policy late on @o.orders using (id < currval('@b.numbers'::text::regclass));
-- CPL06 | @o.view_late | @b.numbers
create view @o.view_late as select currval('@b.numbers'::text::regclass) as x;
-- CPL06 | @o.orders.source | regclass data
alter table @o.orders add source regclass;
-- CPL06 | @o.orders.sources | data
alter table @o.orders add sources regtype[];
-- none | @o.mentions() |
create function @o.mentions() returns text language plpgsql as $f$ begin -- once read @b.invoices
  /* and @b.ledger */ return 'see @b.invoices'; end $f$;
-- none | @o.uses_own() |
create function @o.uses_own() returns bigint language plpgsql as 'begin return (select count(*) from @o.orders); end';
-- none | @o.uses_system() |
create function @o.uses_system() returns bigint language plpgsql as 'begin return (select count(*) from pg_catalog.pg_class); end';
-- CPL06 | @o.orders.object | data
alter table @o.orders add object oid;
-- CPL06 | @o.wrapped.w | data
create type @o.wrapper as (x regclass); create table @o.wrapped (w @o.wrapper);
-- CPL06 | @o.late_number | @b.numbers
create domain @o.late_number as bigint default nextval('@b.numbers'::text::regclass);
-- CPL06 | @o.late_argument(oid) | @b.invoices
create function @o.late_argument(x oid default to_regclass('@b.invoices')) returns int language sql as 'select 1';
-- CPL06 | @o.late_body() | @b.numbers
create function @o.late_body() returns bigint language sql begin atomic select nextval('@b.numbers'::text::regclass); end;
-- CPL06 | late_rule on @o.wrapped | @b.numbers
create rule late_rule as on insert to @o.wrapped do also select nextval('@b.numbers'::text::regclass);
-- CPL06 | late_trigger on @o.orders | @b.invoices
create trigger late_trigger before update on @o.orders for each row when (to_regclass('@b.invoices') is not null) execute function @o.own_touch();
-- CPL06 | argument on @o.orders | @b.ledger
create trigger argument before update on @o.orders for each row execute function @o.own_touch('@b.ledger');
-- none | no_argument on @o.orders |
create trigger no_argument before update on @o.orders for each row execute function @o.own_touch('@b.nothing', 'a.b');
-- CPL06 | @o.searches() | @b.cfg
create function @o.searches() returns tsvector language sql as $f$ select to_tsvector('@b.cfg', 'x') $f$;
-- none | @o.searches_for() |
create function @o.searches_for() returns tsvector language sql as $f$ select to_tsvector('@b.cfg') $f$;
-- CPL05 | event trigger @o_watch | @o.watch()
create function @o.watch() returns event_trigger language plpgsql as 'begin end';
create event trigger @o_watch on sql_drop execute function @o.watch(); alter event trigger @o_watch disable;
-- CPL10 | role @o_app | @b.cfg
alter role @o_app set default_text_search_config = '@b.cfg';
-- CPL10 | @o.sets_cfg() | @b.cfg
create function @o.sets_cfg() returns int language sql set default_text_search_config = '@b.cfg' as 'select 1';
-- CPL10 | @o.own_conv | @b.conv
create function @b.conv(integer, integer, cstring, internal, integer, boolean) returns integer language c strict as '$libdir/latin2_and_win1250', 'latin2_to_win1250';
create conversion @o.own_conv for 'LATIN2' to 'WIN1250' from @b.conv;
-- CPL07 | @o | extension citext
create extension citext schema @b; alter table @o.orders add alias @b.citext;
-- CPL08 | @o.remote | foreign server @o_server
create foreign data wrapper @o_wrapper; create server @o_server foreign data wrapper @o_wrapper; create foreign table @o.remote (x int) server @o_server;
-- CPL09 | @o | publication @o_mixed
create publication @o_mixed for table @o.two, @b.invoices;
-- CPL09 | @b | publication @o_mixed
select;
-- CPL09 | @o | publication @o_whole
create publication @o_whole for tables in schema @o;
-- CPL10 | (@b.currency AS @o.mixed) | @o.mixed
create function @o.cast_to(@b.currency) returns @o.mixed language sql as 'select null::@o.mixed';
create cast (@b.currency as @o.mixed) with function @o.cast_to(@b.currency);
-- CPL10 | @o.=== | @b.same
create function @b.same(text, text) returns boolean language sql immutable as 'select true';
create operator @o.=== (leftarg = text, rightarg = text, function = @b.same);
-- CPL10 | @o.two.words | @b.coll
alter table @o.two add words text collate @b.coll;
-- CPL10 | @o.index_collated | @b.coll
create index index_collated on @o.two (words collate @b.coll);
-- CPL10 | @o.own_cfg | @b.dict
create text search configuration @o.own_cfg (copy = pg_catalog.simple);
alter text search configuration @o.own_cfg alter mapping for word with @b.dict;
-- CPL10 | @o.two.vector | @b.cfg
alter table @o.two add vector tsvector generated always as (to_tsvector('@b.cfg'::regconfig, 'x')) stored;
-- CPL10 | @o.index_class | @b.ops
create operator class @b.ops for type int using btree as operator 1 <, operator 2 <=, operator 3 =, operator 4 >=, operator 5 >, function 1 btint4cmp(int, int);
create table @o.classy (x int); create index index_class on @o.classy (x @b.ops);
-- CPL11 | @o.by_path() | schema @b
select;
-- CPL11 | role @o_app | schema @b
alter role @o_app set search_path = @o, @b;
-- none | @o.own_path() |
create function @o.own_path() returns int language sql set search_path = pg_catalog, @o, pg_temp as 'select 1';
-- CPL13 | @b.stats | @o.two
create statistics @b.stats on a, b from @o.two;
-- CPL14 | country_fk on @o.orders | @u.countries
alter table @o.orders add country text; alter table @o.orders add constraint country_fk foreign key (country) references @u.countries;
-- CPL14 | @o.view_nobody | @u.helper()
create view @o.view_nobody as select @u.helper() as x;
-- CPL14 | @o | extension pg_trgm
create extension pg_trgm schema @x; create index index_trgm on @o.orders using gin (note @x.gin_trgm_ops);
-- none | @o.system_view |
create view @o.system_view as select relname from pg_catalog.pg_class;
-- HYG01 | @u.stray | @u.stray
create table @u.stray (x int); alter table @u.stray owner to @o_owner;
-- HYG01 | @u.stray_function() | @u.stray_function()
create function @u.stray_function() returns int language sql as 'select 1'; alter function @u.stray_function() owner to @o_owner;
-- HYG02 | schema @u | schema @u
select;
-- none | schema @x |
select;
-- HYG03 | role @p_bridge | role @p_bridge
create role @p_bridge; grant @o_owner to @p_bridge; grant @b_owner to @p_bridge;
-- HYG03 | role @p_nobody | role @p_nobody
create role @p_nobody login password 'x';
-- none | role @p_group |
create role @p_group; grant @p_group to @o_app;
-- HYG04 | @b.left_behind | @b.left_behind
create role @p_gone; create table @b.left_behind (x int); grant select on @b.left_behind to @p_gone;
delete from pg_catalog.pg_authid where rolname = '@p_gone';
-- HYG06 | @o.by_app | @o.by_app
create table @o.by_app (x int); alter table @o.by_app owner to @o_app;
-- HYG01 | large objects of @o_owner | large objects
select lo_create(0); do $f$ declare l oid; begin select max(oid) into l from pg_largeobject_metadata; execute format('alter large object %s owner to @o_owner', l); end $f$;
-- HYG04 | @b.policed | @b.policed
create role @p_lost; create table @b.policed (x int); create policy p on @b.policed to @p_lost using (true);
delete from pg_catalog.pg_authid where rolname = '@p_lost';
-- HYG06 | @o.by_superuser | @o.by_superuser
create table @o.by_superuser (x int);
-- HYG06 | schema @p_left | schema @p_left
create role @p_left_app; create schema @p_left;
-- HYG06 | @o.revoked | @o.revoked
create table @o.revoked (x int); alter table @o.revoked owner to @o_owner; revoke all on @o.revoked from @o_owner;
-- HYG07 | setting app.jwt_secret of role @o_app | setting
alter role @o_app set app.jwt_secret = 'hunter2hunter2';
-- HYG07 | setting app.url of role @b_app | setting
alter role @b_app set app.url = 'postgresql://billing:hunter2@db/billing';
-- HYG07 | @o.dials() | @o.dials()
create function @o.dials() returns int language plpgsql as $f$ begin perform dblink('host=db user=billing password=hunter2'); return 1; end $f$;
-- HYG07 | @o.makes_role() | @o.makes_role()
create function @o.makes_role() returns int language plpgsql as $f$ begin alter role nobody password 'hunter2'; return 1; end $f$;
-- HYG07 | comment on table @o.orders | comment
comment on table @o.orders is 'ask for AKIAABCDEFGHIJKLMNOP';
-- HYG07 | comment on role @o_app | comment
comment on role @o_app is 'password: hunter2hunter2';
-- HYG07 | foreign server @o_server | foreign server
alter server @o_server options (add password 'hunter2');
-- HYG07 | @o.key_view | @o.key_view
create view @o.key_view as select 'sk_live_abcdefghijklmnop'::text as k;
-- HYG07 | @o.signs(text) | @o.signs
create function @o.signs(d text) returns int language plpgsql as $f$ begin return length(hmac(d, 'hunter2-signing', 'sha256')); end $f$;
-- HYG07 | @o.declares_key() | @o.declares_key
create function @o.declares_key() returns int language plpgsql as $f$ declare api_key text := 'hunter2hunter2'; begin return 1; end $f$;
-- HYG07 | @o.names_it() | @o.names_it
create function @o.names_it() returns text language sql as $f$ select 'hunter2' as password $f$;
-- HYG07 | @o.api_secret() | @o.api_secret
create function @o.api_secret() returns text language sql begin atomic select 'hunter2'; end;
-- HYG07 | @o.bears() | @o.bears
create function @o.bears() returns text language sql as $f$ select 'Authorization: Bearer hunter2hunter2hunter2' $f$;
-- HYG07 | @o.dials_by_default(text) | @o.dials_by_default
create function @o.dials_by_default(x text default 'postgres://u:hunter2@h/d') returns int language sql as 'select 1';
-- HYG07 | open_policy on @o.two | open_policy
create policy open_policy on @o.two using (current_setting('x') = 'postgres://u:hunter2@h/d');
-- HYG07 | dialled on @o.two | dialled
alter table @o.two add constraint dialled check (words <> 'postgres://u:hunter2@h/d');
-- HYG07 | noisy on @o.two | noisy
create rule noisy as on delete to @o.two do also select 'postgres://u:hunter2@h/d';
-- HYG07 | argued on @o.two | argued
create trigger argued before update on @o.two for each row execute function @o.own_touch('password=hunter2');
-- HYG07 | @o.dialled_by | @o.dialled_by
create domain @o.dialled_by as text default 'postgres://u:hunter2@h/d';
-- HYG07 | @o.keeps | @o.keeps
create table @o.keeps (api_key text default 'hunter2hunter2');
-- HYG07 | @o.remote.x | @o.remote.x
alter foreign table @o.remote alter column x options (add password 'hunter2');
-- HYG07 | setting app.signing_key of role @b_app | setting
alter role @b_app set app.signing_key = 'hunter2';
-- HYG07 | comment on column @o.orders.note | comment
comment on column @o.orders.note is 'decrypt with passphrase=hunter2';
-- none | setting app.token_ttl of role @b_app |
alter role @b_app set app.token_ttl = '3600'; alter role @b_app set app.tenant = 'acme-corp';
-- none | @o.expires_tokens() |
create function @o.expires_tokens() returns int language plpgsql as $f$ begin update @o.orders set note = 'expired'; return 1; end $f$;
-- none | @o.asks_setting() |
create function @o.asks_setting() returns text language sql as $f$ select 'host=x password=' || current_setting('app.pw') $f$;
-- none | comment on table @o.wrapped |
comment on table @o.wrapped is 'foreign key order_id2; primary key: id; see KEY-1234; password: required';
-- none | @o.checks_password(text) |
create function @o.checks_password(password text) returns boolean language plpgsql as $f$ begin return password = $1 and length(password) > 8; end $f$;
-- none | comment on table @o.two |
comment on table @o.two is 'the password is kept elsewhere; rotate the token daily';
-- INF01 | PUBLIC | names
select;
-- INF02 | PUBLIC | NOTIFY
select;
