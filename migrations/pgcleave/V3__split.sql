-- How far each service's move to a database of its own is. Both databases hold the row; the higher revision is the newer.
create table pgcleave.split (
  service    text primary key,
  id         text not null,
  side       text not null check (side in ('source', 'target')),
  revision   bigint not null,
  record     jsonb not null,
  updated_at timestamptz not null default now()
);
comment on table pgcleave.split is 'How far each service''s move is; it holds no secret.';

-- One row a split, in both publications: seeing a number arrive proves that all written before it has arrived.
create table pgcleave.split_fence (
  split text primary key,
  n     bigint not null
);
comment on table pgcleave.split_fence is 'The rows that show how far replication has come.';

-- What a split's block triggers raise: they are made beforehand and enabled while the other side is the writable one.
create function pgcleave.split_moved() returns trigger language plpgsql set search_path = '' as $$
begin
  raise exception using errcode = 'read_only_sql_transaction', message = tg_argv[0], hint = tg_argv[1];
end
$$;
revoke all on function pgcleave.split_moved() from public;
