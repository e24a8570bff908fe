//! The data: always the same for the same size.

/// How many tables of middle size there are; they share a third of the bytes.
const MID: u64 = 30;
/// How many small ones.
const SMALL: u64 = 100;

/// What the schema takes.
pub(crate) const SIZE: &str = "select pg_size_pretty(sum(pg_table_size(c.oid))) || ' in ' || count(*) || ' tables, ' \
    || pg_size_pretty(sum(pg_indexes_size(c.oid))) || ' of indexes' \
    from pg_class c where relnamespace = 'shop'::regnamespace and relkind = 'r'";

const DEFINITIONS: &str = "
create schema shop; create schema other_1; create schema other_2; create schema other_3;
create type shop.status as enum ('new', 'paid', 'sent', 'returned');
create domain shop.amount as numeric(12,2) check (value >= 0);
create table shop.customer (id bigint generated always as identity, name text not null, email text not null, since timestamptz not null);
create table shop.orders (id bigint generated always as identity, customer bigint not null, placed timestamptz not null, total shop.amount not null,
  status shop.status not null, attributes jsonb not null, note text);
create table shop.measured (id bigint, at date, value double precision, label text) partition by range (at);
create table shop.measured_1 partition of shop.measured for values from ('2025-01-01') to ('2025-07-01');
create table shop.measured_2 partition of shop.measured for values from ('2025-07-01') to ('2026-01-01');
create function shop.touch() returns trigger language plpgsql as $$ begin new.note := coalesce(new.note, ''); return new; end $$;
create view shop.paid as select * from shop.orders where status = 'paid';
create function shop.text(n bigint, words int) returns text language sql immutable as $$
  select string_agg((array['lorem','ipsum','dolor','sit','amet','parcel','street','garden','yellow','urgent','return','seven','window','paper','left','door'])
    [1 + (hashint8(n * 31 + i) & 15)] || case when i % 5 = 0 then (hashint8(n + i) & 4095)::text else '' end, ' ') from generate_series(1, words) i $$;
";

const CONSTRAINTS: &str = "
alter table shop.orders add primary key (id), add foreign key (customer) references shop.customer;
create index on shop.orders (customer, placed);
create index on shop.orders (placed);
create index on shop.measured (at, id);
create trigger touch before update on shop.orders for each row execute function shop.touch();
create materialized view shop.by_status as select status, count(*) as orders, sum(total) as total from shop.orders group by status;
create unique index on shop.by_status (status);
";

/// Writes the script for a size in megabytes.
pub(crate) fn sql(megabytes: u64) -> String {
    // About 300 bytes a row.
    let orders = megabytes * 600_000 / 300;
    let customers = (orders / 20).max(1);
    let mid = megabytes * 330_000 / 130 / (MID + 2);
    let mut sql = DEFINITIONS.to_owned();
    sql += &format!(
        "insert into shop.customer (name, email, since) select shop.text(g, 2), 'c' || g || '@example.org', \
           timestamptz '2020-01-01 00:00Z' + g * interval '17 minutes' from generate_series(1, {customers}) g;
         alter table shop.customer add primary key (id);
         insert into shop.orders (customer, placed, total, status, attributes, note) \
         select 1 + (hashint8(g) & 2147483647) % {customers}, timestamptz '2024-01-01 00:00Z' + g * interval '41 seconds 137 milliseconds', \
           (hashint8(g * 3) & 1048575) / 100.0, (enum_range(null::shop.status))[1 + (hashint8(g * 5) & 3)], \
           jsonb_build_object('channel', case g % 3 when 0 then 'web' when 1 then 'app' else 'phone' end, 'weight', (hashint8(g * 7) & 65535) / 10.0, \
             'gift', g % 11 = 0, 'address', jsonb_build_object('street', 'Street ' || g % 9973, 'zip', 10000 + g % 89999)), \
           case when g % 10 > 0 then shop.text(g, 12) end from generate_series(1, {orders}) g;
         insert into shop.measured select g, date '2025-01-01' + (g % 365)::int, sqrt(g), 'sensor ' || g % 97 from generate_series(1, {}) g;\n",
        mid * 2
    );
    for i in 1..=MID {
        sql += &format!(
            "create table shop.mid_{i} (id bigint not null, customer bigint not null, at timestamptz not null, amount numeric not null, label text);
             insert into shop.mid_{i} select g, 1 + (hashint8(g * {i}) & 2147483647) % {customers}, \
               timestamptz '2024-01-01 00:00Z' + g * interval '3 minutes', (g * {i} % 99991) / 7.0, 'item ' || md5((g * {i})::text) \
             from generate_series(1, {mid}) g;
             alter table shop.mid_{i} add primary key (id), add foreign key (customer) references shop.customer;
             create index on shop.mid_{i} (customer);\n"
        );
    }
    for i in 1..=SMALL {
        sql += &format!(
            "create table shop.small_{i} (code int primary key, label text not null, active boolean not null default true);
             insert into shop.small_{i} select g, 'label ' || g from generate_series(1, {}) g;\n",
            50 + i * 7
        );
    }
    for i in 1..=3 {
        sql += &format!(
            "create table other_{i}.orders as select g as id, md5(g::text) as note from generate_series(1, 50000) g;\n"
        );
    }
    sql + CONSTRAINTS + "vacuum analyze;\ncheckpoint;\n"
}
