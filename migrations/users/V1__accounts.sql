create domain email_address as text
  check (value ~ '^[^@[:space:]]+@[^@[:space:]]+$');

create type account_status as enum ('active', 'suspended', 'closed');

create table account (
  id           uuid primary key default gen_random_uuid(),
  email        email_address not null,
  -- What analytics may see in place of the address; digest() comes with pgcrypto.
  email_hash   bytea not null generated always as (digest(lower(email::text), 'sha256')) stored,
  display_name text not null check (display_name <> ''),
  status       account_status not null default 'active',
  preferences  jsonb not null default '{}' check (jsonb_typeof(preferences) = 'object'),
  created_at   timestamptz not null default now(),
  updated_at   timestamptz not null default now()
);
comment on table account is 'One row for each customer, closed accounts included.';
comment on column account.email_hash is 'SHA-256 of the address in lower case.';

create unique index account_email on account (lower(email::text));
create index account_preferences on account using gin (preferences jsonb_path_ops);

create table address (
  id         bigint generated always as identity primary key,
  account_id uuid not null references account on delete cascade,
  recipient  text not null,
  street     text not null,
  city       text not null,
  postcode   text not null,
  country    char(2) not null check (country = upper(country)),
  is_default boolean not null default false
);
create index address_account on address (account_id);
create unique index address_one_default on address (account_id) where is_default;

create table session (
  token_hash bytea primary key,
  account_id uuid not null references account on delete cascade,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  check (expires_at > created_at)
);
create index session_account on session (account_id);

create function touch_updated_at() returns trigger
  language plpgsql
as $$
begin
  new.updated_at := now();
  return new;
end
$$;

create trigger account_touch
  before update on account
  for each row execute function touch_updated_at();
