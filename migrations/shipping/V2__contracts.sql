create view shipment_tracking with (security_barrier) as
select s.id as shipment_id, s.order_id, c.title as carrier, s.state::text as state, e.seen_at, e.place, e.note
from shipment s
join carrier c on c.id = s.carrier_id
left join lateral (
  select t.seen_at, t.place, t.note from tracking_event t where t.shipment_id = s.id order by t.seen_at desc limit 1
) e on true;
comment on view shipment_tracking is 'Each shipment and where it was last seen.';

-- Reads another service, through the contract that both manifests declare.
create function address_label(account uuid) returns text
  language plpgsql stable
as $$
declare
  c record;
begin
  select recipient, street, postcode, city, country into c
  from users.customer_contact
  where account_id = account;
  return concat_ws(E'\n', c.recipient, c.street, c.postcode || ' ' || c.city, c.country);
end
$$;
