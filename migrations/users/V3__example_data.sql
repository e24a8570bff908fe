-- The ids follow from the numbers, so that other services' example data can name the same customers.
insert into account (id, email, display_name, status, preferences, created_at, updated_at)
select
  md5('account ' || n)::uuid,
  'customer' || n || '@example.com',
  (array['Ada', 'Grace', 'Edsger', 'Barbara', 'Donald', 'Radia', 'Alan', 'Frances'])[1 + n % 8] || ' No. ' || n,
  case when n % 97 = 0 then 'closed' when n % 41 = 0 then 'suspended' else 'active' end::account_status,
  jsonb_build_object('newsletter', n % 3 = 0, 'language', (array['en', 'de', 'fr', 'nl'])[1 + n % 4]),
  timestamptz '2025-01-01 00:00+00' + n * interval '3 hours',
  timestamptz '2025-01-01 00:00+00' + n * interval '3 hours'
from generate_series(1, 2000) n;

insert into address (account_id, recipient, street, city, postcode, country, is_default)
select
  md5('account ' || n)::uuid,
  'Customer No. ' || n,
  'Market Street ' || 1 + n % 200,
  (array['Amsterdam', 'Berlin', 'Lyon', 'Vienna', 'Ghent'])[1 + n % 5],
  lpad((n * 37 % 100000)::text, 5, '0'),
  (array['NL', 'DE', 'FR', 'AT', 'BE'])[1 + n % 5],
  copy = 1
from generate_series(1, 2000) n
cross join lateral generate_series(1, 1 + n % 2) copy;

insert into session (token_hash, account_id, created_at, expires_at)
select
  sha256(convert_to('session ' || n, 'UTF8')),
  md5('account ' || 1 + n * 7 % 2000)::uuid,
  timestamptz '2026-06-01 00:00+00' + n * interval '10 minutes',
  timestamptz '2026-07-01 00:00+00' + n * interval '10 minutes'
from generate_series(1, 800) n;
