select s.oid::int8 as oid, s.srvname::text as name, w.fdwname::text as wrapper, s.srvowner::int8 as owner, s.srvacl::text as acl,
  s.srvoptions as options,
  exists (
    select from pg_catalog.pg_proc p where p.oid = w.fdwhandler and p.proname = 'file_fdw_handler'
  ) as of_files
from pg_catalog.pg_foreign_server s
join pg_catalog.pg_foreign_data_wrapper w on w.oid = s.srvfdw
order by s.oid
