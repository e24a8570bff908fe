-- How a session begins: whom it acts as, when not as its login, and where a setting comes from that keeps it from writing.
select
  case when current_user operator(pg_catalog.<>) session_user then current_user::pg_catalog.text end as role,
  case
    when pg_catalog.current_setting('transaction_read_only') operator(pg_catalog.=) 'on' then
      case
        when pg_catalog.pg_is_in_recovery() then 'recovery'
        else (
          select s.source
          from pg_catalog.pg_settings s
          where s.name operator(pg_catalog.=) 'default_transaction_read_only'
        )
      end
  end as read_only
