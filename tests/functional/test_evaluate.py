"""`streamproc evaluate`: the promised files, the same bytes every time, and nothing known of the future."""

import csv
import gzip
import json
import os
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from streamproc.cli import main

ROWS = 400
SCORES = {"rows", "hr", "mrr", "ndcg", "coverage", "seconds_per_event"}


def write_shop(path: Path, seed: int = 1) -> Path:
    """A small shop where users walk along chains of items, so that there is something to learn."""
    random_ = random.Random(seed)
    lines = ["timestamp_ms,user_id,item_id,event_type,category,price"]
    at = {f"ü{n}": random_.randrange(30) for n in range(12)}
    for n in range(ROWS):
        user = random_.choice(list(at))
        at[user] = (at[user] + 1) % 30 if random_.random() < 0.8 else random_.randrange(30)
        kind = random_.choice(["", "click", "cart", "purchase"])
        lines.append(f"{1_700_000_000_000 + n * 60_000},{user},{at[user]:04d},{kind},c{at[user] % 4},{at[user]}.5")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_shop(tmp_path_factory.mktemp("shop") / "shop.csv")


def evaluate(*arguments: object) -> Result:
    result = CliRunner().invoke(main, ["evaluate", *map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


@pytest.fixture(scope="module")
def whole(shop: Path) -> tuple[bytes, dict[str, object], str]:
    """Dump, summary and output of an evaluation of all rows."""
    dump, summary = shop.parent / "whole.jsonl.gz", shop.parent / "whole.json"
    result = evaluate(shop, "--dump", dump, "--summary", summary)
    assert result.exit_code == 0, result.output
    return dump.read_bytes(), json.loads(summary.read_text()), result.output


def test_the_dump_has_a_line_for_every_row(shop: Path, whole: tuple[bytes, dict[str, object], str]) -> None:
    lines = [json.loads(line) for line in gzip.decompress(whole[0]).decode().splitlines()]
    users = [row.split(",")[1] for row in shop.read_text(encoding="utf-8").splitlines()[1:]]
    assert [line["index"] for line in lines] == list(range(ROWS))
    assert [line["user_id"] for line in lines] == users
    assert lines[0]["items"] == []
    assert len(lines[-1]["items"]) == 20
    assert all(len(set(line["items"])) == len(line["items"]) <= 20 for line in lines)


def test_the_summary_follows_from_the_dump(shop: Path, whole: tuple[bytes, dict[str, object], str]) -> None:
    lines = [json.loads(line)["items"] for line in gzip.decompress(whole[0]).decode().splitlines()]
    items = [row.split(",")[2] for row in shop.read_text(encoding="utf-8").splitlines()[1:]]
    scored = list(zip(lines, items, strict=True))[ROWS // 10 :]
    ranks = [shown.index(item) + 1 for shown, item in scored if item in shown]
    summary = whole[1]
    assert summary["rows"] == ROWS
    assert summary["scored_rows"] == len(scored)
    assert summary["hr"] == pytest.approx(len(ranks) / len(scored))
    assert summary["mrr"] == pytest.approx(sum(1 / rank for rank in ranks) / len(scored))
    assert len(ranks) > 0.5 * len(scored)


def test_the_summary_has_the_promised_fields(whole: tuple[bytes, dict[str, object], str]) -> None:
    summary = whole[1]
    assert summary.keys() >= SCORES | {"baselines"}
    baselines = summary["baselines"]
    assert isinstance(baselines, dict)
    assert baselines
    for scores in baselines.values():
        assert scores.keys() >= SCORES
        assert 0 <= scores["mrr"] <= scores["hr"] <= 1
        assert scores["seconds_per_event"] > 0
    assert "HR@20" in whole[2]


def test_a_second_run_gives_the_same_dump_byte_for_byte(
    shop: Path, whole: tuple[bytes, dict[str, object], str], tmp_path: Path
) -> None:
    dump = tmp_path / "another-name.gz"
    assert evaluate(shop, "--dump", dump).exit_code == 0
    assert dump.read_bytes() == whole[0]


COMPILED_HERE = """
import gc, sys
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
import models
from numba import config
from numba.core.dispatcher import Dispatcher
from streamproc.cli import main
main(["evaluate", sys.argv[1]], standalone_mode=False)
for module in walk_packages(models.__path__, "models."):
    import_module(module.name)
kernels = [at for at in gc.get_objects() if isinstance(at, Dispatcher) and at.py_func.__module__.startswith("models")]
cached = {path.name.split("-")[0].split(".")[1] for path in Path(config.CACHE_DIR).rglob("*.nbi")}
print("compiled here:", *sorted({at.py_func.__name__ for at in kernels if at.stats.cache_misses}))
print("not compiled:", *sorted({at.py_func.__name__ for at in kernels} - cached))
print(sum(at.stats.cache_hits.total() for at in kernels))
"""


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_first_run_of_an_installation_runs_the_kernels_that_every_later_one_does(tmp_path: Path) -> None:
    # A kernel rounds otherwise in the process that compiles it: that has to be another one.
    shop, cache = write_shop(tmp_path / "shop.csv"), tmp_path / "kernels"
    command = [sys.executable, "-c", COMPILED_HERE, str(shop)]
    result = subprocess.run(
        command, env={**os.environ, "NUMBA_CACHE_DIR": str(cache)}, check=True, capture_output=True, text=True
    )
    *told, read = result.stdout.splitlines()[-3:]
    assert told == ["compiled here:", "not compiled:"]
    assert int(read) > 20


def test_the_dump_of_the_first_rows_is_the_first_lines_of_the_whole(
    shop: Path, whole: tuple[bytes, dict[str, object], str], tmp_path: Path
) -> None:
    dump = tmp_path / "first.gz"
    assert evaluate(shop, "--limit", 250, "--dump", dump).exit_code == 0
    lines = gzip.decompress(dump.read_bytes()).splitlines()
    assert len(lines) == 250
    assert lines == gzip.decompress(whole[0]).splitlines()[:250]


def test_several_files_share_a_table_and_a_summary(shop: Path, tmp_path: Path) -> None:
    other, summary = write_shop(tmp_path / "other.csv", seed=2), tmp_path / "both.json"
    result = evaluate(shop, other, "--limit", 60, "--k", 5, "--summary", summary)
    assert result.exit_code == 0, result.output
    assert "HR@5" in result.output
    files = json.loads(summary.read_text())["files"]
    assert [(scores["file"], scores["rows"], scores["k"]) for scores in files] == [
        ("shop.csv", 60, 5),
        ("other.csv", 60, 5),
    ]


def test_a_malformed_row_ends_with_its_line_and_leaves_no_dump(shop: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.csv"
    lines = shop.read_text(encoding="utf-8").splitlines()
    lines[50] = lines[50].replace(",", ",,", 1)
    bad.write_text("\n".join(lines), encoding="utf-8")
    result = evaluate(bad, "--dump", tmp_path / "dump.gz")
    assert result.exit_code == 2
    assert f"{bad}, line 51: 7 fields, the header has 6" in result.stderr
    assert list(tmp_path.iterdir()) == [bad]


def test_what_cannot_be_written_is_said_before_the_work(shop: Path, tmp_path: Path) -> None:
    for flag in ("--summary", "--dump"):
        result = evaluate(shop, flag, tmp_path / "none" / "file")
        assert result.exit_code == 2
        assert "no such folder" in result.stderr
    result = evaluate(shop, shop, "--dump", tmp_path / "d.gz")
    assert result.exit_code == 2
    assert "--dump takes the lists of one FILE" in result.stderr


def test_an_empty_file_of_events_has_zero_scores(tmp_path: Path) -> None:
    path = tmp_path / "none.csv"
    path.write_text("timestamp_ms,user_id,item_id\n")
    result = evaluate(path, "--summary", tmp_path / "s.json")
    assert result.exit_code == 0, result.output
    assert json.loads((tmp_path / "s.json").read_text())["rows"] == 0


def dumped(shop: Path, *arguments: object) -> list[list[str]]:
    dump = shop.with_suffix(".jsonl.gz")
    result = evaluate(shop, "--baselines", "none", "--dump", dump, *arguments)
    assert result.exit_code == 0, result.output
    return [json.loads(line)["items"] for line in gzip.decompress(dump.read_bytes()).splitlines()]


def test_another_future_changes_nothing_before_it(shop: Path, tmp_path: Path) -> None:
    """Items, users, kinds, prices and order of the last rows are shuffled: all that a leak could carry back."""
    header, *rows = csv.reader(shop.read_text(encoding="utf-8").splitlines())
    kept, later = rows[:250], rows[250:]
    columns = [list(column) for column in zip(*later, strict=True)]
    for column in columns[1:]:
        random.Random(5).shuffle(column)
    columns[2].reverse()
    other = tmp_path / "other.csv"
    with other.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *kept, *zip(*columns, strict=True)])
    lists, lists_of_other = dumped(shop), dumped(other)
    assert lists[:251] == lists_of_other[:251]
    assert lists[251:] != lists_of_other[251:]


def test_arms_and_baselines_are_named_and_change_no_list(shop: Path, tmp_path: Path) -> None:
    summary = tmp_path / "s.json"
    lists = dumped(shop, "--arms", "all", "--summary", summary)
    assert lists == dumped(shop)
    figures = json.loads(summary.read_text())
    assert figures["baselines"] == {}
    assert set(figures["arms"]) >= {"no_user_state", "last_item_only", "pooled_history", "no_fast_weights", "unadapted"}
    for arm in figures["arms"].values():
        assert arm["rows"] == ROWS
        low, high = arm["we_gain"]["mrr"]["all"]["difference_interval"]
        assert low <= arm["we_gain"]["mrr"]["all"]["difference"] <= high


def test_unknown_names_are_answered_with_the_known_ones(shop: Path) -> None:
    result = evaluate(shop, "--arms", "last_item,none_such")
    assert result.exit_code == 2
    assert "--arms: no last_item, none_such; there is all, none, no_user_state" in result.stderr


def test_the_rules_hold_for_the_lists_that_are_scored(shop: Path) -> None:
    users = [row["user_id"] for row in csv.DictReader(shop.read_text(encoding="utf-8").splitlines())]
    items = [row["item_id"] for row in csv.DictReader(shop.read_text(encoding="utf-8").splitlines())]
    seen: dict[str, set[str]] = {}
    for user, item, shown in zip(users, items, dumped(shop, "--set", "filter_seen=true"), strict=True):
        assert seen.setdefault(user, set()).isdisjoint(shown)
        seen[user].add(item)


def test_a_splice_changes_the_world_at_half_of_the_rows(shop: Path, tmp_path: Path) -> None:
    summary = tmp_path / "s.json"
    spliced, calm = dumped(shop, "--splice", "--summary", summary), dumped(shop)
    assert spliced[: ROWS // 2 + 1] == calm[: ROWS // 2 + 1]
    assert spliced != calm
    windows = json.loads(summary.read_text())["splits"]["window"]
    assert windows["after_splice"]["rows"] == ROWS // 2
    assert windows["after_splice"]["mrr"] < windows["before_splice"]["mrr"]
    table = evaluate(shop, "--splice", "--baselines", "none", "--limit", 60).output.splitlines()
    assert table[0].endswith("before_splice  after_splice")
    assert len(table[1]) == len(table[0])


def test_publishing_after_every_example_serves_other_lists(shop: Path, tmp_path: Path) -> None:
    summary = tmp_path / "s.json"
    assert dumped(shop, "--publish-every", 1, "--summary", summary) != dumped(shop)
    assert json.loads(summary.read_text())["versions"] > 0.5 * ROWS


def test_the_report_is_one_page_that_needs_nothing_else(shop: Path, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    result = evaluate(shop, shop, "--arms", "last_item_only", "--report", page)
    assert result.exit_code == 0, result.output
    text = page.read_text(encoding="utf-8")
    assert text.count("<h2>shop.csv</h2>") == 2
    assert text.count("<svg") == 12
    for name in ("streamproc", "last_item_only", "vmis_knn", "session_knn"):
        assert name in text
    outside = {link for link in re.findall(r'(?:href|src)="([^"]*)"', text) if not link.startswith("#")}
    assert outside == set()
    assert "@import" not in text
    assert "<script" not in text
