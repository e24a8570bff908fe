create view product_prices with (security_barrier) as
select distinct on (p.id, r.currency)
  p.id as product_id, p.sku::text as sku, p.title, r.currency, r.amount::numeric(12, 2) as amount, r.valid_from
from product p
join price r on r.product_id = p.id
where p.status = 'listed' and r.valid_from <= now()
order by p.id, r.currency, r.valid_from desc;
comment on view product_prices is 'What can be bought now, at which price.';

create view product_cards with (security_barrier) as
select p.id as product_id, p.title, c.slug as category, p.attributes ->> 'colour' as colour
from product p
join category c on c.id = p.category_id
where p.status = 'listed';

create function price_of(product_id bigint, currency text, at timestamptz) returns numeric
  stable
  begin atomic
    select r.amount
    from price r
    where r.product_id = price_of.product_id and r.currency = price_of.currency and r.valid_from <= at
    order by r.valid_from desc
    limit 1;
  end;

create function full_slug(category_id integer) returns text
  language sql stable
as $$
  with recursive up as (
    select id, parent_id, slug from category where id = category_id
    union all
    select c.id, c.parent_id, c.slug || '/' || up.slug from category c join up on up.parent_id = c.id
  )
  select slug from up where parent_id is null
$$;
