"""Which functions of a condition somebody wrote for the database, and not PostgreSQL or an extension."""

import re
from collections.abc import Collection

from analyzer.schema.facts import SchemaFacts

# cheap ones of PostgreSQL's own that stand in most plans: never the reason
CHEAP = frozenset(
    ("coalesce", "case", "greatest", "least", "nullif", "lower", "upper", "length", "abs", "date_trunc", "now",
     "date_part", "extract", "round", "floor", "ceil", "btrim", "ltrim", "rtrim", "substring", "substr", "concat",
     "left", "right", "timezone", "row", "like_escape")
)  # fmt: skip
# others that conditions call; psql's \df pg_catalog.* of 18, less those that stand behind operators and types
NAMES = """
    abbrev acos acosd acosh age area ascii asin asind asinh atan atan2 atan2d atand atanh bit bit_count bit_length bool
    box bpchar broadcast bytea cardinality casefold cbrt ceiling center char char_length character_length chr cidr
    circle clock_timestamp col_description concat_ws convert convert_from convert_to cos cosd cosh cot cotd crc32 crc32c
    current_database current_query current_schema current_schemas current_setting currval date date_add date_bin
    date_subtract datemultirange daterange degrees diagonal diameter div enum_first enum_last enum_range erf erfc exp
    factorial family float4 float8 gamma gcd gen_random_uuid get_bit get_byte height host hostmask inet_client_addr
    inet_client_port inet_merge inet_same_family inet_server_addr initcap int2 int4 int4multirange int4range int8
    int8multirange int8range interval is_normalized isclosed isempty isfinite isopen justify_days justify_hours
    justify_interval lastval lcm lgamma ln log log10 lower_inc lower_inf lpad lseg macaddr macaddr8 make_date
    make_interval make_time make_timestamp make_timestamptz masklen min_scale mod money multirange name netmask network
    nextval normalize npoints num_nonnulls num_nulls numeric numnode nummultirange numrange obj_description octet_length
    oid overlaps overlay parse_ident path pi point polygon popen position pow power querytree quote_ident quote_literal
    quote_nullable radians radius random random_normal range_merge regclass reverse row_security_active row_to_json rpad
    scale set_bit set_byte set_config set_masklen setval setweight sign similar_escape similar_to_escape sin sind sinh
    slope sqrt starts_with statement_timestamp strip strpos tan tand tanh text time timeofday timestamp timestamptz
    timetz to_ascii to_bin to_hex to_json to_jsonb to_oct to_regclass to_regnamespace to_regproc to_regprocedure
    to_regrole to_regtype to_timestamp transaction_timestamp trim_array trim_scale trunc tsmultirange tsquery_phrase
    tsrange tstzmultirange tstzrange tsvector_to_array txid_current txid_status unistr unnest upper_inc upper_inf
    uuid_extract_timestamp uuid_extract_version uuidv4 uuidv7 varbit varchar width width_bucket xid
"""
BUILT_IN = frozenset(NAMES.split())
OF_OTHERS = re.compile(
    r"(?:_?st_|geometry|geography|to_ts|plainto_|phraseto_|websearch_|ts_|regexp_|jsonb?_|array_|string_|xml|xpath"
    r"|similarity|word_similarity|strict_word_|levenshtein|unaccent|soundex|metaphone|md5|sha\d|digest|crypt|encode"
    r"|decode|to_char|to_date|to_number|replace|translate|split_part|format|repeat|pg_|hash|has_|generate_|uuid_generate_"
    r"|time_bucket|dblink|ll_to_earth|earth_|cube|nlevel|subpath|subltree|hstore|cosine_distance|l[12]_distance|inner_product)"
)


def own_functions(functions: Collection[str], facts: SchemaFacts | None, volatility: str = "isv") -> tuple[str, ...]:
    """Where the schema's functions are not known, by how others are called.

    ``volatility``: letters of pg_proc.provolatile; where they are known, the others are left out.
    """
    if facts is not None and facts.functions is not None:
        names = {f.name for f in facts.functions if f.volatility in volatility and not f.is_named_as_built_in}
        return tuple(name for name in functions if name in names)
    return tuple(name for name in functions if name not in CHEAP and name not in BUILT_IN and not OF_OTHERS.match(name))


def calls_of(functions: Collection[str]) -> str:
    """ "f(), g()"."""
    return ", ".join(f"{name}()" for name in functions)


def if_immutable(own: Collection[str]) -> str:
    return (
        f"If {calls_of(own)} always gives the same for the same arguments, mark it IMMUTABLE: an index on the"
        " expression then holds its results."
    )


def if_stable(own: Collection[str]) -> str:
    """Of what a column is compared with."""
    return (
        f"Where {calls_of(own)} is VOLATILE, as functions are by default, it is called for each row and no index can"
        " look its result up: mark it STABLE if it gives the same throughout a statement."
    )
