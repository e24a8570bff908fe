create table purchase (
  account_id uuid not null,
  product_id bigint not null,
  bought_at  timestamptz not null,
  quantity   integer not null check (quantity > 0),
  primary key (account_id, product_id, bought_at)
);
comment on table purchase is 'This service''s own copy of orders.order_history.';
create index purchase_product on purchase (product_id);

create table affinity (
  product_id bigint not null,
  other_id   bigint not null,
  score      double precision not null check (score between 0 and 1),
  primary key (product_id, other_id),
  check (product_id <> other_id)
);
create index affinity_best on affinity (product_id, score desc);

create table training_run (
  id          bigint generated always as identity primary key,
  started_at  timestamptz not null default clock_timestamp(),
  finished_at timestamptz,
  parameters  jsonb not null default '{}',
  pairs       integer
);

create materialized view popular_product as
select product_id, count(*) as buyers, sum(quantity) as sold
from purchase
group by product_id;
create unique index popular_product_id on popular_product (product_id);
