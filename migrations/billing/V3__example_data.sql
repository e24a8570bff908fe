insert into invoice (number, order_id, account_id, currency, total, issued_on)
select
  next_invoice_number(),
  md5('order ' || n)::uuid,
  md5('account ' || 1 + n * 11 % 2000)::uuid,
  case when n % 9 = 0 then 'GBP' else 'EUR' end,
  20 + n * 7 % 400,
  date '2026-01-01' + n * 100 / 1440
from generate_series(1, 3000) n
where n % 50 <> 0 and n % 33 <> 0
order by n;

insert into payment (invoice_id, amount, received_at, provider, response)
select
  id,
  total,
  issued_on + interval '36 hours',
  (array['card', 'transfer', 'voucher'])[1 + id % 3],
  jsonb_build_object('reference', md5('payment ' || id))
from invoice
where id % 12 <> 0
order by id;

call mark_overdue(date '2026-07-01');
