insert into ticket (account_id, order_id, subject, state, opened_at, solved_at)
select
  md5('account ' || 1 + n * 5 * 11 % 2000)::uuid,
  md5('order ' || n * 5)::uuid,
  (array['Where is my parcel?', 'It does not fit', 'Please cancel', 'Wrong invoice'])[1 + n % 4],
  case when n % 3 = 0 then 'waiting' when n % 7 = 0 then 'new' else 'solved' end::ticket_state,
  timestamptz '2026-02-01 00:00+00' + n * interval '9 hours',
  case when n % 3 = 0 or n % 7 = 0 then null else timestamptz '2026-02-02 00:00+00' + n * interval '9 hours' end
from generate_series(1, 600) n
order by n;

insert into message (ticket_id, position, author, body, sent_at)
select
  t.id,
  step,
  case when step % 2 = 1 then 'customer' else 'agent' end::message_author,
  case when step % 2 = 1 then t.subject else 'We look into it.' end,
  t.opened_at + step * interval '2 hours'
from ticket t
cross join lateral generate_series(1, 1 + t.id % 4) step;
