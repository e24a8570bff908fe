select
  (o.placed_at at time zone 'UTC')::date as day,
  o.currency,
  count(distinct o.id) as orders,
  sum(l.quantity * l.unit_price) as revenue
from purchase_order o
join order_line l on l.order_id = o.id
where o.status <> 'cancelled'
group by 1, 2
