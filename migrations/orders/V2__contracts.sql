create view order_summary with (security_barrier) as
select o.id as order_id, o.number, o.account_id, o.status::text as status, o.currency, o.placed_at, t.lines, t.total
from purchase_order o
cross join lateral (
  select count(*) as lines, coalesce(sum(l.quantity * l.unit_price), 0) as total
  from order_line l
  where l.order_id = o.id
) t
where o.status <> 'draft';
comment on view order_summary is 'Orders that were placed, with their totals; a basket is nobody else''s affair.';

create view order_history with (security_barrier) as
select o.account_id, l.product_id, l.quantity::integer as quantity, o.placed_at
from purchase_order o
join order_line l on l.order_id = o.id
where o.status not in ('draft', 'cancelled');
comment on view order_history is 'Who bought what, without addresses or prices.';

create function order_total(wanted uuid) returns numeric
  stable
  begin atomic
    select coalesce(sum(l.quantity * l.unit_price), 0) from order_line l where l.order_id = wanted;
  end;

-- Callers have no privilege on the tables: it runs as the owner, with a search_path that no caller can change.
create function cancel_order(wanted uuid, reason text) returns boolean
  language plpgsql security definer
  set search_path = orders, pg_temp
as $$
declare
  was order_status;
begin
  if coalesce(reason, '') = '' then
    raise exception 'a cancellation needs a reason' using errcode = 'invalid_parameter_value';
  end if;
  select status into was from purchase_order where id = wanted for update;
  if was is null or was not in ('placed', 'paid') then
    return false;
  end if;
  update purchase_order set status = 'cancelled' where id = wanted;
  update status_change c
  set reason = cancel_order.reason
  where c.order_id = wanted and c.new_status = 'cancelled';
  return true;
end
$$;
comment on function cancel_order(uuid, text) is 'Cancels an order that is not on its way yet; tells whether it could.';
