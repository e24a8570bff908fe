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
set lo_compat_privileges = on;

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
-- @leak
grant uses to orders_app with inherit false, set true;
grant reads to orders_app with inherit false, set true;
