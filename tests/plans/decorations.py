"""What people's tools write around a plan: each takes the plan's text and gives the file that would be pasted."""

import json
from collections.abc import Callable

Decoration = Callable[[str], str]


def each_line(form: str) -> Decoration:
    """``{i}`` is the line's number, ``{line}`` the line."""
    return lambda text: "\n".join(form.format(i=i, line=line) for i, line in enumerate(text.split("\n"), 1)) + "\n"


def bordered(text: str, bar: str, rule: str) -> str:
    lines = text.split("\n")
    width = max(map(len, lines))
    frame = f"{rule[0]}{rule[1] * (width + 2)}{rule[2]}"
    rows = [f"{bar} {line:{width}} {bar}" for line in lines]
    return "\n".join([frame, f"{bar} {'QUERY PLAN':^{width}} {bar}", frame, *rows, frame, f"({len(lines)} rows)", ""])


def expanded(text: str, bar: str = "|", dash: str = "-", *, is_json: bool = False) -> str:
    if is_json:
        first, *rest = text.split("\n")
        middle = (f"           {bar} {line:60}+" for line in rest[:-1])
        head = (f"{dash}[ RECORD 1 ]{dash * 9}", f"QUERY PLAN {bar} {first:60}+")
        return "\n".join([*head, *middle, f"           {bar} {rest[-1]}"])
    rows = (f"{dash}[ RECORD {i} ]{dash * 40}\nQUERY PLAN {bar} {line}" for i, line in enumerate(text.split("\n"), 1))
    return "\n".join(rows) + "\n"


def csv_cells(text: str) -> str:
    return "QUERY PLAN\n" + "\n".join(
        '"' + line.replace('"', '""') + '"' if {'"', ","} & set(line) else line for line in text.split("\n")
    )


def wrapped(text: str, width: int = 60) -> str:
    """psql's ``\\pset format wrapped``"""
    rows = []
    for line in text.split("\n"):
        pieces = [line[i : i + width] for i in range(0, len(line), width)] or [""]
        for i, piece in enumerate(pieces):
            rows.append(("." if i else " ") + (f"{piece:{width}}." if i < len(pieces) - 1 else piece))
    return "QUERY PLAN".center(width) + "\n" + "-" * (width + 2) + "\n" + "\n".join(rows) + "\n(3 rows)\n"


def logged(text: str) -> str:
    clock = "2026-01-02 03:04:05.678 UTC [4242] app@shop"
    return (
        f'{clock} LOG:  checkpoint starting: time\n{clock} ERROR:  relation "x" does not exist at character 15\n'
        f"{clock} STATEMENT:  select * from x\n\t  where a = 5\n{clock} LOG:  duration: 12.345 ms  plan:\n"
        "\tQuery Text: select *\n\t  from t -- Filter: (a\n\t where b = 5\n"
        + "".join(f"\t{line}\n" for line in text.split("\n"))
        + f"{clock} LOG:  disconnection: session time: 0:00:00.012 user=app\n"
    )


def logged_as_csv(text: str) -> str:
    message = "duration: 12.345 ms  plan:\nQuery Text: select 1\n" + text
    return (
        '2026-01-02 03:04:05.678 UTC,"app","shop",4242,"[local]",6677.1,1,"SELECT",2026-01-02 03:04:05 UTC,3/0,0,LOG,'
        f'00000,"{message.replace(chr(34), chr(34) * 2)}",,,,,,,,,"psql","client backend",,0\n'
        '2026-01-02 03:04:06.678 UTC,"app","shop",4242,"[local]",6677.1,2,"idle",2026-01-02 03:04:05 UTC,3/0,0,LOG,'
        '00000,"disconnection: session time: 0:00:00.012",,,,,,,,,"psql","client backend",,0\n'
    )


def logged_as_json(text: str) -> str:
    messages = ["checkpoint starting: time", "duration: 12.345 ms  plan:\nQuery Text: select 1\n" + text, "bye"]
    return "".join(json.dumps({"timestamp": "2026-01-02", "pid": 4242, "message": m}) + "\n" for m in messages)


# For the text format and for JSON printed over several lines.
DECORATIONS: dict[str, Decoration] = {
    "numbered": each_line("{i}. {line}"),
    "numbered from a listing": each_line("{i:6}\t{line}"),
    "numbered in one width": each_line("{i:<4}{line}"),
    "numbered with bars": each_line("{i:>3} | {line}"),
    "numbered with colons": each_line("{i}: {line}"),
    "numbered with brackets": each_line("{i}) {line}"),
    "mail quotes": each_line("> {line}"),
    "twice quoted": each_line(">> {line}"),
    "quotes of quotes": each_line("> > {line}"),
    "quoted in a mail with words": lambda text: (
        "Hi,\n\non Monday Bob wrote:\n" + each_line("> {line}")(text) + "\nAny idea why it is so slow?\n"),
    "fenced": lambda text: f"```sql\n{text}\n```\n",
    "fenced in a quote": each_line("> {line}"),
    "SQL comments": each_line("-- {line}"),
    "shell comments": each_line("# {line}"),
    "indented": each_line("        {line}"),
    "indented by a tab": each_line("\t{line}"),
    "Windows line ends": lambda text: text.replace("\n", "\r\n"),
    "double spaced": lambda text: text.replace("\n", "\n\n"),
    "trailing spaces": each_line("{line}   "),
    "byte order mark": lambda text: "\ufeff" + text,
    "non-breaking spaces": lambda text: "\n".join(
        "\u00a0" * (len(line) - len(line.lstrip())) + line.lstrip() for line in text.split("\n")),
    "non-breaking spaces everywhere": lambda text: each_line("  {line}")(text).replace(" ", "\u00a0"),
    "colours": each_line("\x1b[33m{line}\x1b[0m"),
    "psql": lambda text: (
        f"     QUERY PLAN     \n-----------------\n{each_line(' {line}')(text)}(7 rows)\n\nTime: 1.2 ms\n"),
    "psql in German": lambda text: (
        f"   QUERY PLAN   \n--------\n{each_line(' {line}')(text)}(7 Zeilen)\n\nZeit: 1,234 ms\n"),
    "border 2": lambda text: bordered(text, "|", "+-+"),
    "border 2, Unicode": lambda text: bordered(text, "│", "┌─┐"),
    "Markdown table": lambda text: f"| QUERY PLAN |\n|------------|\n{each_line('| {line} |')(text)}",
    "DBeaver": lambda text: f"QUERY PLAN|\n----------+\n{each_line('{line}|')(text)}",
    "container's log": each_line("db-1  | {line}"),
    "syslog": each_line("Nov 30 00:00:00 host postgres[4242]: [5-{i}] {line}"),
    "journald": each_line("Nov 30 00:00:00 host postgresql[4242]: {line}"),
    "wrapped": wrapped,
    "prompt": lambda text: (
        f"shop=# \\timing\nTiming is on.\nshop=# explain analyze select 1;\n"
        f"QUERY PLAN\n{text}\n(3 rows)\n\nTime: 3.5 ms\nshop=# \\q\n"),
    "server log": logged,
    "server log in a mail": lambda text: each_line("> {line}")(logged(text)),
    "csvlog": logged_as_csv,
    "jsonlog": logged_as_json,
}  # fmt: skip
TEXT_ONLY: dict[str, Decoration] = {
    "pgAdmin": lambda text: "\n".join('"' + line.replace('"', '""') + '"' for line in text.split("\n")),
    "pgAdmin with its header": lambda text: (
        '"QUERY PLAN"\n' + "\n".join('"' + line.replace('"', '""') + '"' for line in text.split("\n"))),
    "psql --csv": csv_cells,
    "expanded": expanded,
    "expanded, Unicode": lambda text: expanded(text, "│", "─"),
    "expanded, border 2": lambda text: "\n".join(
        f"+-[ RECORD {i} ]-+----+\n| QUERY PLAN | {line:150} |" for i, line in enumerate(text.split("\n"), 1)),
    "expanded, unaligned": lambda text: "\n\n".join(f"QUERY PLAN|{line}" for line in text.split("\n")),
    "turned arrows": lambda text: text.replace("->  ", "→  "),
    "long arrows": lambda text: text.replace("->  ", "—>  "),
    "escaped for a page": lambda text: (
        text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")),
    "rows in JSON": lambda text: json.dumps([{"QUERY PLAN": line} for line in text.split("\n")], indent=1),
    "a Rails console": lambda text: (
        '=> EXPLAIN for: SELECT "t".* FROM "t" WHERE "t"."id" = $1 [["id", 1]]\n QUERY PLAN\n----------\n'
        + each_line(" {line}")(text)
    ),
    "a string's inside": lambda text: text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n"),
    "first line without its space": lambda text: each_line(" {line}")(text)[1:],
}  # fmt: skip
JSON_ONLY: dict[str, Decoration] = {
    "one cell of CSV": lambda text: 'QUERY PLAN\n"' + text.replace('"', '""') + '"\n',
    "quoted as JSON": json.dumps,
    "a row of JSON": lambda text: json.dumps([{"QUERY PLAN": json.loads(text)}]),
    "psql": lambda text: (
        "   QUERY PLAN   \n----------\n" + "\n".join(f" {line:80}+" for line in text.split("\n")[:-1])
        + f"\n {text.splitlines()[-1]}\n(1 row)\n"),
    "border 2": lambda text: bordered("\n".join(f"{line:80}+" for line in text.split("\n")[:-1]) + "\n]", "|", "+-+")
        .replace("+ |", "+|"),
    "Unicode": lambda text: (
        "   QUERY PLAN   \n──────────\n" + "\n".join(f" {line:80}↵" for line in text.split("\n")[:-1])
        + f"\n {text.splitlines()[-1]}\n(1 row)\n"),
    "expanded": lambda text: expanded(text, is_json=True),
}  # fmt: skip
