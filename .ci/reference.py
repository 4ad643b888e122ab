"""The tables of docs/scenario.md, made from the scenario format's JSON Schema.

    reference.py            writes the tables between the page's markers
    reference.py --check    fails if they are not up to date, or if a key of the schema is not on the page, or a metric not
                            in docs/model.md

A marker is `<!-- keys PATH -->`, closed by `<!-- end -->`; PATH leads from the schema's root to an object's properties.
"""

import json
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).parent.parent
PAGE = ROOT / "docs" / "scenario.md"
SCHEMA = json.loads((ROOT / "scenarios" / "scenario.schema.json").read_text())
MARKED = re.compile(r"(<!-- keys ([^>]+) -->\n).*?(<!-- end -->)", re.DOTALL)
# Sections of the page; a path ends there.
SECTIONS = {path for _, path, _ in MARKED.findall(PAGE.read_text())}
# Keys that are explained once for all facts.
FACT = {"value", "basis", "source"}


def alternatives(node):
    """What a value may be, with references kept; the table that gives a fact its source is left out."""
    if "$ref" in node or node.get("type") == "object":
        return [node]
    for key in ("anyOf", "oneOf"):
        if key in node:
            parts = [part for option in node[key] for part in alternatives(option)]
            return [part for part in parts if not is_fact(part)]
    return [node]


def is_fact(node):
    return FACT <= set(node.get("properties", {}))


def carries_source(node):
    return any(is_fact(option) for option in node.get("anyOf", []))


def kind(node):
    """What to write, in a few words."""
    words = []
    for option in alternatives(node):
        if "$ref" in option:
            name = option["$ref"].split("/")[-1].replace("-", " ")
            words.append({"law of times": "time or law", "law of factors": "factor or law"}.get(name, name))
        elif "const" in option:
            words.append(f'`"{option["const"]}"`' if isinstance(option["const"], str) else f"`{option['const']}`")
        elif option.get("type") in ("integer", "number"):
            words.append("whole number" if option["type"] == "integer" else "number")
        elif option.get("type") == "object":
            words.append("table by name" if isinstance(option.get("additionalProperties"), dict) else "table")
        elif option.get("type") == "array":
            words.append("list of " + kind(option["items"]) if "items" in option else "list")
        elif option.get("type") == "boolean":
            words.append("`true`, `false`")
        elif option.get("type") == "string":
            words.append("text")
        else:
            words.append("anything")
    text = ", ".join(dict.fromkeys(words))
    return text + " ◦" if carries_source(node) else text


def shown_default(name, node, table):
    if name in table.get("required", []):
        return "**required**"
    unless, *otherwise = table.get("anyOf", [{}])
    if any(name in option["required"] for option in otherwise):
        return f"**required** without `{unless['required'][0]}`"
    if "default" not in node:
        return ""
    return f"`{json.dumps(node['default'], ensure_ascii=False)}`"


def objects_of(node):
    """The tables that a value may be. Shared forms are not followed: each has a table of its own."""
    for option in alternatives(node):
        if option.get("type") == "object":
            yield option
        elif option.get("type") == "array" and "items" in option:
            yield from objects_of(option["items"])


def rows(node, at, prefix=""):
    """One row per key, nested tables after the key that holds them. What has a section of its own is not entered."""
    for table in objects_of(node):
        for name, value in table.get("properties", {}).items():
            if name in FACT:
                continue
            about = value.get("description", "").replace("|", "\\|")
            yield f"| `{prefix}{name}` | {kind(value)} | {shown_default(name, value, table)} | {about} |"
            yield from nested(value, join(at, name), f"{prefix}{name}.")
        if isinstance(table.get("additionalProperties"), dict):
            yield from nested(table["additionalProperties"], join(at, "NAME"), f"{prefix}NAME.")


def nested(node, at, prefix):
    if at not in SECTIONS:
        yield from rows(node, at, prefix)


def join(at, name):
    return name if at == "." else f"{at}.{name}"


def path_of(path):
    """`function.NAME.stream` → that part of the schema; `$law-of-times` → a shared form; `.` → the root."""
    if path == ".":
        return SCHEMA
    if path.startswith("$"):
        return SCHEMA["$defs"][path[1:]]
    node = SCHEMA
    for part in path.split("."):
        table = next(objects_of(node))
        node = table["additionalProperties"] if part == "NAME" else table["properties"][part]
        if node.get("type") == "array":
            node = node["items"]
    return node


def table(path):
    head = "| key | value | default | meaning |\n|---|---|---|---|\n"
    return head + "\n".join(dict.fromkeys(rows(path_of(path), path))) + "\n"


def keys(node):
    if isinstance(node, dict):
        yield from node.get("properties", {})
        for value in node.values():
            yield from keys(value)
    elif isinstance(node, list):
        for value in node:
            yield from keys(value)


page = PAGE.read_text()
fresh = MARKED.sub(lambda found: found[1] + table(found[2]) + found[3], page)
if sys.argv[1:] == ["--check"]:
    missing = sorted(key for key in set(keys(SCHEMA)) if not re.search(rf"[`.]{re.escape(key)}\b", page))
    model = (ROOT / "docs" / "model.md").read_text()
    missing += [key for key in path_of("objective")["properties"] if not re.search(rf"`(response_)?{key}`", model)]
    if missing:
        print("not explained:", ", ".join(missing))
    if fresh != page:
        print("docs/scenario.md is not up to date: run python3 .ci/reference.py")
    sys.exit(1 if missing or fresh != page else 0)
PAGE.write_text(fresh)
