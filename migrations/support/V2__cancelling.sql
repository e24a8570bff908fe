-- Calls another service, through the contract that both manifests declare.
create function cancel_for_ticket(wanted integer) returns boolean
  language plpgsql
as $$
declare
  cancelled boolean;
begin
  select orders.cancel_order(t.order_id, 'support ticket ' || t.id) into cancelled from ticket t where t.id = wanted;
  if cancelled then
    update ticket set state = 'solved', solved_at = now() where id = wanted;
  end if;
  return coalesce(cancelled, false);
end
$$;
