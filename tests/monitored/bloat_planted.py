"""Tables and indexes that are bloated and some that only look so, of a few MB each; the truth is what VACUUM FULL and
REINDEX make of them."""

PLANTED = (
    "create extension pgstattuple",
    "create table packed (id int primary key, note text, at timestamptz default now())",
    "insert into packed select g, 'note ' || g || repeat('x', 60) from generate_series(1, 40000) g",
    # one row in five is left, everywhere
    "create table bloated (like packed including all)",
    "insert into bloated select g, 'note ' || g || repeat('x', 60) from generate_series(1, 60000) g",
    "delete from bloated where id % 5 <> 0",
    # all but the last tenth went at once, and was vacuumed: free for new rows, and not given back
    "create table emptied (like packed including all)",
    "insert into emptied select g, 'note ' || g || repeat('x', 60) from generate_series(1, 60000) g",
    "delete from emptied where id < 54000",
    "create table roomy (like packed including all) with (fillfactor = 50)",
    "alter index roomy_pkey set (fillfactor = 30)",
    "insert into roomy select g, 'note ' || g || repeat('x', 60) from generate_series(1, 30000) g",
    "reindex table roomy",
    "create table toasted (id int primary key, a text, b text)",
    "alter table toasted alter a set storage external, alter b set storage external",
    "insert into toasted select g, repeat(md5(g::text), 70), repeat(md5(g::text), 80) from generate_series(1, 3000) g",
    "insert into toasted select g, 'a' || g, null from generate_series(3001, 30000) g",
    # rows of 1.6 kB: four fill a page, and what is left of it holds no other
    "create table wide (id int primary key, body text)",
    "alter table wide alter body set storage plain",
    "insert into wide select g, repeat('w', 1650) from generate_series(1, 3000) g",
    "create table padded (a bool, b bigint, c bool, d bigint, e smallint, f double precision, g numeric, h text)",
    "insert into padded select g % 2 = 0, g, g % 3 = 0, g, g % 7, g, case when g % 3 = 0 then g end,"
    " case when g % 2 = 0 then 'h' || g end from generate_series(1, 60000) g",
    "create table shrunk (id int primary key, gone text, note text)",
    "insert into shrunk select g, repeat('g', 100), 'n' || g from generate_series(1, 40000) g",
    "alter table shrunk drop column gone",
    "create table keyed (id int primary key, kind int, code text)",
    "insert into keyed select g, g % 5, md5(g::text) from generate_series(1, 100000) g",
    "create index keyed_kind on keyed (kind)",
    "create index keyed_code on keyed (code)",  # inserted in random order below
    "create table shuffled (id int, code text)",
    "create index shuffled_code on shuffled (code)",
    "insert into shuffled select g, md5(g::text) from generate_series(1, 60000) g",
    # keys that the table keeps in TOAST, and the index does not
    "create table out_of_line (id int, a text, b text)",
    "alter table out_of_line alter a set storage external, alter b set storage external",
    "create index out_of_line_a on out_of_line (a)",
    "insert into out_of_line select g, repeat(md5(g::text), 60), repeat(md5(g::text), 40)"
    " from generate_series(1, 2000) g order by md5(g::text)",
    "create table queue (id int primary key)",
    "insert into queue select g from generate_series(1, 200000) g",
    "delete from queue where id % 8 <> 0",
    "analyze queue",
)
