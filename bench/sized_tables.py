"""Tables of many types, and over a hundred indexes on them: what the size estimates are measured against."""

from analyzer.advice.definition import IndexColumn, IndexDefinition
from analyzer.schema.facts import TableFacts

EXTENSIONS = ("pg_trgm", "citext", "btree_gin", "btree_gist", "pageinspect")
TABLES = """
select setseed(0.42);
create type state as enum ('new', 'paid', 'sent', 'closed');
create table things as
select
    i as id, i::bigint * 7 as big_id, gen_random_uuid() as token,
    (random() * 20000)::int as customer_id, (random() * 200000)::int as product_id, (i / 20) as batch_id,
    (20000 * random() ^ 4)::int as skewed_id, (i % 30)::smallint as kind,
    case when random() < 0.97 then 'open' else 'closed' end as status,
    ('{new,paid,sent,closed}'::state[])[1 + (random() * random() * 4)::int % 4] as state,
    'user' || i || '@example.org' as email, ('Name' || (random() * 50000)::int)::varchar(40) as name,
    ('C' || (random() * 900)::int)::char(8) as code, ('City ' || i % 5000)::citext as town,
    repeat(chr(97 + (random() * 25)::int), (random() * 60)::int) || i as title,
    md5(i::text) || md5((i + 1)::text) as digest,
    timestamptz '2024-01-01' + i * interval '1 second' as created_at,
    timestamptz '2024-01-01' + random() * 3e5 * interval '1 minute' as seen_at,
    timestamptz '2024-01-01' + (random() * 700)::int * interval '1 day' as billed_at,
    date '2024-01-01' + (random() * 700)::int as day, random() < 0.3 as active,
    case when random() < 0.2 then (random() * 1000)::int end as parent_id,
    case when random() < 0.02 then timestamptz '2024-01-01' + i * interval '1 minute' end as deleted_at,
    case when random() < 0.4 then 'note ' || (random() * 1e5)::int end as note,
    (random() * 10000)::numeric(10, 2) as price, random() as score, (random() * 100)::int::float8 as rating,
    ('10.' || (random() * 3)::int || '.' || i % 256 || '.' || (random() * 255)::int)::inet as address,
    (random() * 300)::int as city_id, 0 as country_id,
    int4range((random() * 1e5)::int, 100000 + (random() * 1e5)::int) as span,
    (random() * 86400)::int * interval '1 second' as lasted
from generate_series(1, 300000) as i;
update things set country_id = city_id % 40;
vacuum full things;
create table events as
select
    i as id, (random() * 2000)::int as device_id, timestamptz '2024-01-01' + i * interval '1 second' as at,
    (timestamptz '2024-01-01' + i * interval '1 second')::date as day,
    case when random() < 0.9 then 0 else (random() * 50)::int end as level,
    (random() * 1e9)::int as payload, 'host-' || (random() * 40)::int as host
from generate_series(1, 500000) as i;
create table documents as
select
    i as id, (random() * 500)::int as author_id,
    jsonb_build_object('user', (random() * 5000)::int, 'kind', 'k' || i % 12, 'tags',
        jsonb_build_array('t' || (random() * 60)::int, 't' || (random() * 60)::int), 'ok', i % 3 = 0) as data,
    jsonb_build_object('sku', md5(i::text), 'price', (random() * 1000)::numeric(8, 2)) as attributes,
    array(select 'tag' || (400 * random() ^ 3)::int from generate_series(1, 1 + (i + n) % 5) n) as tags,
    array(select (random() * 30000)::int + i * 0 from generate_series(1, 4)) as numbers,
    (select string_agg(w, ' ') from (select 'w' || (3000 * random() ^ 3)::int + i * 0 as w
        from generate_series(1, 12)) w) as body,
    md5((i * 3)::text) as hex, 'Product ' || (random() * 3000)::int || ' of house ' || (random() * 99)::int as label
from generate_series(1, 200000) as i, lateral (select 0 as n) z;
alter table documents add search tsvector generated always as (to_tsvector('simple', body)) stored;
create statistics things_places (ndistinct) on city_id, country_id from things;
create statistics things_batch (ndistinct) on batch_id, status from things;
"""
# table: columns as CREATE INDEX writes them; "(expression)", " desc", an operator class
BTREES = {
    "things": (
        "id", "big_id", "token", "customer_id", "product_id", "batch_id", "skewed_id", "kind", "status", "state",
        "email", "name", "code", "town", "title", "digest", "created_at", "seen_at", "billed_at", "day", "active",
        "parent_id", "deleted_at", "note", "price", "score", "rating", "address", "city_id", "lasted",
        "name text_pattern_ops", "created_at desc", "deleted_at desc nulls last",
        "customer_id, created_at", "customer_id, created_at desc", "status, customer_id", "day, kind",
        "active, product_id", "customer_id, title", "kind, parent_id", "customer_id, product_id, day",
        "city_id, country_id", "batch_id, status", "batch_id, kind", "state, active, kind",
        "state, day, city_id, active",
        "parent_id, note", "token, day", "name, code", "town, day", "status, state", "billed_at, customer_id",
        "note, deleted_at", "address, kind", "skewed_id, kind", "skewed_id, customer_id",
    ),
    "events": (
        "id", "device_id", "at", "day", "level", "payload", "host", "device_id, at", "device_id, day", "day, device_id",
        "at, day", "level, host", "host, day, level", "host, device_id",
    ),
    "documents": ("author_id", "label", "hex", "author_id, label", "data", "numbers"),
}  # fmt: skip
INCLUDES = (
    ("things", "customer_id", ("price",)), ("things", "day", ("kind", "status")), ("things", "email", ("id",)),
    ("things", "token", ("name", "active")), ("events", "device_id, at", ("payload",)),
    ("documents", "author_id", ("label",)),
)  # fmt: skip
UNIQUES = (("things", "id"), ("things", "token"), ("things", "email"), ("things", "created_at, id"), ("events", "id"))
PARTIALS = (
    ("things", "customer_id", "status = 'closed'"), ("things", "deleted_at", "deleted_at is not null"),
    ("things", "email", "deleted_at is null"), ("things", "customer_id, day", "state = 'new'"),
    ("things", "parent_id", "parent_id is not null"), ("things", "status", "status = 'closed'"),
    ("events", "device_id", "level > 10"), ("events", "at", "level = 0"), ("events", "host", "level <> 0"),
    ("things", "created_at", "kind = 3 and active"),
)  # fmt: skip
EXPRESSIONS = (
    ("things", "(lower(email))"), ("things", "(lower(name))"),
    ("things", "(date_trunc('day', seen_at at time zone 'UTC'))"),
    ("things", "(customer_id % 10)"), ("things", "((price * 2)::int)"), ("things", "(upper(status)), day"),
    ("documents", "((data ->> 'kind'))"), ("documents", "((data ->> 'user')::int)"), ("documents", "(lower(label))"),
    ("events", "((at at time zone 'UTC')::date), level"),
)  # fmt: skip
GINS = (
    ("documents", "data jsonb_path_ops"), ("documents", "data"), ("documents", "attributes jsonb_path_ops"),
    ("documents", "attributes"), ("documents", "tags"), ("documents", "numbers"), ("documents", "search"),
    ("documents", "hex gin_trgm_ops"), ("documents", "label gin_trgm_ops"), ("documents", "body gin_trgm_ops"),
    ("documents", "author_id, tags"), ("things", "customer_id"), ("things", "title gin_trgm_ops"),
    ("things", "email gin_trgm_ops"), ("things", "status"), ("things", "name gin_trgm_ops"),
)  # fmt: skip
BRINS = (
    ("things", "created_at", None), ("things", "created_at", "pages_per_range = 8"), ("things", "id, day, price", None),
    ("things", "title", "pages_per_range = 1"), ("things", "parent_id", "pages_per_range = 1"),
    ("events", "at", "pages_per_range = 1"), ("events", "at, device_id, host", "pages_per_range = 4"),
    ("events", "day", "pages_per_range = 32"), ("things", "token uuid_bloom_ops", None),
    ("things", "seen_at timestamptz_minmax_multi_ops", "pages_per_range = 16"),
    ("things", "span", "pages_per_range = 1"),
)  # fmt: skip
HASHES = (
    ("things", "id"), ("things", "token"), ("things", "customer_id"), ("things", "kind"), ("things", "note"),
    ("events", "device_id"), ("events", "host"), ("documents", "label"),
)  # fmt: skip
GISTS = (("things", "span"), ("things", "address inet_ops"), ("things", "day"), ("documents", "label gist_trgm_ops"))


def parse_column(text: str) -> IndexColumn:
    """One column of CREATE INDEX: ``name``, ``name opclass``, ``name desc nulls last`` or ``(expression)``."""
    if text.startswith("("):
        return IndexColumn(text[1:-1], is_expression=True)
    name, *rest = text.split()
    opclass = rest[0] if rest and rest[0].endswith("_ops") else None
    return IndexColumn(name, "desc" in rest, False if "last" in rest else None, opclass)


def parse_columns(text: str) -> tuple[IndexColumn, ...]:
    parts, depth = [""], 0
    for letter in text:
        depth += (letter == "(") - (letter == ")")
        if letter == "," and not depth:
            parts.append("")
        else:
            parts[-1] += letter
    return tuple(parse_column(part.strip()) for part in parts)


def definitions(tables: dict[str, TableFacts]) -> list[IndexDefinition]:
    found = [IndexDefinition(tables[t], parse_columns(c)) for t, some in BTREES.items() for c in some]
    found += [IndexDefinition(tables[t], parse_columns(c), include=i) for t, c, i in INCLUDES]
    found += [IndexDefinition(tables[t], parse_columns(c), is_unique=True) for t, c in UNIQUES]
    found += [IndexDefinition(tables[t], parse_columns(c), predicate=p) for t, c, p in PARTIALS]
    found += [IndexDefinition(tables[t], parse_columns(c)) for t, c in EXPRESSIONS]
    found += [IndexDefinition(tables[t], parse_columns(c), "gin") for t, c in GINS]
    found += [IndexDefinition(tables[t], parse_columns(c), "brin", storage=s) for t, c, s in BRINS]
    found += [IndexDefinition(tables[t], parse_columns(c), "hash") for t, c in HASHES]
    return found + [IndexDefinition(tables[t], parse_columns(c), "gist") for t, c in GISTS]
