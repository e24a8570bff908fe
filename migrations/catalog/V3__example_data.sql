insert into category (parent_id, slug, title) values
  (null, 'home', 'Home'),
  (null, 'outdoors', 'Outdoors'),
  (null, 'books', 'Books'),
  (1, 'kitchen', 'Kitchen'),
  (1, 'lamps', 'Lamps'),
  (1, 'textiles', 'Textiles'),
  (2, 'tents', 'Tents'),
  (2, 'boots', 'Boots'),
  (2, 'bicycles', 'Bicycles'),
  (3, 'novels', 'Novels'),
  (3, 'atlases', 'Atlases'),
  (4, 'kettles', 'Kettles');

insert into product (sku, category_id, title, description, status, attributes, created_at)
select
  (array['HOM', 'OUT', 'BOK'])[1 + n % 3] || '-' || lpad(n::text, 5, '0'),
  4 + n % 9,
  (array['Plain', 'Sturdy', 'Light', 'Quiet', 'Bright'])[1 + n % 5] || ' thing ' || n,
  'Made to last for ' || 1 + n % 30 || ' years.',
  case when n % 25 = 0 then 'retired' when n % 40 = 1 then 'draft' else 'listed' end::product_status,
  jsonb_build_object('colour', (array['red', 'green', 'blue', 'grey'])[1 + n % 4], 'weight_grams', 100 + n * 13 % 5000),
  timestamptz '2025-01-01 00:00+00' + n * interval '1 day'
from generate_series(1, 500) n;

insert into price (product_id, currency, amount, valid_from)
select n, currency, round((5 + n * 17 % 300 + 0.99) * factor * season, 2), valid_from
from generate_series(1, 500) n
cross join (values ('EUR', 1.00), ('GBP', 0.86)) rate (currency, factor)
cross join (values (1.0, timestamptz '2025-01-01 00:00+00'), (1.05, timestamptz '2026-03-01 00:00+00')) change (season, valid_from);

update stock set on_hand = 10 + product_id * 7 % 90, reserved = product_id % 5;
