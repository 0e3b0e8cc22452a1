"""Write what is derived from the models: JSON Schema files, the AsyncAPI document, the tables of the events page.

python -m schemas.generate           write them
python -m schemas.generate --check   exit 1 and name the files that are not current
"""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from schemas.catalogue import TOPIC_RECORDS, TopicRecord
from schemas.record import Record, encode

ROOT = Path(__file__).resolve().parent.parent
DRAFT = "http://json-schema.org/draft-07/schema#"  # the newest that AsyncAPI tools must read


def json_schema(model: type[Record]) -> dict[str, Any]:
    """JSON Schema (draft 7) of a record."""
    return {"$schema": DRAFT, **model.model_json_schema()}


def asyncapi() -> dict[str, Any]:
    """AsyncAPI 3 document of the JSON topics, seen from the application: it receives events and sends the rest."""
    channels, operations, messages = {}, {}, {}
    for record in TOPIC_RECORDS:
        name = record.model.__name__
        messages[name] = {
            "contentType": "application/json",
            "summary": _summary(record.model),
            "bindings": {"kafka": {"key": {"type": "string", "description": record.key}}},
            "payload": {
                "schemaFormat": "application/schema+json;version=draft-07",
                "schema": {"$ref": f"./json/{name}.schema.json"},
            },
            "examples": [{"payload": json.loads(encode(record.example))}],
        }
        channels[record.topic] = {
            "address": record.topic,
            "messages": {name: {"$ref": f"#/components/messages/{name}"}},
        }
        action = "receive" if record.written_by == "producers" else "send"
        operations[f"{action}-{record.topic}"] = {
            "action": action,
            "channel": {"$ref": f"#/channels/{record.topic}"},
            "messages": [{"$ref": f"#/channels/{record.topic}/messages/{name}"}],
        }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "streamproc",
            "version": "1.0.0",
            "description": "The JSON topics of streamproc, under their default names; docs/events.md has all topics.",
        },
        "defaultContentType": "application/json",
        "servers": {"local": {"host": "127.0.0.1:9092", "protocol": "kafka"}},
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages},
    }


def field_table(model: type[Record]) -> str:
    """Markdown table of a record's fields, nested records after it."""
    schema = model.model_json_schema()
    parts = [_table(schema)]
    parts += [f"Each `{name}`:\n\n{_table(nested)}" for name, nested in schema.get("$defs", {}).items()]
    return "\n\n".join(parts)


def fill(page: str, parts: Mapping[str, str]) -> str:
    """Replace what stands between `<!-- NAME -->` and `<!-- end NAME -->`.

    >>> fill("<!-- a -->old<!-- end a -->", {"a": "new"})
    '<!-- a -->\\n\\nnew\\n\\n<!-- end a -->'
    """
    for name, text in parts.items():
        start, end = f"<!-- {name} -->", f"<!-- end {name} -->"
        if start not in page or end not in page:
            raise ValueError(f"the page has no place for {name!r}")
        before, rest = page.split(start, 1)
        page = f"{before}{start}\n\n{text}\n\n{end}{rest.split(end, 1)[1]}"
    return page


def current() -> dict[Path, str]:
    """Every derived file with the text that it should have."""
    schemas = ROOT / "schemas" / "json"
    files = {
        schemas / f"{record.model.__name__}.schema.json": json.dumps(json_schema(record.model), indent=2) + "\n"
        for record in TOPIC_RECORDS
    }
    files[ROOT / "schemas" / "asyncapi.yaml"] = yaml.safe_dump(asyncapi(), sort_keys=False, width=120)
    page = ROOT / "docs" / "events.md"
    files[page] = fill(page.read_text(encoding="utf-8"), {record.topic: _section(record) for record in TOPIC_RECORDS})
    return files


def update(files: Mapping[Path, str], check: bool) -> list[Path]:
    """Write the files that are not current, or with `check` only find them; return them."""
    stale = [path for path, text in files.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    if not check:
        for path in stale:
            path.parent.mkdir(exist_ok=True)
            path.write_text(files[path], encoding="utf-8")
    return stale


def main(files: Mapping[Path, str], arguments: Sequence[str]) -> int:
    """Run the tool; return the exit code."""
    check = "--check" in arguments
    stale = update(files, check)
    for path in stale:
        print(f"{'not current' if check else 'wrote'}: {path.relative_to(ROOT)}")
    return int(check and bool(stale))


def _section(record: TopicRecord) -> str:
    example = json.dumps(json.loads(encode(record.example)), indent=2)
    return (
        f"{record.model.__doc__ or ''}".strip().split("\n")[0]
        + f"\n\nKey: {record.key}. Written by {record.written_by}. "
        + f"Schema: [`{record.model.__name__}`](../schemas/json/{record.model.__name__}.schema.json).\n\n"
        + f"{field_table(record.model)}\n\nExample:\n\n```json\n{example}\n```"
    )


def _summary(model: type[Record]) -> str:
    return (model.__doc__ or "").strip().split("\n")[0]


def _table(schema: Mapping[str, Any]) -> str:
    rows = ["| field | type | default | meaning |", "|---|---|---|---|"]
    required = schema.get("required", [])
    for name, field in schema["properties"].items():
        default = "required" if name in required else f"`{json.dumps(field.get('default'))}`"
        rows.append(f"| `{name}` | {_kind(field)} | {default} | {field.get('description', '')} |")
    return "\n".join(rows)


def _kind(field: Mapping[str, Any]) -> str:
    """A field's type and limits in a few words."""
    if "$ref" in field:
        return f"`{field['$ref'].rsplit('/', 1)[1]}`"
    if "anyOf" in field:
        return " or ".join(_kind(option) for option in field["anyOf"])
    if "const" in field or "enum" in field:
        return " or ".join(f"`{json.dumps(value)}`" for value in field.get("enum", [field.get("const")]))
    kind: str = field["type"]
    if kind == "array":
        return f"list of {_kind(field['items'])}" + (f", at most {field['maxItems']}" if "maxItems" in field else "")
    return kind + (f" of {_kind(field['additionalProperties'])}" if kind == "object" else _limits(field))


def _limits(field: Mapping[str, Any]) -> str:
    if "pattern" in field:
        return f" matching `{field['pattern']}`"
    if "maxLength" in field:
        unit = "bytes" if "x-max-bytes" in field else "characters"
        return f", {field.get('minLength', 0)} to {field['maxLength']} {unit}"
    words = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    limits = [f"{sign} {field[key]}" for key, sign in words.items() if key in field]
    return f" {', '.join(limits)}" if limits else ""


if __name__ == "__main__":
    sys.exit(main(current(), sys.argv[1:]))
