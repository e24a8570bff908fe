create type order_status as enum ('draft', 'placed', 'paid', 'shipped', 'delivered', 'cancelled');

create domain positive_quantity as integer
  check (value > 0);

create sequence order_number start 100001;

create table purchase_order (
  id         uuid primary key default gen_random_uuid(),
  number     bigint not null unique default nextval('order_number'),
  -- users owns accounts: a reference to them by value, no foreign key across the line.
  account_id uuid not null,
  status     order_status not null default 'draft',
  currency   char(3) not null default 'EUR',
  ship_to    jsonb not null default '{}',
  placed_at  timestamptz,
  check (status = 'draft' or placed_at is not null)
);
alter sequence order_number owned by purchase_order.number;
comment on column purchase_order.account_id is 'users.user_directory.id';

create index purchase_order_account on purchase_order (account_id, placed_at desc);
create index purchase_order_open on purchase_order (placed_at) where status in ('placed', 'paid');

create table order_line (
  order_id   uuid not null references purchase_order on delete cascade,
  position   smallint not null,
  product_id bigint not null,
  title      text not null,
  quantity   positive_quantity not null,
  unit_price numeric(12, 2) not null check (unit_price >= 0),
  primary key (order_id, position)
);
comment on column order_line.product_id is 'catalog.product_prices.product_id; title and price are those of the day.';
create index order_line_product on order_line (product_id);

create table status_change (
  id         bigint generated always as identity,
  order_id   uuid not null references purchase_order on delete cascade,
  old_status order_status,
  new_status order_status not null,
  reason     text,
  changed_at timestamptz not null default now(),
  primary key (id, changed_at)
) partition by range (changed_at);

create table status_change_2026_h1 partition of status_change
  for values from ('2026-01-01 00:00+00') to ('2026-07-01 00:00+00');
create table status_change_2026_h2 partition of status_change
  for values from ('2026-07-01 00:00+00') to ('2027-01-01 00:00+00');
create table status_change_other partition of status_change default;
create index status_change_order on status_change (order_id, changed_at);

create function record_status_change() returns trigger
  language plpgsql
as $$
begin
  if tg_op = 'INSERT' then
    insert into status_change (order_id, new_status, changed_at)
    values (new.id, new.status, coalesce(new.placed_at, now()));
  elsif new.status is distinct from old.status then
    insert into status_change (order_id, old_status, new_status) values (new.id, old.status, new.status);
  end if;
  return null;
end
$$;

create trigger purchase_order_status
  after insert or update of status on purchase_order
  for each row execute function record_status_change();
