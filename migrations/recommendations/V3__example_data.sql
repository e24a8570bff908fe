insert into purchase (account_id, product_id, bought_at, quantity)
select
  md5('account ' || 1 + n * 11 % 2000)::uuid,
  1 + (n * 13 + line * 101) % 500,
  timestamptz '2026-01-01 00:00+00' + n * interval '100 minutes',
  1 + (n + line) % 4
from generate_series(1, 2500) n
cross join lateral generate_series(1, 1 + n % 4) line
where n % 50 <> 0 and n % 33 <> 0;

call train(0.2);

refresh materialized view popular_product;
