create function recommend(product bigint, at_most integer default 5) returns table (product_id bigint, score double precision)
  stable
  begin atomic
    select a.other_id, a.score from affinity a where a.product_id = product order by a.score desc, a.other_id limit at_most;
  end;

-- Reads another service, through the contract that both manifests declare.
create function copy_purchases(since timestamptz) returns bigint
  language plpgsql
as $$
declare
  copied bigint;
begin
  insert into purchase (account_id, product_id, bought_at, quantity)
  select h.account_id, h.product_id, h.placed_at, sum(h.quantity)
  from orders.order_history h
  where h.placed_at >= since
  group by h.account_id, h.product_id, h.placed_at
  on conflict do nothing;
  get diagnostics copied = row_count;
  return copied;
end
$$;

create procedure train(min_score double precision)
  language plpgsql
as $$
declare
  run bigint;
  kept integer;
begin
  insert into training_run (parameters) values (jsonb_build_object('min_score', min_score)) returning id into run;
  delete from affinity;
  with bought as (
    select distinct account_id, product_id from purchase
  ), buyers as (
    select product_id, count(*) as n from bought group by product_id
  ), pair as (
    select a.product_id, b.product_id as other_id, count(*) as both
    from bought a join bought b on b.account_id = a.account_id and b.product_id <> a.product_id
    group by 1, 2
  )
  insert into affinity (product_id, other_id, score)
  select p.product_id, p.other_id, p.both::double precision / n.n
  from pair p join buyers n on n.product_id = p.product_id
  where p.both::double precision / n.n >= min_score;
  get diagnostics kept = row_count;
  update training_run set finished_at = clock_timestamp(), pairs = kept where id = run;
end
$$;
