-- Whether the server writes a log that it can show, in which formats, and whether we may read it.
-- Needs pg_read_all_settings (in pg_monitor) to see the settings.
select
    pg_catalog.current_setting('logging_collector') = 'on' as is_collected,
    pg_catalog.current_setting('log_destination') as formats,
    pg_catalog.current_setting('log_line_prefix') as line_prefix,
    pg_catalog.has_function_privilege('pg_catalog.pg_current_logfile(text)', 'execute') as may_name_file,
    pg_catalog.has_function_privilege('pg_catalog.pg_ls_logdir()', 'execute') as may_list_files,
    pg_catalog.has_function_privilege('pg_catalog.pg_read_binary_file(text, bigint, bigint)', 'execute') as may_read_files,
    current_user as login
