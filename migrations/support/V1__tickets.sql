create type ticket_state as enum ('new', 'waiting', 'solved');

create type message_author as enum ('customer', 'agent');

create table ticket (
  id         integer generated always as identity primary key,
  account_id uuid not null,
  order_id   uuid,
  subject    text not null check (length(subject) <= 200),
  state      ticket_state not null default 'new',
  opened_at  timestamptz not null default now(),
  solved_at  timestamptz,
  check ((state = 'solved') = (solved_at is not null))
);
comment on column ticket.account_id is 'users.user_directory.id';
create index ticket_open on ticket (opened_at) where state <> 'solved';
create index ticket_account on ticket (account_id);

create table message (
  ticket_id integer not null references ticket on delete cascade,
  position  integer not null,
  author    message_author not null,
  body      text not null,
  sent_at   timestamptz not null default now(),
  primary key (ticket_id, position)
);

create function number_message() returns trigger
  language plpgsql
as $$
begin
  -- The ticket's row is the lock that keeps two messages from the same number.
  perform 1 from ticket where id = new.ticket_id for update;
  select coalesce(max(position), 0) + 1 into new.position from message where ticket_id = new.ticket_id;
  return new;
end
$$;

create trigger message_number
  before insert on message
  for each row when (new.position is null)
  execute function number_message();

create view open_ticket as
select t.id, t.subject, t.opened_at, count(m.position) as messages
from ticket t
left join message m on m.ticket_id = t.id
where t.state <> 'solved'
group by t.id;
