-- What pgcleave keeps in the database it looks after. Nobody but its administrator reads it.
revoke all on schema pgcleave from public;

create table pgcleave.service (
  name          text primary key,
  schema        text not null unique,
  role_prefix   text not null,
  first_applied timestamptz not null default now(),
  last_applied  timestamptz not null default now()
);
comment on table pgcleave.service is 'The services that pgcleave manages here; a row goes only when its schema is gone.';

create table pgcleave.credential (
  service      text not null references pgcleave.service on delete cascade,
  name         text not null,
  active       "char" not null check (active in ('a', 'b')),
  -- steady: only the active login is in use
  -- publishing: the other login has a new password that may have reached the sink
  -- retiring: the active login is published, the other is still open until nobody is on it
  phase        text not null default 'steady' check (phase in ('steady', 'publishing', 'retiring')),
  issued_at    timestamptz not null default now(),
  rotated_at   timestamptz,
  retire_after timestamptz,
  primary key (service, name)
);
comment on table pgcleave.credential is 'Which of a credential''s two logins is published, and how far a rotation is.';

create table pgcleave.applied_plan (
  id          bigint generated always as identity primary key,
  applied_at  timestamptz not null default now(),
  applied_by  text not null default session_user,
  fingerprint text not null,
  changes     integer not null,
  plan        jsonb not null
);
comment on table pgcleave.applied_plan is 'Each plan that changed something, as it was saved: it holds no secret.';
