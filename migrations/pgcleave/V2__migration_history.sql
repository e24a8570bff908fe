-- A copy of what each service's refinery_schema_history says: the administrator cannot read the services' own tables.
-- The service's table is the truth; the copy is rewritten from it whenever that service is migrated.
create table pgcleave.migrated (
  schema      text primary key,
  history     oid not null,
  recorded_at timestamptz not null default now()
);
comment on table pgcleave.migrated is 'The history table that each schema''s copy was read from.';

create table pgcleave.migration (
  schema     text not null references pgcleave.migrated on delete cascade,
  version    bigint not null,
  name       text not null,
  checksum   text not null,
  applied_on text not null,
  primary key (schema, version)
);
comment on table pgcleave.migration is 'Which migrations are applied, for plans that must not read the services'' data.';
