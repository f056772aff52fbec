"""The tokens of SQL, and which functions a statement calls."""

from __future__ import annotations

import re

from unstuck.links.framers.wordlists import words

Tokens = list[tuple[str, str]]
"""Kind (`name` or `other`) and text, without comments and strings."""

_TOKEN = re.compile(
    r"""(?P<skip>\s+|--[^\n]*|/\*.*?\*/)
      | (?P<string>[eE]?'(?:[^'\\]|''|\\.)*'|\$(?P<tag>\w*)\$.*?\$(?P=tag)\$)
      | (?P<name>(?:"[^"]+"|[^\W\d]\w*)(?:\s*\.\s*(?:"[^"]+"|[^\W\d]\w*))*)
      | (?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)
_TOKENS_MAX = 2000
_NO_FUNCTION = words(
    """
    ALL AND ANY ARRAY AS ASC BETWEEN BY CASE CAST COALESCE CROSS CUBE DESC DISTINCT ELSE END EXCEPT
    EXISTS EXTRACT FILTER FOR FROM FULL GREATEST GROUP GROUPING HAVING ILIKE IN INNER INTERSECT INTERVAL
    INTO IS JOIN LATERAL LEAST LEFT LIKE LIMIT MATERIALIZED NOT NULLIF OFFSET ON ONLY OR ORDER OUTER
    OVER OVERLAPS PARTITION POSITION RECURSIVE RETURNING RIGHT ROLLUP ROW SELECT SETS SIMILAR SOME
    SUBSTRING SYMMETRIC TABLESAMPLE THEN TREAT TRIM UNION USING VALUES WHEN WHERE WINDOW WITH WITHIN
    OVERLAY NORMALIZE CHAR CHARACTER VARCHAR NUMERIC DECIMAL FLOAT TIME TIMESTAMP TIMESTAMPTZ BIT
    VARYING PRECISION
    """
)
_PURE = words(
    """
    abs age array_agg avg bit_and bit_length bool_and bool_or btrim bytea cardinality ceil ceiling
    char_length chr clock_timestamp concat concat_ws corr count cume_dist current_database
    current_schema current_schemas current_setting current_user decode degrees dense_rank div encode
    every exp first_value floor format format_type gcd gen_random_uuid get_byte hashtext
    hashtextextended initcap int4 int8 isfinite jsonb json lag last_value lcm lead length ln localtime
    localtimestamp log lower lpad ltrim max md5 min mod mode now nth_value ntile nullif num_nonnulls
    num_nulls obj_description octet_length oid overlaps parse_ident percent_rank pi power quote_ident
    quote_literal quote_nullable radians random rank regclass repeat replace reverse right left round
    row_number row_to_json rpad rtrim session_user set_config sha256 sign split_part sqrt starts_with
    statement_timestamp stddev strpos substr substring sum text timeofday transaction_timestamp
    translate trunc unnest upper uuid uuidv7 variance version

    col_description date_add date_bin date_part date_subtract date_trunc generate_series
    generate_subscripts has_column_privilege has_database_privilege has_function_privilege
    has_schema_privilege has_sequence_privilege has_table_privilege make_date make_interval make_time
    make_timestamp make_timestamptz string_agg string_to_array string_to_table to_char to_date to_hex
    to_json to_jsonb to_number to_regclass to_regnamespace to_regproc to_regtype to_timestamp to_tsquery
    to_tsvector
    """
)
_PURE_PREFIXES = (
    "array_", "inet_", "json_", "jsonb_", "percentile_", "pg_", "regexp_", "ts_", "txid_",
)  # fmt: skip
"""How PostgreSQL's own are named, and hardly anybody else's: `to_`, `make_` and the like begin anybody's."""
_NOT_PURE = words(
    """
    pg_notify pg_terminate_backend pg_cancel_backend pg_logical_emit_message pg_promote pg_reload_conf
    """
)
_NOT_PURE_PREFIXES = (
    "pg_create_", "pg_drop_", "pg_import_", "pg_replication_", "pg_rotate_", "pg_switch_", "pg_wal_replay_",
)  # fmt: skip


def statements_of(sql: str) -> list[Tokens]:
    """The tokens of each statement; of one without any, an empty list."""
    statements: list[Tokens] = [[]]
    for count, token in enumerate(_TOKEN.finditer(sql)):
        if count > _TOKENS_MAX:
            break
        if token.lastgroup == "name":
            statements[-1].append(("name", token["name"]))
        elif token["other"] == ";":
            statements.append([])
        elif token["other"]:
            statements[-1].append(("other", token["other"]))
    return statements


def called(tokens: Tokens) -> list[str]:
    """What is called: a name before a bracket, no word of SQL and no alias of a table with columns."""
    found = []
    before = ("other", "")
    for place, (kind, text) in enumerate(tokens[:-1]):
        if kind == "name" and tokens[place + 1] == ("other", "(") and text.upper() not in _NO_FUNCTION:
            is_alias = before == ("other", ")") or (
                before[0] == "name" and (before[1].upper() == "AS" or before[1].upper() not in _NO_FUNCTION)
            )
            if not is_alias:
                found.append(re.sub(r'["\s]', "", text).lower())
        before = (kind, text)
    return found


def is_pure(function: str) -> bool:
    """True for a function of PostgreSQL's own that changes nothing."""
    name = function.removeprefix("pg_catalog.")
    if "." in name or name in _NOT_PURE or name.startswith(_NOT_PURE_PREFIXES):
        return False
    return name in _PURE or name.startswith(_PURE_PREFIXES)
