create domain sku as text
  check (value ~ '^[A-Z]{3}-[0-9]{5}$');

create domain price_amount as numeric(12, 2)
  check (value >= 0);

create type product_status as enum ('draft', 'listed', 'retired');

create table category (
  id        serial primary key,
  parent_id integer references category,
  slug      text not null unique check (slug = lower(slug)),
  title     text not null
);

create table product (
  id          bigint generated always as identity primary key,
  sku         sku not null unique,
  category_id integer not null references category,
  title       text not null,
  description text not null default '',
  status      product_status not null default 'draft',
  attributes  jsonb not null default '{}',
  search      tsvector not null
    generated always as (setweight(to_tsvector('english', title), 'A') || to_tsvector('english', description)) stored,
  created_at  timestamptz not null default now()
);
comment on column product.attributes is 'Free form: colour, size, weight_grams, …';

create index product_category on product (category_id);
create index product_search on product using gin (search);
create index product_attributes on product using gin (attributes);
create index product_listed on product (created_at desc) where status = 'listed';

create table price (
  product_id bigint not null references product on delete cascade,
  currency   char(3) not null,
  amount     price_amount not null,
  valid_from timestamptz not null,
  primary key (product_id, currency, valid_from)
);
comment on table price is 'A price holds until the next one of the same product and currency begins.';

create table stock (
  product_id bigint primary key references product on delete cascade,
  on_hand    integer not null default 0 check (on_hand >= 0),
  reserved   integer not null default 0 check (reserved between 0 and on_hand)
);

create function add_stock_row() returns trigger
  language plpgsql
as $$
begin
  insert into stock (product_id) values (new.id);
  return null;
end
$$;

create trigger product_has_stock
  after insert on product
  for each row execute function add_stock_row();
