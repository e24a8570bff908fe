create view invoice_status with (security_barrier) as
select i.order_id, i.number, i.state::text as state, i.currency, i.total::numeric(12, 2) as total, i.due_on,
  coalesce(p.received, 0) as received
from invoice i
left join lateral (select sum(amount)::numeric(12, 2) as received from payment where invoice_id = i.id) p on true
where i.state <> 'written_off';
comment on view invoice_status is 'How far the payment of an order is.';

-- Reads another service, through the contract that both manifests declare.
create function invoice_order(wanted uuid) returns bigint
  language plpgsql
as $$
declare
  made bigint;
begin
  insert into invoice (number, order_id, account_id, currency, total, issued_on)
  select next_invoice_number(), s.order_id, s.account_id, s.currency, s.total, current_date
  from orders.order_summary s
  where s.order_id = wanted and s.status <> 'cancelled'
  on conflict (order_id) do nothing
  returning id into made;
  return made;
end
$$;

create procedure mark_overdue(as_of date)
  language sql
as $$
  update invoice set state = 'overdue' where state = 'open' and due_on < as_of
$$;
