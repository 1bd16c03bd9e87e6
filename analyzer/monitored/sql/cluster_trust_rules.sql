-- Rules of pg_hba.conf that let sessions from other machines in without a password or a certificate.
-- Needs EXECUTE on pg_hba_file_rules(), which superusers have.
select
    h.line_number,
    pg_catalog.array_to_string(h.database, ',') as databases,
    pg_catalog.array_to_string(h.user_name, ',') as roles,
    h.address || coalesce(' mask ' || h.netmask, '') as address
from pg_catalog.pg_hba_file_rules as h
where
    h.auth_method = 'trust'
    and h.error is null
    and h.type like 'host%%'
    and h.address !~ '^(127\.|::1$|samehost$|localhost$)'
    and not coalesce(h.options && array['clientcert=verify-full', 'clientcert=verify-ca'], false)
order by h.line_number
limit 100
