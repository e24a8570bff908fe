-- Our own cases, in one file: `-- case slug | rule | principal | what its object or path holds | majors`.
-- A rule of `-` is a control. What stands before `-- @leak` is the legitimate context.

-- case sequence_usage | ACC03 | orders_app | billing.invoice_no_seq
grant usage on schema billing to orders_app;
-- @leak
grant usage on sequence billing.invoice_no_seq to orders_app;

-- case partition_select | ACC01 | orders_app | billing.ledger_2025
grant usage on schema billing to orders_app;
-- @leak
grant select on billing.ledger_2025 to orders_app;

-- case system_column_select | ACC02 | orders_app | billing.invoices.ctid
grant usage on schema billing to orders_app;
-- @leak
grant select (ctid) on billing.invoices to orders_app;

-- case domain_usage | ACC05 | orders_migrator | billing.iban
grant usage on schema billing to orders_owner;
-- @leak
grant usage on domain billing.iban to orders_owner;

-- case policy_for_a_stranger | ACC08 | orders_ro | shipping.shipments
alter table shipping.shipments enable row level security;
grant usage on schema shipping to orders_ro;
grant select on shipping.shipments to orders_ro;
-- @leak
create policy pub on shipping.shipments for select to orders_ro using (tenant = 'public');

-- case superuser_by_set | ATT01 | orders_app | ops
create role ops superuser nologin;
-- @leak
grant ops to orders_app;

-- case replication | ATT03 | orders_app | orders_app
-- @leak
alter role orders_app replication;

-- case createdb | ATT05 | orders_migrator | orders_migrator
-- @leak
alter role orders_migrator createdb;

-- case database_setting_role | ATT07 | orders_app | billing_ro
alter role orders_app noinherit;
grant billing_ro to orders_app;
-- @leak
alter role orders_app in database zoo set role = 'billing_ro';

-- case admin_through_a_group | MEM03 | orders_app | billing_ro | 16
create role leads;
grant leads to orders_app;
-- @leak
grant billing_ro to leads with admin true, inherit false, set false;

-- case unmanaged_login_in_an_owner | MEM01 | consultant | billing_ro
create role consultant login;
-- @leak
grant billing_ro to consultant;

-- case through_pg_monitor | PRE03 | orders_app | pg_monitor
-- @leak
grant pg_monitor to orders_app;

-- case schema_owner | OWN02 | orders_migrator | schema billing
-- @leak
alter schema billing owner to orders_owner;

-- case table_owner | OWN01 | orders_migrator | billing.payments
grant usage, create on schema billing to orders_owner;
-- @leak
alter table billing.payments owner to orders_owner;

-- case definer_by_trigger | DEF01 | orders_owner | billing.seen()
create function billing.seen() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$ begin insert into billing.ledger values (9, '2026-01-01', 1); return new; end $$;
alter function billing.seen() owner to billing_owner;
-- @leak
create trigger seen after insert on orders.orders for each row execute function billing.seen();

-- case definer_path_others_create_in | DEF03 | billing_owner | billing.f()
create function billing.f() returns int language sql security definer set search_path = billing, pg_temp as $$ select 1 $$;
alter function billing.f() owner to billing_owner;
-- @leak
grant create on schema billing to orders_app;

-- case definer_without_pg_temp | DEF03 | billing_owner | billing.f()
-- @leak
create function billing.f() returns int language plpgsql security definer set search_path = billing as $$ begin return 1; end $$;
alter function billing.f() owner to billing_owner;

-- case materialized_copy | VIW03 | orders_app | billing.payments
-- @leak
create materialized view orders.copy as select * from billing.payments;
alter materialized view orders.copy owner to orders_owner;
grant select on orders.copy to orders_app;

-- case view_writes_through | VIW01 | orders_app | billing.invoices
grant usage on schema billing to orders_owner;
grant select, update on billing.invoices to orders_owner;
-- @leak
create view orders.v as select id, amount_cents from billing.invoices;
alter view orders.v owner to orders_owner;
grant update on orders.v to orders_app;

-- case invoker_view_inside_owner_view | VIW01 | orders_app | billing.invoices
grant usage on schema billing to orders_app;
grant select on billing.invoices to orders_app;
create view billing.inner_v with (security_invoker = true) as select id from billing.invoices;
alter view billing.inner_v owner to billing_owner;
-- @leak
create view orders.outer_v as select * from billing.inner_v;
alter view orders.outer_v owner to billing_owner;
grant select on orders.outer_v to orders_app;

-- case child_in_another_schema | INH01 | orders_app | billing.special
-- @leak
create table billing.special () inherits (orders.orders);
alter table billing.special owner to billing_owner;
grant select on orders.orders to orders_app;

-- case partition_in_another_schema | INH01 | billing_app | shipping.ledger_2027
-- @leak
create table shipping.ledger_2027 partition of billing.ledger for values from ('2027-01-01') to ('2028-01-01');
alter table shipping.ledger_2027 owner to shipping_owner;

-- case foreign_key_oracle | FKX01 | orders_owner | billing.invoices
-- @leak
alter table orders.orders add column invoice bigint references billing.invoices;

-- case cascading_foreign_key | FKX02 | billing_owner | orders.orders
-- @leak
alter table orders.orders add column invoice bigint references billing.invoices on delete cascade;

-- case inbound_check | INB01 | orders_app | billing.invoices
create function orders.fine(bigint) returns boolean language sql immutable as $$ select true $$;
alter function orders.fine(bigint) owner to orders_owner;
-- @leak
alter table billing.invoices add check (orders.fine(amount_cents));

-- case inbound_index | INB01 | orders_app | billing.invoices
create function orders.fold(bigint) returns bigint language sql immutable as $$ select $1 $$;
alter function orders.fold(bigint) owner to orders_owner;
-- @leak
create index on billing.invoices (orders.fold(amount_cents));

-- case inbound_policy | INB01 | orders_app | billing.invoices
create function orders.may() returns boolean language sql stable as $$ select true $$;
alter function orders.may() owner to orders_owner;
-- @leak
create policy p on billing.invoices using (orders.may());

-- case inbound_trigger | INB01 | orders_app | billing.invoices
create function orders.spy() returns trigger language plpgsql as $$ begin return new; end $$;
alter function orders.spy() owner to orders_owner;
-- @leak
create trigger spy before insert on billing.invoices for each row execute function orders.spy();

-- case event_trigger | INB02 | orders_migrator | event trigger watch
create function orders.watch() returns event_trigger language plpgsql as $$ begin end $$;
alter function orders.watch() owner to orders_owner;
-- @leak
create event trigger watch on ddl_command_start execute function orders.watch();

-- case policy_that_is_true | RLS01 | orders_ro | shipping.shipments
grant usage on schema shipping to orders_ro;
grant select on shipping.shipments to orders_ro;
alter table shipping.shipments enable row level security;
-- @leak
create policy pub on shipping.shipments for select to orders_ro using (true);

-- case row_security_forgotten | RLS01 | orders_ro | shipping.shipments
grant usage on schema shipping to orders_ro;
grant select on shipping.shipments to orders_ro;
create policy pub on shipping.shipments for select to orders_ro using (tenant = 'public');
alter table shipping.shipments enable row level security;
-- @leak
alter table shipping.shipments disable row level security;

-- case large_objects_compat | LOB02 | PUBLIC | database
-- @leak
alter database zoo set lo_compat_privileges = on;

-- case server_usage | FDW02 | orders_app | foreign server away
create extension postgres_fdw;
create server away foreign data wrapper postgres_fdw options (host 'far.example.org');
-- @leak
grant usage on foreign server away to orders_app;

-- case foreign_credentials | FDW03 | orders_app | billing_app
create extension postgres_fdw;
create server away foreign data wrapper postgres_fdw options (host 'db.example.org');
-- @leak
create user mapping for orders_app server away options (user 'billing_app', password 'x');

-- case publication_table | PUB01 | orders_owner | billing.invoices
create publication p for table orders.orders;
alter publication p owner to postgres;
grant create on database zoo to orders_owner;
alter publication p owner to orders_owner;
-- @leak
alter publication p add table billing.invoices;

-- case publication_all | PUB01 | postgres | all tables
-- @leak
create publication everything for all tables;

-- case catalog_grant | SYS02 | orders_app | pg_catalog.pg_authid
-- @leak
grant select on pg_catalog.pg_authid to orders_app;

-- case catalog_column_grant | SYS02 | orders_app | pg_catalog.pg_authid
-- @leak
grant select (rolname, rolpassword) on pg_catalog.pg_authid to orders_app;

-- case tablespace | SYS04 | orders_migrator | tablespace fast
set allow_in_place_tablespaces = true;
create tablespace fast location '';
-- @leak
grant create on tablespace fast to orders_owner;

-- case public_connect | DB01 | shipping_app | database zoo
-- @leak
grant connect on database zoo to public;

-- case global_default_privilege | FUT01 | orders_app | future tables of billing_owner
grant usage on schema billing to orders_app;
-- @leak
alter default privileges for role billing_owner grant select on tables to orders_app;

-- case default_privilege_without_usage | - | orders_app | billing
-- @leak
alter default privileges for role billing_owner in schema billing grant select on tables to orders_app;

-- case sequence_grant_without_usage | - | orders_app | billing
-- @leak
grant usage on sequence billing.invoice_no_seq to orders_app;

-- case disabled_trigger | - | orders_app | billing
create function orders.spy() returns trigger language plpgsql as $$ begin return new; end $$;
alter function orders.spy() owner to orders_owner;
-- @leak
create trigger spy before insert on billing.invoices for each row execute function orders.spy();
alter table billing.invoices disable trigger spy;

-- case empty_materialized_view | - | orders_app | billing
-- @leak
create materialized view orders.later as select * from billing.payments with no data;
alter materialized view orders.later owner to orders_owner;
grant select on orders.later to orders_app;

-- case policy_without_grant | - | orders_ro | shipping
-- @leak
create policy pub on shipping.shipments for select to orders_ro using (tenant = 'public');

-- case own_settings_role | - | orders_migrator | orders
-- @leak
alter role orders_migrator in database zoo set role = 'orders_owner';

-- case usage_by_one_role_privilege_by_another | - | orders_app | billing | 16
create role uses; create role reads;
grant usage on schema billing to uses;
grant select on billing.invoices to reads;
grant uses to orders_app with inherit false, set true;
-- @leak
grant reads to orders_app with inherit false, set true;

-- case column_insert | ACC02 | orders_app | billing.invoices.order_id
grant usage on schema billing to orders_app;
-- @leak
grant insert (order_id, amount_cents) on billing.invoices to orders_app;

-- case column_references | ACC02 | orders_migrator | billing.invoices.id
grant usage on schema billing to orders_owner;
-- @leak
grant references (id) on billing.invoices to orders_owner;

-- case column_public | ACC07 | shipping_app | billing.invoices.amount_cents
grant usage on schema billing to shipping_app;
-- @leak
grant select (amount_cents) on billing.invoices to public;

-- case sequence_update | ACC03 | orders_app | billing.invoice_no_seq
grant usage on schema billing to orders_app;
-- @leak
grant update on sequence billing.invoice_no_seq to orders_app;

-- case sequence_public | ACC07 | shipping_app | billing.invoice_no_seq
grant usage on schema billing to shipping_app;
-- @leak
grant usage on sequence billing.invoice_no_seq to public;

-- case procedure | ACC04 | orders_app | billing.pay(bigint)
grant usage on schema billing to orders_app;
create procedure billing.pay(bigint) language plpgsql as $$ begin end $$;
alter procedure billing.pay(bigint) owner to billing_owner;
revoke all on procedure billing.pay(bigint) from public;
-- @leak
grant execute on procedure billing.pay(bigint) to orders_app;

-- case aggregate | ACC04 | orders_app | billing.total(bigint)
grant usage on schema billing to orders_app;
create aggregate billing.total(bigint) (sfunc = int8pl, stype = bigint, initcond = '0');
alter aggregate billing.total(bigint) owner to billing_owner;
revoke all on function billing.total(bigint) from public;
-- @leak
grant execute on function billing.total(bigint) to orders_app;

-- case composite_usage | ACC05 | orders_migrator | billing.money_t
grant usage on schema billing to orders_owner;
-- @leak
grant usage on type billing.money_t to orders_owner;

-- case schema_create_public | ACC07 | orders_app | schema billing
-- @leak
grant create, usage on schema billing to public;

-- case column_grant_survives | ACC02 | orders_app | billing.invoices.id
grant usage on schema billing to orders_app;
grant select on billing.invoices to billing_app with grant option;
-- @leak
set session authorization billing_app;
grant select (id) on billing.invoices to orders_app;
reset session authorization;
-- @then
revoke select on billing.invoices from orders_app;

-- case chain_of_grantors | ACC12 | shipping_app | billing.invoices
grant usage on schema billing to orders_app, shipping_app;
grant select on billing.invoices to orders_app with grant option;
-- @leak
set session authorization orders_app;
grant select on billing.invoices to shipping_app with grant option;
reset session authorization;

-- case schema_usage_grant_option | ACC12 | orders_app | schema billing
-- @leak
grant usage on schema billing to orders_app with grant option;

-- case column_grant_option | ACC12 | orders_app | billing.invoices.id
grant usage on schema billing to orders_app;
grant select (id) on billing.invoices to orders_app;
-- @leak
grant select (id) on billing.invoices to orders_app with grant option;

-- case usage_by_group_select_direct | ACC01 | orders_app | billing.invoices
create role readers;
grant readers to orders_app;
grant select on billing.invoices to orders_app;
-- @leak
grant usage on schema billing to readers;

-- case unmanaged_login_select | ACC01 | temp_dev | billing.invoices
create role temp_dev login;
grant connect on database zoo to temp_dev;
-- @leak
grant usage on schema billing to temp_dev;
grant select on billing.invoices to temp_dev;

-- case other_database_role_connect | DB04 | orders_app | database postgres
-- @leak
grant connect on database postgres to orders_app;

-- case app_creates_in_database | DB03 | orders_app | database zoo
-- @leak
grant create on database zoo to orders_app;

-- case public_schema_create_by_role | DB05 | orders_app | schema public
-- @leak
grant create on schema public to orders_app;

-- case lo_update | LOB01 | orders_app | large object 4242
select lo_from_bytea(4242, 'secret');
alter large object 4242 owner to billing_owner;
-- @leak
grant update on large object 4242 to orders_app;

-- case lo_compat_role | LOB02 | orders_app | database zoo
select lo_from_bytea(4242, 'secret');
-- @leak
alter role orders_app set lo_compat_privileges = on;

-- case role_temp | - | orders_app | database zoo
-- @leak
grant temporary on database zoo to orders_app;

-- case adp_functions | FUT01 | orders_app | future functions of billing_owner in billing
grant usage on schema billing to orders_app;
-- @leak
alter default privileges for role billing_owner in schema billing grant execute on routines to orders_app;

-- case adp_functions_public | FUT01 | orders_app | future functions of billing_owner in billing
grant usage on schema billing to orders_app;
-- @leak
alter default privileges for role billing_owner in schema billing grant execute on routines to public;

-- case adp_large_objects | FUT01 | orders_app | future large objects of billing_owner | 18
-- @leak
alter default privileges for role billing_owner grant select on large objects to orders_app;

-- case adp_schemas_create_public | FUT01 | orders_app | future schemas of billing_owner
-- @leak
alter default privileges for role billing_owner grant usage on schemas to public;

-- case adp_new_creator | FUT02 | PUBLIC | future functions of billing_batch
-- @leak
create role billing_batch;
grant create, usage on schema billing to billing_batch;

-- case adp_inert | FUT04 | orders_app | future tables of billing_ro in billing
grant usage on schema billing to orders_app;
-- @leak
alter default privileges for role billing_ro in schema billing grant select on tables to orders_app;

-- case adp_dropped_creator_ctl | - | orders_app | billing
grant usage on schema billing to orders_app;
-- @leak
alter default privileges for role billing_ro in schema billing grant select on tables to orders_app;

-- case member_owner_group | MEM01 | orders_app | billing_app
-- @leak
grant billing_app to orders_app;

-- case member_admin_on_group_with_service_role | MEM03 | orders_app | team | 16
create role team;
grant billing_ro to team;
-- @leak
grant team to orders_app with admin true, inherit false, set false;

-- case member_admin_then_admin | MEM03 | orders_app | billing_ro | 16
create role team;
grant billing_ro to team with admin true, inherit false, set false;
-- @leak
grant team to orders_app with admin true, inherit false, set false;

-- case member_of_predefined_admin | MEM03 | orders_app | pg_read_all_data | 16
-- @leak
grant pg_read_all_data to orders_app with admin true, inherit false, set false;

-- case createrole_by_set | ATT04 | orders_app | boss
create role boss createrole;
-- @leak
grant boss to orders_app;

-- case createrole_self_grant | MEM02 | orders_migrator | billing_batch | 16
alter role orders_migrator createrole;
-- @leak
set createrole_self_grant = 'set, inherit';
set session authorization orders_migrator;
set createrole_self_grant = 'set';
create role billing_batch;
reset session authorization;
grant billing_ro to billing_batch;

-- case pg_read_all_data_noinherit | PRE01 | orders_app | pg_read_all_data
alter role orders_app noinherit;
-- @leak
grant pg_read_all_data to orders_app;

-- case pg_create_subscription | PRE04 | orders_app | pg_create_subscription | 16
-- @leak
grant pg_create_subscription to orders_app;

-- case database_owner_nested | OWN03 | orders_migrator | database zoo
create role dbas;
grant dbas to orders_migrator;
-- @leak
alter database zoo owner to dbas;

-- case inherits_superuser | ATT01 | orders_app | ops | 16
create role ops superuser nologin;
-- @leak
grant ops to orders_app with inherit true, set false;

-- case bypassrls_by_set | ATT02 | orders_ro | rlsfree
create role rlsfree bypassrls;
-- @leak
grant rlsfree to orders_ro;

-- case rls_true_public_policy | RLS01 | orders_ro | shipping.shipments
grant usage on schema shipping to orders_ro;
grant select on shipping.shipments to orders_ro;
alter table shipping.shipments enable row level security;
create policy pub on shipping.shipments for select to orders_ro using (tenant = 'public');
-- @leak
create policy all_rows on shipping.shipments using (1 = 1);

-- case rls_matview_copy | RLS01 | orders_ro | shipping.mv
grant usage on schema shipping to orders_ro;
alter table shipping.shipments enable row level security;
create policy pub on shipping.shipments for select to orders_ro using (tenant = 'public');
-- @leak
create materialized view shipping.mv as select id, address from shipping.shipments;
alter materialized view shipping.mv owner to shipping_owner;
grant select on shipping.mv to orders_ro;

-- case set_role_all_roles | ATT07 | orders_app | billing_ro
alter role orders_app noinherit;
grant billing_ro to orders_app;
-- @leak
alter database zoo set role = 'billing_ro';

-- case set_role_to_group | ATT07 | orders_app | readers
create role readers;
grant usage on schema billing to readers;
grant select on billing.invoices to readers;
alter role orders_app noinherit;
grant readers to orders_app;
-- @leak
alter role orders_app set role = 'readers';

-- case parameter_to_owner | SYS03 | orders_migrator | parameter work_mem
-- @leak
grant alter system on parameter work_mem to orders_owner;

-- case system_function_public | SYS01 | orders_app | pg_catalog.pg_ls_dir(text)
-- @leak
grant execute on function pg_catalog.pg_ls_dir(text) to public;

-- case catalog_schema_create | SYS02 | orders_app | schema pg_catalog
-- @leak
grant create on schema pg_catalog to orders_app;

-- case two_grantors | MEM01 | orders_app | role billing_ro | 16
create role adm createrole;
grant billing_ro to adm with admin true, inherit false;
-- @leak
grant billing_ro to orders_app with inherit true, set false;
set session authorization adm;
grant billing_ro to orders_app with inherit true;
reset session authorization;

-- case owner_sequence | OWN01 | orders_migrator | billing.invoice_no_seq
grant usage on schema billing to orders_owner;
-- @leak
alter sequence billing.invoice_no_seq owner to orders_owner;

-- case owner_schema | OWN02 | orders_migrator | schema billing
-- @leak
alter schema billing owner to orders_owner;

-- case owner_operator | OWN01 | orders_migrator | operator billing.===
create operator billing.=== (leftarg = bigint, rightarg = bigint, function = int8eq);
alter operator billing.=== (bigint, bigint) owner to billing_owner;
-- @leak
alter operator billing.=== (bigint, bigint) owner to orders_owner;

-- case owner_opclass | OWN01 | orders_migrator | operator class billing.oc
create operator class billing.oc for type int8 using btree as operator 1 <, operator 3 =, function 1 btint8cmp(int8, int8);
alter operator class billing.oc using btree owner to billing_owner;
alter operator family billing.oc using btree owner to billing_owner;
-- @leak
alter operator class billing.oc using btree owner to orders_owner;

-- case owner_collation | OWN01 | orders_migrator | collation billing.coll
create collation billing.coll from "C";
alter collation billing.coll owner to billing_owner;
-- @leak
alter collation billing.coll owner to orders_owner;

-- case owner_publication | OWN01 | orders_migrator | publication bp
create publication bp for table billing.invoices;
grant create on database zoo to orders_owner;
-- @leak
alter publication bp owner to orders_owner;

-- case owner_foreign_server | OWN01 | orders_app | foreign server far
create extension postgres_fdw;
create server far foreign data wrapper postgres_fdw options (host 'far.example.org');
create user mapping for billing_app server far options (user 'x', password 'y');
grant usage on foreign data wrapper postgres_fdw to orders_app;
-- @leak
alter server far owner to orders_app;

-- case subscription | PUB02 | postgres | subscription sub
grant create on database zoo to orders_owner;
-- @leak
create subscription sub connection 'dbname=other host=/nonexistent' publication p with (connect = false);

-- case inbound_generated | INB01 | orders_app | billing.invoices
set role orders_owner;
create function orders.fold(bigint) returns bigint language plpgsql immutable as $$ begin return $1; end $$;
reset role;
-- @leak
alter table billing.invoices add column g bigint generated always as (orders.fold(amount_cents)) stored;

-- case inbound_rule | INB01 | orders_app | billing.invoices
set role orders_owner;
create function orders.fold(bigint) returns bigint language plpgsql as $$ begin return $1; end $$;
reset role;
-- @leak
create rule r as on insert to billing.invoices do also select orders.fold(new.amount_cents);

-- case inbound_domain_check | INB01 | orders_app | billing.iban
set role orders_owner;
create function orders.ok(text) returns boolean language plpgsql immutable as $$ begin return true; end $$;
reset role;
-- @leak
alter domain billing.iban add check (orders.ok(value));

-- case inbound_domain_default | INB01 | orders_app | billing.dt
set role orders_owner;
create function orders.dflt() returns text language plpgsql as $$ begin return 'x'; end $$;
reset role;
-- @leak
create domain billing.dt as text default orders.dflt();
alter domain billing.dt owner to billing_owner;

-- case inbound_view | INB01 | orders_app | billing.invoice_summary2
set role orders_owner;
create function orders.fold(bigint) returns bigint language plpgsql as $$ begin return $1; end $$;
reset role;
-- @leak
create view billing.invoice_summary2 as select orders.fold(amount_cents) from billing.invoices;
alter view billing.invoice_summary2 owner to billing_owner;

-- case inbound_operator | INB01 | orders_app | billing.invoices
set role orders_owner;
create function orders.eq(text, text) returns boolean language plpgsql immutable as $$ begin return true; end $$;
create operator orders.=== (leftarg = text, rightarg = text, function = orders.eq);
reset role;
-- @leak
alter table billing.invoices add check (class operator(orders.===) 'x');

-- case inbound_trigger_when | INB01 | orders_app | billing.invoices
set role orders_owner;
create function orders.fine(bigint) returns boolean language plpgsql immutable as $$ begin return true; end $$;
reset role;
set role billing_owner;
create function billing.note() returns trigger language plpgsql as $$ begin return new; end $$;
reset role;
-- @leak
create trigger note before insert on billing.invoices for each row when (orders.fine(new.amount_cents)) execute function billing.note();

-- case event_trigger_login | INB02 | orders_migrator | event trigger watch | 17
create function orders.watch() returns event_trigger language plpgsql as $$ begin end $$;
alter function orders.watch() owner to orders_owner;
-- @leak
create event trigger watch on login execute function orders.watch();

-- case definer_in_own_schema | DEF01 | orders_app | orders.peek()
-- @leak
create function orders.peek() returns bigint language sql security definer set search_path = pg_catalog, pg_temp as 'select count(*) from billing.payments';
alter function orders.peek() owner to billing_owner;
revoke all on function orders.peek() from public;
grant execute on function orders.peek() to orders_app;

-- case definer_trigger | DEF01 | orders_app | billing.seen()
create function billing.seen() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$ begin insert into billing.ledger values (9, '2026-01-01', 1); return new; end $$;
alter function billing.seen() owner to billing_owner;
-- @leak
create trigger seen after insert on orders.scratch for each row execute function billing.seen();

-- case definer_own_calls_with_foreign_right | DEF01 | orders_app | billing.invoices
grant usage on schema billing to orders_owner;
grant select on billing.invoices to orders_owner;
-- @leak
set role orders_owner;
create function orders.f() returns bigint security definer set search_path = pg_catalog, pg_temp begin atomic select count(*) from billing.invoices; end;
reset role;

-- case definer_text_lent | DEF01 | orders_app | billing.invoices
grant usage on schema billing to orders_owner;
grant select on billing.invoices to orders_owner;
-- @leak
set role orders_owner;
create function orders.f() returns bigint language plpgsql security definer set search_path = pg_catalog, pg_temp as $$ begin return (select count(*) from billing.invoices); end $$;
reset role;

-- case definer_calls_helper | DEF01 | orders_app | billing.invoices
grant usage on schema billing to orders_owner;
grant select on billing.invoices to orders_owner;
set role orders_owner;
create function orders.helper() returns bigint language sql as $$ select count(*) from billing.invoices $$;
reset role;
revoke all on function orders.helper() from orders_app, orders_ro;
-- @leak
set role orders_owner;
create function orders.f() returns bigint language plpgsql security definer set search_path = pg_catalog, pg_temp as $$ begin return orders.helper(); end $$;
reset role;

-- case definer_owned_without_rights | - | orders_app | billing
-- @leak
set role orders_owner;
create function orders.f() returns bigint language plpgsql security definer set search_path = pg_catalog, pg_temp as $$ begin return (select count(*) from billing.invoices); end $$;
reset role;

-- case definer_superuser_trigger | DEF02 | orders_app | orders.su()
create function orders.su() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$ begin delete from billing.payments; return new; end $$;
revoke all on function orders.su() from public;
-- @leak
create trigger su after insert on orders.scratch for each row execute function orders.su();

-- case definer_pg_temp_temp_callers | DEF03 | orders_app | billing.settle()
create function billing.settle() returns void language plpgsql security definer set search_path = billing, pg_temp as $$ begin perform 1; end $$;
alter function billing.settle() owner to billing_owner;
grant usage on schema billing to orders_app;
grant execute on function billing.settle() to orders_app;
grant temporary on database zoo to orders_app;
-- @leak
alter function billing.settle() set search_path = billing;

-- case view_to_public | VIW01 | shipping_app | billing.invoices
grant usage on schema orders to shipping_app;
-- @leak
create view orders.v as select * from billing.invoices;
alter view orders.v owner to billing_owner;
grant select on orders.v to public;

-- case view_column_grant | VIW01 | orders_app | billing.invoices
-- @leak
create view orders.v as select * from billing.invoices;
alter view orders.v owner to billing_owner;
grant select (id) on orders.v to orders_app;

-- case view_function_in_it | DEF01 | orders_app | orders.f()
-- @leak
create function orders.f() returns setof billing.invoices language sql security definer set search_path = pg_catalog, pg_temp as 'select * from billing.invoices';
alter function orders.f() owner to billing_owner;
create view orders.v as select * from orders.f();
alter view orders.v owner to orders_owner;
grant select on orders.v to orders_app;

-- case matview_after_revoke | VIW03 | orders_app | billing.payments
grant usage on schema billing to orders_owner;
grant select on billing.payments to orders_owner;
set role orders_owner;
create materialized view orders.copy as select * from billing.payments with no data;
reset role;
grant select on orders.copy to orders_app;
-- @leak
refresh materialized view orders.copy;
revoke select on billing.payments from orders_owner;

-- case view_over_matview | VIW03 | orders_app | billing.payments
create materialized view orders.copy as select * from billing.payments;
alter materialized view orders.copy owner to orders_owner;
revoke all on orders.copy from orders_app, orders_ro;
-- @leak
create view orders.v as select * from orders.copy;
alter view orders.v owner to orders_owner;
grant select on orders.v to orders_app;

-- case local_check_option | VIW04 | orders_app | billing.pub
grant usage on schema billing to orders_app;
create view billing.inner_v as select id, class, amount_cents from billing.invoices where class <> 'secret';
alter view billing.inner_v owner to billing_owner;
create view billing.pub with (security_barrier = true) as select id, class, amount_cents from billing.inner_v where amount_cents > 0 with cascaded check option;
alter view billing.pub owner to billing_owner;
grant select, update on billing.pub to orders_app;
-- @leak
alter view billing.pub set (check_option = local);

-- case rule_reads | VIW05 | orders_app | billing.payments
grant usage on schema billing to orders_owner;
grant select on billing.payments to orders_owner;
-- @leak
set role orders_owner;
create rule leak as on insert to orders.scratch do also insert into orders.order_lines (order_id, sku, qty) select 1, 'SKU', id from billing.payments;
reset role;

-- case rule_on_view | VIW05 | orders_app | billing.payments
grant usage on schema billing to orders_owner;
grant update, select on billing.payments to orders_owner;
set role orders_owner;
create view orders.pv as select id from orders.orders;
reset role;
-- @leak
set role orders_owner;
create rule upd as on update to orders.pv do instead update billing.payments set amount_cents = 0;
reset role;
grant update on orders.pv to orders_app;

-- case rule_superuser_table | VIW05 | orders_app | billing.payments
create table orders.su_table (x int);
grant insert on orders.su_table to orders_app;
-- @leak
create rule leak as on insert to orders.su_table do also delete from billing.payments;

-- case rule_owner_lost_rights | - | orders_app | billing.payments
grant usage on schema billing to orders_owner;
grant delete on billing.payments to orders_owner;
set role orders_owner;
create rule r as on insert to orders.scratch do also delete from billing.payments;
reset role;
-- @leak
revoke all on billing.payments from orders_owner;
revoke usage on schema billing from orders_owner;

-- case grandchild | INH01 | orders_app | billing.leaf
set role orders_owner;
create table orders.log (id int) partition by range (id);
create table orders.log_1 partition of orders.log for values from (0) to (100) partition by range (id);
reset role;
-- @leak
create table billing.leaf partition of orders.log_1 for values from (0) to (10);
alter table billing.leaf owner to billing_owner;

-- case fk_oracle | FKX01 | orders_app | billing.invoices
-- @leak
alter table orders.orders add column invoice bigint references billing.invoices;

-- case fk_cascade_delete | FKX02 | billing_app | orders.orders
alter table orders.orders add column invoice bigint;
-- @leak
alter table orders.orders add constraint ifk foreign key (invoice) references billing.invoices on delete cascade;

-- case fk_update_cascade | FKX02 | billing_app | orders.orders
alter table orders.orders add column invoice bigint;
-- @leak
alter table orders.orders add constraint ifk foreign key (invoice) references billing.invoices on update cascade;

-- case fk_restrict_ctl | - | billing_app | orders.orders
alter table orders.orders add column invoice bigint;
-- @leak
alter table orders.orders add constraint ifk foreign key (invoice) references billing.invoices on delete restrict;

-- case aggregate_is_no_untrusted_code | - | orders_app | orders.agg
-- @leak
create aggregate orders.agg(bigint) (sfunc = int8pl, stype = bigint, initcond = '0');
alter aggregate orders.agg(bigint) owner to orders_owner;

-- case reader_cannot_oracle | - | orders_ro | billing.invoices
-- @leak
alter table orders.orders add column invoice bigint references billing.invoices;

-- case loop_own_mapping | FDW01 | orders_app | billing.payments
create extension postgres_fdw;
create server loop foreign data wrapper postgres_fdw options (host '@SOCKET@', port :'port', dbname 'zoo');
create foreign table orders.ft_pay (id bigint, card_token text) server loop options (schema_name 'billing', table_name 'payments');
alter foreign table orders.ft_pay owner to orders_owner;
grant select on orders.ft_pay to orders_app;
-- @leak
create user mapping for orders_app server loop options (user 'billing_app', password_required 'false');

-- case dblink_u | FDW04 | orders_app | public.dblink_connect_u(text)
create extension dblink;
grant usage on schema public to orders_app;
-- @leak
grant execute on function public.dblink_connect_u(text) to orders_app;

-- case mapping_public | FDW03 | PUBLIC | foreign server away
create extension postgres_fdw;
create server away foreign data wrapper postgres_fdw options (host 'db.example.org');
-- @leak
create user mapping for public server away options (user 'billing_app', password 'x');

-- case revoked_table_grant | - | orders_app | billing
grant usage on schema billing to orders_app;
grant select on billing.invoices to orders_app;
-- @leak
revoke select on billing.invoices from orders_app;
revoke usage on schema billing from orders_app;

-- case column_grant_without_usage | - | orders_app | billing
-- @leak
grant select (id) on billing.invoices to orders_app;

-- case nologin_dead_end | - | orders_app | billing
create role readers;
-- @leak
grant usage on schema billing to readers;
grant select on billing.invoices to readers;

-- case membership_without_options | - | orders_app | billing | 16
-- @leak
grant billing_ro to orders_app with inherit false, set false;

-- case own_service_membership | - | billing_app | billing
-- @leak
grant billing_ro to billing_app;

-- case invoker_view_no_grant | - | orders_app | billing
-- @leak
create view orders.v with (security_invoker = true) as select * from billing.invoices;
alter view orders.v owner to billing_owner;
grant select on orders.v to orders_app;

-- case extension_in_service | - | orders_app | billing
-- @leak
create extension citext schema billing;

-- case owner_self_grant | - | orders_app | billing
-- @leak
set role billing_owner;
grant all on billing.invoices to billing_owner with grant option;
reset role;

-- case definer_without_usage | - | orders_app | billing.f()
-- @leak
create function billing.f() returns int language sql security definer set search_path = pg_catalog, pg_temp as 'select 1';
alter function billing.f() owner to billing_owner;

-- case disabled_rule | - | orders_app | billing
grant usage on schema billing to orders_owner;
grant insert, select on billing.payments to orders_owner;
-- @leak
set role orders_owner;
create rule r as on insert to orders.scratch do also insert into billing.payments (invoice_id, card_token, amount_cents) values (1, 'x', 1);
alter table orders.scratch disable rule r;
reset role;

-- case loop_without_mapping | - | orders_app | billing
-- @leak
create extension postgres_fdw;
create server loop foreign data wrapper postgres_fdw options (host '@SOCKET@', dbname 'zoo');
create foreign table orders.ft (id bigint) server loop options (schema_name 'billing', table_name 'payments');
alter foreign table orders.ft owner to orders_owner;
grant select on orders.ft to orders_app;

-- case large_object_own | - | billing_app | large object 4242
-- @leak
select lo_from_bytea(4242, 'x');
alter large object 4242 owner to billing_owner;
grant select on large object 4242 to billing_app;

-- case setting_role_impossible | - | orders_app | billing
-- @leak
alter role orders_app set role = 'billing_ro';

-- case setting_other_database | - | orders_app | billing
grant billing_ro to orders_ro;
alter role orders_app noinherit;
-- @leak
alter role orders_app in database postgres set role = 'billing_ro';

-- case policy_own_role | - | billing_ro | billing
-- @leak
alter table billing.invoices enable row level security;
create policy p on billing.invoices for select to billing_ro using (true);

-- case similarly_named_role | - | ordersapp | billing
-- @leak
create role ordersapp login connection limit 1;
create role billing_fan;
grant billing_fan to ordersapp;

-- case pg_read_all_data_to_nologin_group | - | orders_app | everything
-- @leak
create role analysts;
grant pg_read_all_data to analysts;

-- case same_owner_two_schemas | - | billing_app | billing_archive
-- @leak
create schema billing_archive authorization billing_owner;
grant usage on schema billing_archive to billing_app;
create table billing_archive.t (x int);
alter table billing_archive.t owner to billing_owner;
grant select on billing_archive.t to billing_app;

-- case definer_path_names_a_foreign_schema | DEF03 | orders_migrator | billing.settle()
create function billing.settle() returns void language plpgsql security definer set search_path = billing, pg_temp as $$ begin perform 1; end $$;
alter function billing.settle() owner to billing_owner;
-- @leak
alter function billing.settle() set search_path = orders, billing, pg_temp;

-- case definer_path_names_a_schema_open_to_all | DEF03 | orders_app | billing.settle()
create function billing.settle() returns void language plpgsql security definer set search_path = public, billing, pg_temp as $$ begin perform 1; end $$;
alter function billing.settle() owner to billing_owner;
-- @leak
grant create, usage on schema public to public;

-- case grant_to_pg_database_owner | ACC01 | orders_migrator | billing.invoices
alter database zoo owner to orders_owner;
-- @leak
grant usage on schema billing to pg_database_owner;
grant select on billing.invoices to pg_database_owner;

-- case grant_to_predefined_role | ACC01 | orders_app | billing.invoices
grant pg_monitor to orders_app;
-- @leak
grant usage on schema billing to pg_monitor;
grant select on billing.invoices to pg_monitor;

-- case bypassrls_is_not_inherited | - | orders_ro | shipping | 16
create role rlsfree bypassrls;
-- @leak
grant rlsfree to orders_ro with inherit true, set false;

-- case createrole_is_not_inherited | - | orders_app | boss | 16
create role boss createrole;
-- @leak
grant boss to orders_app with inherit true, set false;

-- case replication_is_not_inherited | - | orders_app | boss | 16
create role boss replication;
-- @leak
grant boss to orders_app with inherit true, set false;

-- case replication_by_set | ATT03 | orders_app | boss
create role boss replication;
-- @leak
grant boss to orders_app;

-- case view_over_loop_table | FDW01 | orders_app | billing.payments
create extension postgres_fdw;
create server loop foreign data wrapper postgres_fdw options (host '@SOCKET@', port :'port', dbname 'zoo');
create foreign table orders.ft_pay (id bigint, card_token text) server loop options (schema_name 'billing', table_name 'payments');
alter foreign table orders.ft_pay owner to orders_owner;
create view orders.v_pay as select * from orders.ft_pay;
alter view orders.v_pay owner to orders_owner;
revoke all on orders.ft_pay from orders_app;
grant select on orders.v_pay to orders_app;
-- @leak
create user mapping for orders_owner server loop options (user 'billing_app', password_required 'false');

-- case rule_behind_an_own_view | VIW05 | orders_app | billing.invoices
grant usage on schema billing to orders_owner;
grant select, insert on billing.invoices to orders_owner;
set role orders_owner;
create table orders.inner_t (a int);
revoke all on orders.inner_t from orders_app, orders_ro;
create view orders.outer_v as select * from orders.inner_t;
grant insert on orders.outer_v to orders_app;
reset role;
-- @leak
set role orders_owner;
create rule r as on insert to orders.inner_t do also insert into billing.invoices (order_id, amount_cents) values (78, 7);
reset role;

-- case trigger_behind_an_own_view | DEF01 | orders_app | billing.seen()
create function billing.seen() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$ begin insert into billing.ledger values (9, '2026-01-01', 1); return new; end $$;
alter function billing.seen() owner to billing_owner;
set role orders_owner;
create table orders.inner_t (a int);
revoke all on orders.inner_t from orders_app, orders_ro;
create view orders.outer_v as select * from orders.inner_t;
grant insert on orders.outer_v to orders_app;
reset role;
-- @leak
create trigger seen after insert on orders.inner_t for each row execute function billing.seen();

-- case cascade_behind_a_view | FKX02 | billing_app | orders.orders
set role billing_owner;
create view billing.v_inv as select * from billing.invoices;
revoke delete on billing.invoices from billing_app;
grant delete, select on billing.v_inv to billing_app;
reset role;
-- @leak
alter table orders.orders add column invoice bigint references billing.invoices on delete cascade;

-- case aggregate_lends_its_function | DEF01 | orders_app | billing.step(bigint, bigint)
grant usage on schema billing to orders_owner;
create function billing.step(bigint, bigint) returns bigint language sql security definer set search_path = pg_catalog, pg_temp as 'select count(*) from billing.payments';
alter function billing.step(bigint, bigint) owner to billing_owner;
revoke all on function billing.step(bigint, bigint) from public;
-- @leak
grant execute on function billing.step(bigint, bigint) to orders_owner;
create aggregate orders.agg(bigint) (sfunc = billing.step, stype = bigint, initcond = '0');
alter aggregate orders.agg(bigint) owner to orders_owner;
grant execute on function orders.agg(bigint) to orders_app;

-- case policy_subquery_needs_rights | - | orders_app | billing.invoices
alter table orders.orders enable row level security;
-- @leak
create policy p on orders.orders for select to orders_app using (id > 0 and exists (select from billing.invoices i where i.order_id = orders.id));

-- case rule_instead_nothing | - | orders_app | billing
-- @leak
set role orders_owner;
create rule quiet as on delete to orders.scratch do instead nothing;
reset role;

-- case operator_without_execute | - | orders_app | billing.cmp
create function billing.cmp(int, int) returns boolean language sql security definer set search_path = pg_catalog, pg_temp as 'select true';
alter function billing.cmp(int, int) owner to billing_owner;
revoke all on function billing.cmp(int, int) from public;
-- @leak
create operator public.### (function = billing.cmp, leftarg = int, rightarg = int);
grant usage on schema public to orders_app;

-- case operator_calls_definer | DEF01 | orders_app | billing.cmp(integer, integer)
grant usage on schema billing to orders_app;
create function billing.cmp(int, int) returns boolean language sql security definer set search_path = pg_catalog, pg_temp as 'select count(*) > 0 from billing.payments';
alter function billing.cmp(int, int) owner to billing_owner;
revoke all on function billing.cmp(int, int) from public;
create operator billing.### (function = billing.cmp, leftarg = int, rightarg = int);
-- @leak
grant execute on function billing.cmp(int, int) to orders_app;

-- case database_create_public | DB03 | shipping_app | database
-- @leak
grant create on database zoo to public;

-- case statistics_of_values | SYS02 | orders_app | pg_statistic
-- @leak
grant select on pg_statistic to orders_app;

-- case foreign_parent | INH01 | billing_app | orders.kid
-- @leak
create table orders.kid (extra int) inherits (billing.payments);
alter table orders.kid owner to orders_owner;

-- case set_false_on_second_hop | - | orders_app | billing | 16
create role team;
grant billing_ro to team with inherit false, set false;
-- @leak
grant team to orders_app;

-- case invoker_view_over_closed_view | - | orders_ro | billing.invoices | 15
grant usage on schema billing to orders_owner;
grant select on billing.invoices to orders_owner;
set role orders_owner;
create view orders.base_v as select id, amount_cents from billing.invoices;
revoke all on orders.base_v from orders_app, orders_ro;
create view orders.top_v with (security_invoker = true) as select * from orders.base_v;
revoke all on orders.top_v from orders_app, orders_ro;
reset role;
-- @leak
grant select on orders.top_v to orders_ro;

-- case aggregate_of_foreign_function | INB01 | orders_app | billing.v_agg
create function orders.plus(bigint, bigint) returns bigint language sql immutable as 'select $1 + $2';
alter function orders.plus(bigint, bigint) owner to orders_owner;
grant execute on function orders.plus(bigint, bigint) to billing_owner;
grant usage on schema orders to billing_owner;
create aggregate billing.agg(bigint) (sfunc = orders.plus, stype = bigint, initcond = '0');
alter aggregate billing.agg(bigint) owner to billing_owner;
-- @leak
create view billing.v_agg as select billing.agg(amount_cents) from billing.invoices;
alter view billing.v_agg owner to billing_owner;

-- case superuser_invoker_function | - | orders_app | billing
-- @leak
create function orders.noroot() returns bigint language sql set search_path = pg_catalog, pg_temp as 'select count(*) from billing.payments';
grant execute on function orders.noroot() to orders_app;

-- case parameter_public | SYS03 | orders_app | parameter log_statement
-- @leak
grant set on parameter log_statement to public;

-- case row_security_off_setting | - | orders_ro | shipping
grant usage on schema shipping to shipping_ro;
alter table shipping.shipments enable row level security;
-- @leak
alter role orders_ro set row_security = off;

-- case always_trigger_replica_only | - | orders_app | billing
create function billing.trg() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$ begin return new; end $$;
alter function billing.trg() owner to billing_owner;
-- @leak
create trigger t before insert on orders.scratch for each row execute function billing.trg();
alter table orders.scratch enable replica trigger t;

-- case adp_columnless_role_group | FUT01 | orders_app | future tables of billing_owner in billing
create role readers;
grant readers to orders_app;
grant usage on schema billing to readers;
-- @leak
alter default privileges for role billing_owner in schema billing grant select on tables to readers;

-- case key_that_is_not_enforced | - | billing_app | orders.orders | 18
-- @leak
alter table orders.orders add column invoice bigint;
alter table orders.orders add constraint k foreign key (invoice) references billing.invoices on delete cascade not enforced;

-- case file_table | FDW05 | orders_app | server file-> /etc/hostname
create extension file_fdw;
create server files foreign data wrapper file_fdw;
create foreign table orders.dump (line text) server files options (filename '/etc/hostname');
alter foreign table orders.dump owner to orders_owner;
revoke all on orders.dump from orders_app, orders_ro;
-- @leak
grant select on orders.dump to orders_app;

-- case file_table_behind_a_view | FDW05 | orders_ro | orders.dump
create extension file_fdw;
create server files foreign data wrapper file_fdw;
create foreign table orders.dump (line text) server files options (program 'id');
alter foreign table orders.dump owner to orders_owner;
revoke all on orders.dump from orders_app, orders_ro;
-- @leak
create view orders.shown as select * from orders.dump;
alter view orders.shown owner to orders_owner;
grant select on orders.shown to orders_ro;

-- case file_table_of_the_administrator | - | orders_app | orders.dump
create extension file_fdw;
-- @leak
create server files foreign data wrapper file_fdw;
create foreign table orders.dump (line text) server files options (filename '/etc/hostname');

-- case opclass_calls_foreign_function | INB01 | orders_app | billing.invoices
set role orders_owner;
create function orders.cmp(bigint, bigint) returns int language plpgsql immutable as $$ begin return btint8cmp($1, $2); end $$;
reset role;
create operator class billing.oc for type int8 using btree as operator 1 <, operator 2 <=, operator 3 =, operator 4 >=, operator 5 >, function 1 orders.cmp(int8, int8);
alter operator class billing.oc using btree owner to billing_owner;
alter operator family billing.oc using btree owner to billing_owner;
-- @leak
create index on billing.invoices (amount_cents billing.oc);

-- case partition_key_by_a_foreign_opclass | INB01 | orders_app | billing.parts
set role orders_owner;
create function orders.cmp(bigint, bigint) returns int language plpgsql immutable as $$ begin return btint8cmp($1, $2); end $$;
reset role;
create operator class orders.oc for type int8 using btree as operator 1 <, operator 2 <=, operator 3 =, operator 4 >=, operator 5 >, function 1 orders.cmp(int8, int8);
alter operator class orders.oc using btree owner to orders_owner;
alter operator family orders.oc using btree owner to orders_owner;
-- @leak
create table billing.parts (id bigint) partition by range (id orders.oc);
alter table billing.parts owner to billing_owner;

-- case opclass_of_its_own | - | billing_app | billing.invoices
set role billing_owner;
create function billing.cmp(bigint, bigint) returns int language plpgsql immutable as $$ begin return btint8cmp($1, $2); end $$;
reset role;
create operator class billing.oc for type int8 using btree as operator 1 <, operator 2 <=, operator 3 =, operator 4 >=, operator 5 >, function 1 billing.cmp(int8, int8);
alter operator class billing.oc using btree owner to billing_owner;
alter operator family billing.oc using btree owner to billing_owner;
-- @leak
create index on billing.invoices (amount_cents billing.oc);

-- case exclusion_by_a_foreign_operator | INB01 | orders_app | billing.invoices
set role orders_owner;
create function orders.same(bigint, bigint) returns boolean language plpgsql immutable as $$ begin return $1 = $2; end $$;
reset role;
create operator billing.=== (leftarg = bigint, rightarg = bigint, function = orders.same, commutator = operator(billing.===));
create operator class billing.oc for type int8 using btree as operator 1 <, operator 2 <=, operator 3 billing.===, operator 4 >=, operator 5 >, function 1 btint8cmp(int8, int8);
-- @leak
alter table billing.invoices add constraint apart exclude using btree (amount_cents billing.oc with operator(billing.===));

-- case range_calls_foreign_function | INB01 | orders_app | billing.cents
set role orders_owner;
create function orders.diff(bigint, bigint) returns float8 language plpgsql immutable as $$ begin return $1 - $2; end $$;
reset role;
-- @leak
create type billing.cents as range (subtype = int8, subtype_diff = orders.diff);
alter type billing.cents owner to billing_owner;

-- case cast_of_the_servers_types | INB01 | orders_app | cast text as bigint
set role orders_owner;
create function orders.cents(text) returns bigint language plpgsql immutable as $$ begin return 1; end $$;
reset role;
-- @leak
create cast (text as bigint) with function orders.cents(text) as assignment;

-- case cast_of_a_foreign_type | INB01 | orders_app | cast billing.currency as bigint
grant usage on schema billing to orders_owner;
grant usage on type billing.currency to orders_owner;
set role orders_owner;
create function orders.number(billing.currency) returns bigint language plpgsql immutable as $$ begin return 1; end $$;
reset role;
-- @leak
create cast (billing.currency as bigint) with function orders.number(billing.currency) as implicit;

-- case cast_of_an_own_type | - | orders_app | cast
set role orders_owner;
create function orders.number(orders.order_status) returns bigint language plpgsql immutable as $$ begin return 1; end $$;
reset role;
-- @leak
create cast (orders.order_status as bigint) with function orders.number(orders.order_status) as assignment;

-- case mapping_to_a_superuser | FDW03 | orders_app | postgres
create extension postgres_fdw;
create server loop foreign data wrapper postgres_fdw options (host '@SOCKET@', port :'port', dbname 'zoo');
-- @leak
create user mapping for orders_app server loop options (user 'postgres', password_required 'false');

-- case mapping_without_a_user | FDW03 | orders_app | the server's own account
create extension postgres_fdw;
create server loop foreign data wrapper postgres_fdw options (host '@SOCKET@', port :'port', dbname 'zoo');
-- @leak
create user mapping for orders_app server loop options (password_required 'false');

-- case mapping_to_oneself | - | orders_app | foreign server loop
create extension postgres_fdw;
create server loop foreign data wrapper postgres_fdw options (host '@SOCKET@', port :'port', dbname 'zoo');
create foreign table orders.again (id bigint) server loop options (schema_name 'orders', table_name 'orders');
alter foreign table orders.again owner to orders_owner;
grant select on orders.again to orders_app;
-- @leak
create user mapping for orders_app server loop options (user 'orders_app', password 'pw');

-- case view_of_a_closed_catalog | VIW02 | orders_app | pg_catalog.pg_authid
-- @leak
create view orders.logins as select rolname, rolpassword from pg_authid;
grant select on orders.logins to orders_app;

-- case copy_of_a_closed_catalog | VIW03 | orders_app | pg_catalog.pg_statistic
-- @leak
create materialized view orders.samples as select stavalues1::text as samples from pg_statistic;
alter materialized view orders.samples owner to orders_owner;
grant select on orders.samples to orders_app;

-- case view_of_an_open_catalog | - | orders_app | pg_catalog
-- @leak
create view orders.relations as select relname from pg_class;
grant select on orders.relations to orders_app;

-- case view_of_a_closed_catalog_by_a_service | - | orders_app | pg_catalog.pg_authid
-- @leak
create view orders.logins as select rolname, rolpassword from pg_authid;
alter view orders.logins owner to orders_owner;
grant select on orders.logins to orders_app;

-- case extension_that_others_use | OWN01 | orders_migrator | extension citext
grant create on database zoo to orders_owner;
grant create, usage on schema public to orders_owner;
grant usage on schema public to billing_owner;
set role orders_owner;
create extension citext schema public;
reset role;
-- @leak
alter table billing.invoices add column note public.citext;

-- case extension_of_ones_own | - | orders_migrator | extension citext
grant create on database zoo to orders_owner;
grant create, usage on schema public to orders_owner;
set role orders_owner;
create extension citext schema public;
-- @leak
alter table orders.orders add column remark public.citext;

-- case language_that_others_write_in | OWN01 | orders_migrator | language plx
create trusted language plx handler plpgsql_call_handler inline plpgsql_inline_handler validator plpgsql_validator;
create function billing.f() returns int language plx as $$ begin return 1; end $$;
alter function billing.f() owner to billing_owner;
revoke all on function billing.f() from public;
-- @leak
alter language plx owner to orders_owner;

-- case definer_behind_an_own_definer | DEF01 | orders_app | billing.inner_f()
create function billing.inner_f() returns bigint language sql security definer set search_path = pg_catalog, pg_temp as 'select count(*) from billing.payments';
alter function billing.inner_f() owner to billing_owner;
revoke all on function billing.inner_f() from public;
grant usage on schema billing to orders_owner;
grant execute on function billing.inner_f() to orders_owner;
-- @leak
set role orders_owner;
create function orders.outer_f() returns bigint language sql security definer set search_path = pg_catalog, pg_temp as 'select billing.inner_f()';
reset role;

-- case definer_behind_an_own_definer_closed | - | orders_app | billing.inner_f()
create function billing.inner_f() returns bigint language sql security definer set search_path = pg_catalog, pg_temp as 'select count(*) from billing.payments';
alter function billing.inner_f() owner to billing_owner;
revoke all on function billing.inner_f() from public;
grant usage on schema billing to orders_owner;
-- @leak
set role orders_owner;
create function orders.outer_f() returns bigint language sql security definer set search_path = pg_catalog, pg_temp as 'select billing.inner_f()';
reset role;

-- case definer_in_a_default | DEF01 | orders_app | billing.secret()
create function billing.secret() returns bigint language sql security definer set search_path = pg_catalog, pg_temp as 'select count(*) from billing.payments';
alter function billing.secret() owner to billing_owner;
-- @leak
alter table orders.orders add column number bigint default billing.secret();

-- case definer_in_a_view | DEF01 | orders_app | billing.secret()
create function billing.secret() returns bigint language sql security definer set search_path = pg_catalog, pg_temp as 'select count(*) from billing.payments';
alter function billing.secret() owner to billing_owner;
-- @leak
create view orders.v as select billing.secret() as n;
alter view orders.v owner to orders_owner;
grant select on orders.v to orders_app;

-- case definer_in_a_view_closed | - | orders_app | billing.secret()
create function billing.secret() returns bigint language sql security definer set search_path = pg_catalog, pg_temp as 'select count(*) from billing.payments';
alter function billing.secret() owner to billing_owner;
revoke all on function billing.secret() from public;
-- @leak
create view orders.v as select billing.secret() as n;
alter view orders.v owner to orders_owner;
grant select on orders.v to orders_app;

-- case definer_in_a_closed_view | - | orders_app | billing.secret()
create function billing.secret() returns bigint language sql security definer set search_path = pg_catalog, pg_temp as 'select count(*) from billing.payments';
alter function billing.secret() owner to billing_owner;
-- @leak
create view orders.v as select billing.secret() as n;
alter view orders.v owner to orders_owner;
revoke all on orders.v from orders_app, orders_ro;

-- case definer_in_a_policy | DEF01 | orders_ro | billing.secret()
create function billing.secret() returns bigint language sql security definer set search_path = pg_catalog, pg_temp as 'select count(*) from billing.payments';
alter function billing.secret() owner to billing_owner;
alter table orders.orders enable row level security;
-- @leak
create policy p on orders.orders using (billing.secret() > 0);

-- case definer_in_a_check | DEF01 | orders_app | billing.secret()
create function billing.secret() returns bigint language sql security definer set search_path = pg_catalog, pg_temp as 'select count(*) from billing.payments';
alter function billing.secret() owner to billing_owner;
-- @leak
alter table orders.scratch add check (billing.secret() > 0);

-- case definer_in_a_parsed_body | DEF01 | orders_app | billing.secret()
create function billing.secret() returns bigint language sql security definer set search_path = pg_catalog, pg_temp as 'select count(*) from billing.payments';
alter function billing.secret() owner to billing_owner;
-- @leak
create function orders.f() returns bigint begin atomic select billing.secret(); end;
alter function orders.f() owner to orders_owner;
grant execute on function orders.f() to orders_app;

-- case definer_in_an_argument | DEF01 | orders_app | billing.secret()
create function billing.secret() returns bigint language sql security definer set search_path = pg_catalog, pg_temp as 'select count(*) from billing.payments';
alter function billing.secret() owner to billing_owner;
-- @leak
create function orders.f(x bigint default billing.secret()) returns bigint language sql as 'select x';
alter function orders.f(bigint) owner to orders_owner;
grant execute on function orders.f(bigint) to orders_app;

-- case definer_in_a_plain_body | - | orders_app | billing.secret()
create function billing.secret() returns bigint language sql security definer set search_path = pg_catalog, pg_temp as 'select count(*) from billing.payments';
alter function billing.secret() owner to billing_owner;
-- @leak
create function orders.f() returns bigint language sql as 'select billing.secret()';
alter function orders.f() owner to orders_owner;
revoke all on function orders.f() from public;
grant execute on function orders.f() to orders_app;

-- case definer_in_a_public_operator | DEF01 | orders_app | billing.cmp(integer, integer)
create function billing.cmp(int, int) returns boolean language sql security definer set search_path = pg_catalog, pg_temp as 'select count(*) > 0 from billing.payments';
alter function billing.cmp(int, int) owner to billing_owner;
grant usage on schema public to orders_app;
-- @leak
create operator public.### (function = billing.cmp, leftarg = int, rightarg = int);

-- case definer_in_an_operator_out_of_sight | - | orders_app | billing.cmp(integer, integer)
create function billing.cmp(int, int) returns boolean language sql security definer set search_path = pg_catalog, pg_temp as 'select count(*) > 0 from billing.payments';
alter function billing.cmp(int, int) owner to billing_owner;
-- @leak
create operator public.### (function = billing.cmp, leftarg = int, rightarg = int);

-- case definer_in_a_cast | DEF01 | orders_app | billing.read(text)
create function billing.read(text) returns billing.currency language sql security definer set search_path = pg_catalog, pg_temp as $$ select 'EUR'::billing.currency $$;
alter function billing.read(text) owner to billing_owner;
-- @leak
create cast (text as billing.currency) with function billing.read(text) as assignment;

-- case definer_in_an_index | DEF01 | orders_app | billing.fixed(bigint)
create function billing.fixed(bigint) returns bigint language sql immutable security definer set search_path = pg_catalog, pg_temp as 'select count(*) from billing.payments';
alter function billing.fixed(bigint) owner to billing_owner;
-- @leak
create index on orders.orders (billing.fixed(total_cents));

-- case superusers_definer_in_a_view | DEF02 | orders_app | billing.secret()
create function billing.secret() returns bigint language sql security definer set search_path = pg_catalog, pg_temp as 'select count(*) from billing.payments';
-- @leak
create view orders.v as select billing.secret() as n;
alter view orders.v owner to orders_owner;
grant select on orders.v to orders_app;

-- case policy_asks_a_setting | RLS01 | orders_ro | setting app.tenant
grant usage on schema shipping to orders_ro;
grant select on shipping.shipments to orders_ro;
alter table shipping.shipments enable row level security;
create policy pub on shipping.shipments for select to orders_ro using (tenant = 'public');
-- @leak
create policy chosen on shipping.shipments for select to orders_ro using (tenant = current_setting('app.tenant', true));

-- case service_named_like_another | - | orders_eu_app | orders_eu.t
create role orders_eu_owner;
create role orders_eu_app login;
grant connect on database zoo to orders_eu_app;
create schema orders_eu authorization orders_eu_owner;
create table orders_eu.t (x int);
alter table orders_eu.t owner to orders_eu_owner;
-- @leak
grant usage on schema orders_eu to orders_eu_app;
grant select on orders_eu.t to orders_eu_app;

-- case service_named_like_another_opened | ACC01 | orders_app | orders_eu.t
create role orders_eu_owner;
create schema orders_eu authorization orders_eu_owner;
create table orders_eu.t (x int);
alter table orders_eu.t owner to orders_eu_owner;
-- @leak
grant usage on schema orders_eu to orders_app;
grant select on orders_eu.t to orders_app;

-- case definer_in_a_domains_check | DEF01 | orders_app | billing.secret(text)
create function billing.secret(text) returns bool language sql stable security definer set search_path = pg_catalog, pg_temp as 'select exists (select from billing.payments where card_token = $1)';
alter function billing.secret(text) owner to billing_owner;
-- @leak
create domain orders.token as text check (billing.secret(value));

-- case definer_in_a_domains_check_closed | - | orders_app | billing.secret(text)
create function billing.secret(text) returns bool language sql stable security definer set search_path = pg_catalog, pg_temp as 'select true';
alter function billing.secret(text) owner to billing_owner;
revoke execute on function billing.secret(text) from public;
-- @leak
create domain orders.token as text check (billing.secret(value));

-- case definer_in_a_check_of_a_column_type | DEF01 | orders_app | billing.secret(text)
create function billing.secret(text) returns bool language sql stable security definer set search_path = pg_catalog, pg_temp as 'select true';
alter function billing.secret(text) owner to billing_owner;
create schema lib;
-- @leak
create domain lib.token as text check (billing.secret(value));
create domain lib.tighter as lib.token;
create table orders.tokens (token lib.tighter[]);
grant insert on orders.tokens to orders_app;

-- case definer_in_a_domains_default | DEF01 | orders_app | billing.secret()
create function billing.secret() returns text language sql stable security definer set search_path = pg_catalog, pg_temp as 'select max(card_token) from billing.payments';
alter function billing.secret() owner to billing_owner;
create domain orders.token as text;
create table orders.tokens (id int, token orders.token);
grant insert, select on orders.tokens to orders_app;
-- @leak
alter domain orders.token set default billing.secret();

-- case view_of_a_subscriptions_password | VIW02 | orders_app | pg_catalog.pg_subscription
-- @leak
create view orders.subscriptions as select * from pg_subscription;
grant select on orders.subscriptions to orders_app;

-- case view_of_subscriptions_names | - | orders_app | pg_catalog.pg_subscription
-- @leak
create view orders.subscriptions as select subname, subenabled from pg_subscription;
grant select on orders.subscriptions to orders_app;

-- case column_of_subscriptions_granted | SYS02 | orders_app | pg_catalog.pg_subscription
-- @leak
grant select (subconninfo) on pg_subscription to orders_app;

-- case view_that_asks_its_reader | - | orders_app | pg_catalog.pg_user_mappings
-- @leak
create view orders.mappings as select * from pg_user_mappings;
grant select on orders.mappings to orders_app;

-- case copy_of_what_asks_its_reader | VIW03 | orders_app | pg_catalog.pg_user_mappings
-- @leak
create materialized view orders.mappings as select srvname, umoptions from pg_user_mappings;
grant select on orders.mappings to orders_app;

-- case tablespace_owner | SYS04 | orders_migrator | tablespace fast
set allow_in_place_tablespaces = true;
create tablespace fast location '';
-- @leak
alter tablespace fast owner to orders_owner;

-- case trigger_of_a_partition | DEF01 | orders_app | billing.seen()
create table orders.parent (id int, note text) partition by range (id);
create table orders.p1 partition of orders.parent for values from (0) to (100);
alter table orders.parent owner to orders_owner;
alter table orders.p1 owner to orders_owner;
revoke all on orders.p1 from orders_app;
grant insert on orders.parent to orders_app;
create function billing.seen() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as 'begin update billing.invoices set class = ''seen''; return new; end';
alter function billing.seen() owner to billing_owner;
-- @leak
create trigger t before insert on orders.p1 for each row execute function billing.seen();

-- case trigger_of_a_child | DEF01 | orders_app | billing.seen()
create table orders.base (id int, note text);
create table orders.kid () inherits (orders.base);
alter table orders.base owner to orders_owner;
alter table orders.kid owner to orders_owner;
revoke all on orders.kid from orders_app;
grant update on orders.base to orders_app;
create function billing.seen() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as 'begin update billing.invoices set class = ''seen''; return new; end';
alter function billing.seen() owner to billing_owner;
-- @leak
create trigger t before update on orders.kid for each row execute function billing.seen();

-- case insert_into_a_parent_of_a_child | - | orders_app | billing.seen()
create table orders.base (id int, note text);
create table orders.kid () inherits (orders.base);
alter table orders.base owner to orders_owner;
alter table orders.kid owner to orders_owner;
revoke all on orders.kid from orders_app;
revoke all on orders.base from orders_app;
grant insert on orders.base to orders_app;
create function billing.seen() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as 'begin update billing.invoices set class = ''seen''; return new; end';
alter function billing.seen() owner to billing_owner;
-- @leak
create trigger t before insert on orders.kid for each row execute function billing.seen();

-- case statement_trigger_of_a_partition | - | orders_app | billing.seen()
create table orders.parent (id int, note text) partition by range (id);
create table orders.p1 partition of orders.parent for values from (0) to (100);
alter table orders.parent owner to orders_owner;
alter table orders.p1 owner to orders_owner;
revoke all on orders.p1 from orders_app;
grant insert on orders.parent to orders_app;
create function billing.seen() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as 'begin return null; end';
alter function billing.seen() owner to billing_owner;
-- @leak
create trigger t before insert on orders.p1 for each statement execute function billing.seen();

-- case check_of_a_partition | DEF01 | orders_app | billing.secret()
create table orders.parent (id int, note text) partition by range (id);
create table orders.p1 partition of orders.parent for values from (0) to (100);
alter table orders.parent owner to orders_owner;
alter table orders.p1 owner to orders_owner;
revoke all on orders.p1 from orders_app;
grant insert on orders.parent to orders_app;
create function billing.secret() returns bool language sql stable security definer set search_path = pg_catalog, pg_temp as 'select exists (select from billing.payments)';
alter function billing.secret() owner to billing_owner;
-- @leak
alter table orders.p1 add check (billing.secret());

-- case truncate_of_a_parent | INH01 | orders_app | billing.kid
create table orders.base (id int, note text);
alter table orders.base owner to orders_owner;
grant truncate on orders.base to orders_app;
-- @leak
create table billing.kid () inherits (orders.base);

-- case column_update_through_a_view | VIW01 | orders_app | billing.invoices
create view orders.inv as select id, class from billing.invoices;
alter view orders.inv owner to orders_owner;
grant usage on schema billing to orders_owner;
grant update on orders.inv to orders_app;
-- @leak
grant select (id), update (class) on billing.invoices to orders_owner;

-- case rule_gives_back | VIW05 | orders_app | billing.invoices
grant usage on schema billing to orders_owner;
grant insert, select on billing.invoices to orders_owner;
-- @leak
create rule r as on insert to orders.scratch do instead insert into billing.invoices (amount_cents) values (1) returning class;

-- case trigger_instead_of_a_write | DEF01 | orders_app | billing.seen()
create view orders.w as select id, note from orders.orders;
alter view orders.w owner to orders_owner;
grant insert on orders.w to orders_app;
create function billing.seen() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as 'begin return new; end';
alter function billing.seen() owner to billing_owner;
-- @leak
create trigger t instead of insert on orders.w for each row execute function billing.seen();

-- case own_trigger_lends_without_execute | DEF01 | orders_app | billing.payments
grant usage on schema billing to orders_owner;
grant select on billing.payments to orders_owner;
create function orders.leak() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as 'begin new.line := (select max(card_token) from billing.payments); return new; end';
alter function orders.leak() owner to orders_owner;
revoke all on function orders.leak() from public;
grant select, insert on orders.scratch to orders_app;
-- @leak
create trigger t before insert on orders.scratch for each row execute function orders.leak();

-- case cascade_from_a_partition | FKX02 | billing_ro | orders.child
create table billing.pp (id bigint primary key) partition by range (id);
create table billing.pp1 partition of billing.pp for values from (0) to (100);
alter table billing.pp owner to billing_owner;
alter table billing.pp1 owner to billing_owner;
grant delete on billing.pp1 to billing_ro;
-- @leak
create table orders.child (i bigint references billing.pp on delete cascade);

-- case loop_behind_a_partition | FDW01 | orders_app | billing.invoices
create extension postgres_fdw;
create server loop foreign data wrapper postgres_fdw options (host '@SOCKET@', port :'port', dbname 'zoo');
create table orders.parent (id bigint, class text) partition by range (id);
alter table orders.parent owner to orders_owner;
grant select on orders.parent to orders_app;
create foreign table orders.fp partition of orders.parent for values from (0) to (1000) server loop options (schema_name 'billing', table_name 'invoices');
-- @leak
create user mapping for orders_app server loop options (user 'billing_app', password_required 'false');

-- case definer_in_a_partition_key | DEF01 | orders_app | billing.k(text)
create function billing.k(text) returns text language sql immutable security definer set search_path = pg_catalog, pg_temp as 'select $1';
alter function billing.k(text) owner to billing_owner;
-- @leak
create table orders.pk (line text) partition by list (billing.k(line));
create table orders.pk1 partition of orders.pk for values in ('a');
grant insert on orders.pk to orders_app;

-- case definer_in_an_operator_class | DEF01 | orders_app | billing.cmp(integer, integer)
create function billing.cmp(int, int) returns int language sql immutable security definer set search_path = pg_catalog, pg_temp as 'select btint4cmp($1, $2)';
alter function billing.cmp(int, int) owner to billing_owner;
revoke all on function billing.cmp(int, int) from public;
create operator class orders.oc for type int4 using btree as operator 1 <, operator 2 <=, operator 3 =, operator 4 >=, operator 5 >, function 1 billing.cmp(int, int);
create table orders.oct (i int);
grant insert on orders.oct to orders_app;
-- @leak
create index on orders.oct (i orders.oc);

-- case definer_in_a_composites_domain | DEF01 | orders_app | billing.secret(text)
create function billing.secret(text) returns bool language sql stable security definer set search_path = pg_catalog, pg_temp as 'select true';
alter function billing.secret(text) owner to billing_owner;
create schema lib;
-- @leak
create domain lib.dom as text check (billing.secret(value));
create type lib.ct as (d lib.dom);
create table orders.ct (c lib.ct);
grant insert on orders.ct to orders_app;

-- case trigger_behind_a_keys_action | DEF01 | billing_app | shipping.seen()
create table orders.x (i bigint references billing.invoices on delete set null);
alter table orders.x owner to orders_owner;
create function shipping.seen() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as 'begin update shipping.shipments set address = ''x''; return new; end';
alter function shipping.seen() owner to shipping_owner;
-- @leak
create trigger t before update on orders.x for each row execute function shipping.seen();

-- case trigger_that_no_keys_action_fires | - | billing_app | shipping.seen()
create table orders.x (i bigint references billing.invoices on delete set null);
alter table orders.x owner to orders_owner;
create function shipping.seen() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as 'begin return old; end';
alter function shipping.seen() owner to shipping_owner;
-- @leak
create trigger t before delete on orders.x for each row execute function shipping.seen();

-- case view_calls_its_providers_function | EXE01 | orders_owner | billing.normal
grant usage on schema billing to orders_app;
create function billing.norm(v text) returns text language plpgsql volatile as 'begin return lower(v); end';
alter function billing.norm(text) owner to billing_owner;
create view billing.normal as select billing.norm(class) as class from billing.invoices;
alter view billing.normal owner to billing_owner;
-- @leak
grant select on billing.normal to orders_app;

-- case index_function_runs_when_a_consumer_plans | EXE01 | orders_owner | billing.fold(text)
grant usage on schema billing to orders_app;
grant select on billing.invoice_summary to orders_app;
create function billing.fold(v text) returns text language plpgsql immutable as 'begin return v; end';
alter function billing.fold(text) owner to billing_owner;
-- @leak
create index on billing.invoices ((class || billing.fold('x')));

-- case policy_function_of_a_consumers_query | EXE01 | orders_owner | billing.may_see(text)
grant usage on schema billing to orders_app;
grant select on billing.invoices to orders_app;
create function billing.may_see(v text) returns boolean language plpgsql stable as 'begin return true; end';
alter function billing.may_see(text) owner to billing_owner;
alter table billing.invoices enable row level security;
-- @leak
create policy seen on billing.invoices using (billing.may_see(class));

-- case trigger_function_of_a_consumers_insert | EXE01 | orders_owner | billing.note()
grant usage on schema billing to orders_app;
grant insert on billing.payments to orders_app;
create function billing.note() returns trigger language plpgsql as 'begin return new; end';
alter function billing.note() owner to billing_owner;
-- @leak
create trigger noted before insert on billing.payments for each row execute function billing.note();

-- case function_with_its_callers_rights | EXE01 | orders_owner | billing.touch()
grant usage on schema billing to orders_app;
create function billing.touch() returns int language sql volatile as 'select 1';
alter function billing.touch() owner to billing_owner;
revoke execute on function billing.touch() from public;
-- @leak
grant execute on function billing.touch() to orders_app;

-- case definer_with_its_own_path_runs_as_its_owner | - | orders_owner | billing.fine
grant usage on schema billing to orders_app;
create function billing.norm(v text) returns text language plpgsql stable security definer set search_path = pg_catalog, billing, pg_temp as 'begin return lower(v); end';
alter function billing.norm(text) owner to billing_owner;
create view billing.fine with (security_barrier) as select billing.norm(class) as class, billing.round_cents(amount_cents) as cents, lower(class) as plain from billing.invoices;
alter view billing.fine owner to billing_owner;
-- @leak
grant select on billing.fine to orders_app;

-- case what_a_reader_never_runs | - | orders_owner | billing.payments
grant usage on schema billing to orders_app;
create function billing.note() returns trigger language plpgsql as 'begin return new; end';
alter function billing.note() owner to billing_owner;
create function billing.token() returns text language plpgsql as 'begin return 1; end';
alter function billing.token() owner to billing_owner;
alter table billing.payments alter card_token set default billing.token();
create trigger noted before insert on billing.payments for each row execute function billing.note();
-- @leak
grant select on billing.payments to orders_app;
