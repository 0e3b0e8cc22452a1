"""The tables of docs/quality.md, from the summaries that `evaluate` writes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from schemas.generate import ROOT
from streamproc import quality_page
from streamproc.cli import main
from tests.functional.test_evaluate import write_shop


def test_the_tables_hold_what_the_summary_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shop, summary = write_shop(tmp_path / "shop.csv"), tmp_path / "s.json"
    arguments = [str(shop), "--arms", "last_item_only", "--summary", str(summary)]
    assert CliRunner().invoke(main, ["evaluate", *arguments]).exit_code == 0
    page = tmp_path / "docs" / "quality.md"
    page.parent.mkdir()
    page.write_text("before\n<!-- quality -->old<!-- end quality -->\nafter\n")
    monkeypatch.setattr(quality_page, "ROOT", tmp_path)
    quality_page.main([str(summary), str(summary)])
    text = page.read_text()
    assert text.startswith("before")
    assert text.endswith("after\n")
    figures = json.loads(summary.read_text())
    low, high = figures["intervals"]["mrr"]
    mrr = " ".join(f"{value:.3f}".removeprefix("0") for value in (figures["mrr"], low, high))
    assert text.replace("[", "").replace(",", "").replace("]", "").count(f"| shop | 400 | {mrr} |") == 2
    change = figures["arms"]["last_item_only"]["we_gain"]["mrr"]["user_age 3-10"]["change_percent"]
    assert f"| {change:+.1f} [" in text
    tables = [block for block in text.split("\n\n") if block.startswith("|")]
    assert len(tables) == 5
    for table in tables:
        assert len({line.count("|") for line in table.splitlines()}) == 1


def test_the_page_has_its_place() -> None:
    text = (ROOT / "docs" / "quality.md").read_text(encoding="utf-8")
    assert text.index("<!-- quality -->") < text.index("<!-- end quality -->")
