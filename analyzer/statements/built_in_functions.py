"""Names of PostgreSQL's own functions that people call: pg_proc of pg_catalog in version 18, without those that
implement operators, types and indexes."""

from analyzer.statements.built_in_types import BUILT_IN_TYPES
from analyzer.statements.type_rules import OF_NUMBERS, RESULT_OF, RESULTS

_NAMES = """
abs acldefault aclexplode acos acosd acosh age area array_append array_cat array_dims array_fill array_length
array_lower array_ndims array_position array_positions array_prepend array_remove array_replace array_reverse
array_sort array_to_json array_to_string array_to_tsvector array_upper ascii asin asind asinh atan atan2 atan2d
atand atanh bit_count bit_length broadcast btrim cardinality casefold cash_words cbrt ceil ceiling center
char_length character_length chr clock_timestamp col_description concat concat_ws convert convert_from convert_to
cos cosd cosh cot cotd crc32 crc32c current_database current_schema current_schemas current_setting current_user
currval date_add date_bin date_part date_subtract date_trunc decode degrees diagonal diameter div encode enum_first
enum_last enum_range erf erfc exp extract factorial family float8 floor format format_type gamma gcd gen_random_uuid
generate_series generate_subscripts get_bit get_byte get_current_ts_config getdatabaseencoding getpgusername
hash_array hash_record hashtext hashtextextended height host hostmask icu_unicode_version inet_client_addr
inet_client_port inet_server_addr inet_server_port initcap is_normalized isclosed isempty isfinite ishorizontal
isopen isparallel isperp isvertical json_array_elements json_array_elements_text json_array_length json_build_array
json_build_object json_each json_each_text json_extract_path json_extract_path_text json_object json_object_keys
json_populate_record json_populate_recordset json_strip_nulls json_to_record json_to_recordset json_to_tsvector
json_typeof jsonb_array_elements jsonb_array_elements_text jsonb_array_length jsonb_build_array jsonb_build_object
jsonb_contains jsonb_each jsonb_each_text jsonb_exists jsonb_extract_path jsonb_extract_path_text jsonb_insert
jsonb_object jsonb_object_keys jsonb_path_exists jsonb_path_exists_tz jsonb_path_match jsonb_path_match_tz
jsonb_path_query jsonb_path_query_array jsonb_path_query_array_tz jsonb_path_query_first jsonb_path_query_first_tz
jsonb_path_query_tz jsonb_populate_record jsonb_populate_record_valid jsonb_populate_recordset jsonb_pretty
jsonb_set jsonb_set_lax jsonb_strip_nulls jsonb_to_record jsonb_to_recordset jsonb_to_tsvector jsonb_typeof
justify_days justify_hours justify_interval lcm left length lgamma like like_escape ln log log10 lower lower_inc
lower_inf lpad ltrim macaddr8_set7bit make_date make_interval make_time make_timestamp make_timestamptz makeaclitem
masklen md5 min_scale mod multirange mxid_age netmask network nextval normalize notlike now npoints num_nonnulls
num_nulls numeric_div_trunc numeric_exp numeric_ln numeric_log numeric_sqrt numnode obj_description octet_length
oidvectortypes overlaps overlay parse_ident pclose pg_column_size pg_size_pretty phraseto_tsquery pi plainto_tsquery
popen position pow power quote_ident quote_literal quote_nullable radians radius random range_merge regexp_count
regexp_instr regexp_like regexp_match regexp_matches regexp_replace regexp_split_to_array regexp_split_to_table
regexp_substr repeat replace reverse right round row_to_json rpad rtrim scale session_user set_bit set_byte
set_masklen setweight sha224 sha256 sha384 sha512 shobj_description sign similar_escape similar_to_escape sin sind
sinh slope split_part sqrt starts_with statement_timestamp string_to_array string_to_table strip strpos substr
substring system_user tan tand tanh textlen timeofday timezone to_ascii to_bin to_char to_date to_hex to_json
to_jsonb to_number to_oct to_timestamp to_tsquery to_tsvector transaction_timestamp translate trim_array trim_scale
trunc ts_debug ts_delete ts_filter ts_headline ts_lexize ts_match_vq ts_parse ts_rank ts_rank_cd ts_rewrite
ts_token_type tsquery_phrase tsvector_to_array unicode_assigned unicode_version unistr unnest upper upper_inc
upper_inf uuid_extract_timestamp uuid_extract_version version websearch_to_tsquery width width_bucket
xml_is_well_formed xmlcomment xpath xpath_exists
"""
# those of types convert to them, and make ranges
BUILT_IN_FUNCTIONS = BUILT_IN_TYPES | RESULTS.keys() | RESULT_OF.keys() | OF_NUMBERS | frozenset(_NAMES.split())
