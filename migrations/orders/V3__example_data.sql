insert into purchase_order (id, account_id, status, currency, ship_to, placed_at)
select
  md5('order ' || n)::uuid,
  md5('account ' || 1 + n * 11 % 2000)::uuid,
  case
    when n % 50 = 0 then 'draft'
    when n % 33 = 0 then 'cancelled'
    when n > 2900 then 'placed'
    when n > 2800 then 'paid'
    when n > 2700 then 'shipped'
    else 'delivered'
  end::order_status,
  case when n % 9 = 0 then 'GBP' else 'EUR' end,
  jsonb_build_object('country', (array['NL', 'DE', 'FR', 'AT', 'BE'])[1 + (1 + n * 11 % 2000) % 5]),
  timestamptz '2026-01-01 00:00+00' + n * interval '100 minutes'
from generate_series(1, 3000) n;

insert into order_line (order_id, position, product_id, title, quantity, unit_price)
select
  md5('order ' || n)::uuid,
  line,
  1 + (n * 13 + line * 101) % 500,
  'thing ' || 1 + (n * 13 + line * 101) % 500,
  1 + (n + line) % 4,
  5.99 + (1 + (n * 13 + line * 101) % 500) * 17 % 300
from generate_series(1, 3000) n
cross join lateral generate_series(1, 1 + n % 4) line;
