-- logins ($1) with another verifier than the one whose SHA-256 is known ($2); asked only where pg_authid can be read
select a.rolname::text as name
from rows from (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[])) as issued (login, sha256)
join pg_catalog.pg_authid a on a.rolname::text = issued.login
where a.rolpassword is not null
  and pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(a.rolpassword, 'UTF8')), 'hex') <> issued.sha256
order by a.rolname
