-- What other services may see of a customer. The barrier keeps a caller's function from seeing the rows left out.
create view user_directory with (security_barrier) as
select id, display_name, created_at
from account
where status = 'active';
comment on view user_directory is 'Customers with an active account, without their addresses.';

create view customer_contact with (security_barrier) as
select a.id as account_id, a.email::text as email, d.recipient, d.street, d.city, d.postcode, d.country
from account a
left join address d on d.account_id = a.id and d.is_default
where a.status <> 'closed';
comment on view customer_contact is 'Where invoices and parcels go.';

create function is_active(account_id uuid) returns boolean
  stable
  begin atomic
    select exists (select 1 from account a where a.id = account_id and a.status = 'active');
  end;
