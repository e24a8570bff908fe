create type shipment_state as enum ('packing', 'on_the_way', 'delivered', 'returned');

create type dimensions as (length_mm integer, width_mm integer, height_mm integer);

create table carrier (
  id    smallserial primary key,
  code  text not null unique,
  title text not null
);

create table shipment (
  id         bigint generated always as identity primary key,
  order_id   uuid not null,
  carrier_id smallint not null references carrier,
  state      shipment_state not null default 'packing',
  size       dimensions,
  weight_g   integer check (weight_g > 0),
  packed_at  timestamptz not null default now()
);
comment on column shipment.order_id is 'orders.order_summary.order_id';
create index shipment_order on shipment (order_id);
create index shipment_under_way on shipment (packed_at) where state in ('packing', 'on_the_way');

create table tracking_event (
  shipment_id bigint not null references shipment on delete cascade,
  seen_at     timestamptz not null,
  place       text not null,
  note        text not null,
  raw         jsonb,
  primary key (shipment_id, seen_at)
) partition by hash (shipment_id);

create table tracking_event_0 partition of tracking_event for values with (modulus 4, remainder 0);
create table tracking_event_1 partition of tracking_event for values with (modulus 4, remainder 1);
create table tracking_event_2 partition of tracking_event for values with (modulus 4, remainder 2);
create table tracking_event_3 partition of tracking_event for values with (modulus 4, remainder 3);

create function volume_litres(size dimensions) returns numeric
  language sql immutable strict parallel safe
as $$
  select round((size).length_mm::numeric * (size).width_mm * (size).height_mm / 1000000, 1)
$$;

create index shipment_volume on shipment (volume_litres(size));
