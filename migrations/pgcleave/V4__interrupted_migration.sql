-- Which file without a transaction is under way in a schema, and what was invalid or pending there before its first start.
-- What is new when the file is interrupted is its own doing: the next run removes exactly that.
create table pgcleave.interrupted_migration (
  schema     text primary key,
  version    bigint not null,
  file       text not null,
  before     bigint[] not null,
  started_at timestamptz not null default now()
);
comment on table pgcleave.interrupted_migration is 'Files without a transaction that have not ended well yet.';
