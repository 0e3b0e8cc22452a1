"""Writes the table of docs/configuration.md from the settings.

python -m streamproc.configuration_page           write it
python -m streamproc.configuration_page --check   exit 1 when it is not current
"""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from schemas.generate import ROOT, fill, main
from streamproc.settings import PREFIX, Settings

# First setting of each part of the page.
PARTS = {
    "bootstrap_servers": "Brokers and delivery",
    "topic_prefix": "Topics",
    "store": "State and artefacts",
    "commit_interval_seconds": "Limits and intervals",
    "http_host": "Process",
    "k": "Recommendations",
    "publish_every": "Learning",
}


def settings_tables() -> str:
    """Markdown: every setting with its variable, default, allowed values and meaning."""
    lines: list[str] = []
    for name, field in Settings.model_json_schema()["properties"].items():
        if name in PARTS:
            lines += [f"### {PARTS[name]}", "", "| variable | default | allowed | meaning |", "|---|---|---|---|"]
        variable = f"`{PREFIX}{name.upper()}`"
        lines.append(f"| {variable} | {_default(field)} | {_allowed(field)} | {field['description']} |")
        if _next_starts_part(name):
            lines.append("")
    return "\n".join(lines)


def current() -> dict[Path, str]:
    """The page with the text that it should have."""
    page = ROOT / "docs" / "configuration.md"
    return {page: fill(page.read_text(encoding="utf-8"), {"settings": settings_tables()})}


def _next_starts_part(name: str) -> bool:
    names = list(Settings.model_fields)
    return names[(names.index(name) + 1) % len(names)] in PARTS and name != names[-1]


def _default(field: Mapping[str, Any]) -> str:
    if "default" not in field:
        return "see there"
    value = field["default"]
    return "not set" if value in (None, "") else f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _allowed(field: Mapping[str, Any]) -> str:
    options = [option for option in field.get("anyOf", [field]) if option.get("type") != "null"]
    option = options[0]
    if "enum" in option:
        return ", ".join(f"`{value}`" for value in option["enum"])
    names = {"integer": "whole number", "number": "number", "boolean": "`true`, `false`", "string": "text"}
    if option.get("format") in ("path", "file-path"):
        return "path"
    words = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤"}
    limits = [f"{sign} {option[key]}" for key, sign in words.items() if key in option]
    return " ".join([names[option["type"]], ", ".join(limits)]).rstrip()


if __name__ == "__main__":
    sys.exit(main(current(), sys.argv[1:]))
