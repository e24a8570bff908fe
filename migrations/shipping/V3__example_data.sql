insert into carrier (code, title) values
  ('bike', 'City Bicycle Couriers'),
  ('post', 'The Post'),
  ('rail', 'Night Rail Parcels');

insert into shipment (order_id, carrier_id, state, size, weight_g, packed_at)
select
  md5('order ' || n)::uuid,
  1 + n % 3,
  case when n > 2700 then 'on_the_way' when n % 71 = 0 then 'returned' else 'delivered' end::shipment_state,
  row(100 + n % 400, 100 + n % 250, 50 + n % 150)::dimensions,
  200 + n * 31 % 9000,
  timestamptz '2026-01-01 00:00+00' + n * interval '100 minutes' + interval '1 day'
from generate_series(1, 2800) n
where n % 50 <> 0 and n % 33 <> 0
order by n;

insert into tracking_event (shipment_id, seen_at, place, note, raw)
select
  s.id,
  s.packed_at + step * interval '7 hours',
  (array['warehouse', 'sorting centre', 'depot'])[step],
  (array['handed over', 'sorted', 'out for delivery'])[step],
  jsonb_build_object('step', step, 'scanner', s.id % 17)
from shipment s
cross join generate_series(1, 3) step;
