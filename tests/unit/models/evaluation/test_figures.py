"""Every figure of a summary against a value computed by hand."""

from __future__ import annotations

import math
from array import array

import numpy as np
import pytest

from models.evaluation import Report, summary
from models.evaluation.catalogue import Catalogue
from models.evaluation.trace import Rows, Trace
from models.interaction import CatalogueItem, EventType, Interaction
from models.ranking_metrics import scores_of
from models.retrieval import SOURCES


def test_scores_at_k() -> None:
    ranks = np.array([1, 3, 0, 6])
    at_5, at_20 = scores_of(ranks, 5), scores_of(ranks, 20)
    assert (at_5.rows, at_5.hr, at_5.mrr) == (4, 0.5, (1 + 1 / 3) / 4)
    assert at_5.ndcg == pytest.approx((1 + 1 / 2) / 4)
    assert at_20.hr == 0.75
    assert at_20.mrr == pytest.approx((1 + 1 / 3 + 1 / 6) / 4)
    assert at_20.ndcg == pytest.approx((1 + 1 / 2 + 1 / math.log2(7)) / 4)


def test_novelty_is_self_information() -> None:
    catalogue = Catalogue()
    assert math.isnan(catalogue.novelty(["a"]))
    catalogue.announce(CatalogueItem("never touched", 0))
    for item in "aaaabbcd":
        catalogue.take(Interaction(1, item, EventType.CLICK, 0))
    assert catalogue.novelty(["a", "b", "c", "never touched"]) == pytest.approx((1 + 2 + 3 + 3) / 4)
    assert math.isnan(catalogue.novelty([]))
    assert len(catalogue) == 5


def test_diversity_is_the_share_of_pairs_of_two_categories() -> None:
    catalogue = Catalogue()
    for item, category in [("a", "x"), ("b", "x"), ("c", "y"), ("d", None)]:
        catalogue.take(Interaction(1, item, EventType.CLICK, 0, category))
    assert catalogue.diversity(["a", "b"]) == 0
    assert catalogue.diversity(["a", "c", "d"]) == 1  # nothing is known of d
    assert catalogue.diversity(["a", "b", "c", "d"]) == pytest.approx(2 / 3)
    assert math.isnan(catalogue.diversity(["a", "d"]))


def bit(name: str) -> int:
    return 1 << [source for source, *_ in SOURCES].index(name)


@pytest.fixture
def report() -> Report:
    """Ten rows, the first of which is not scored; lists of two, ranks known to 20."""
    rows, model, other = Rows(), Trace(), Trace()
    model.ranks = array("h", [1, 1, 2, 3, 0, 1, 0, 0, 0, 0])
    other.ranks = array("h", [0, 0, 1, 0, 0, 2, 0, 0, 0, 0])
    for trace in (model, other):
        trace.novelties = array("f", [9, math.nan, 2, 4, 2, 4, 2, 4, 2, 4])
        trace.diversities = array("f", [math.nan] * 10)
        trace.seconds = array("f", [100] + [0.5] * 9)
    model.last_shown = {"a": 0, "b": 1, "c": 9}
    rows.user_events = array("l", [0, 0, 1, 2, 9, 10, 99, 100, 500, 1])
    rows.event_type = array("b", [0, 0, 0, 0, 1, 1, 2, 2, 2, 2])
    rows.repeat = array("b", [0, 0, 1, 1, 0, 0, 0, 0, 0, 0])
    rows.new_item = array("b", [1, 0, 0, 0, 0, 0, 0, 0, 0, 1])
    rows.recalled = array("b", [1, 1, 1, 1, 1, 1, 0, 0, 0, 0])
    rows.found = array("i", [0, bit("own"), bit("own") | bit("content"), bit("content"), 0, bit("own"), 0, 0, 0, 0])
    rows.shown = array("h", [2, 2] + [0] * 8)
    rows.shown_found = array("i", [bit("own"), bit("own"), bit("content"), bit("content") | bit("own")])
    rows.trainer_seconds = array("f", [7] + [0.25] * 9)
    return Report(2, 20, 1, 4, 3, rows, model, {"other": other}, {})


def test_scores_are_over_the_rows_after_the_warm_up(report: Report) -> None:
    figures = summary(report)
    assert (figures["rows"], figures["scored_rows"], figures["k"], figures["versions"]) == (10, 9, 2, 3)
    assert figures["hr"] == pytest.approx(3 / 9)
    assert figures["mrr"] == pytest.approx(2.5 / 9)
    assert figures["ndcg"] == pytest.approx((2 + 1 / math.log2(3)) / 9)
    assert figures["coverage"] == 2 / 4  # of four items known b and c were shown in scored rows
    assert figures["novelty"] == pytest.approx((4 * 2 + 4 * 4) / 8)
    assert figures["diversity"] is None
    assert figures["recall"] == pytest.approx(5 / 9)
    assert figures["seconds_per_event"] == 0.5
    assert figures["trainer_seconds_per_event"] == 0.25


def test_scores_at_several_depths(report: Report) -> None:
    at = summary(report)["at"]
    hits = {depth: round(9 * scores["hr"]) for depth, scores in at.items()}
    assert hits == {"1": 2, "2": 3, "5": 4, "10": 4, "20": 4}
    assert at["5"]["mrr"] == pytest.approx((1 + 1 / 2 + 1 / 3 + 1) / 9)


def test_rows_are_split_by_kind(report: Report) -> None:
    splits = summary(report)["splits"]
    counts = {split: {part: scores["rows"] for part, scores in parts.items()} for split, parts in splits.items()}
    assert counts == {
        "user_age": {"1": 1, "2": 2, "3-10": 2, "11-100": 2, "101-": 2},
        "item": {"repeat": 2, "novel": 6, "never_seen": 1},
        "event_type": {"click": 3, "cart": 2, "purchase": 4},
        "half": {"first": 4, "last": 5},
        "window": {},
    }
    assert splits["user_age"]["2"]["mrr"] == 0.25
    assert splits["item"]["repeat"]["hr"] == 0.5


def test_windows_are_rows_of_the_stream(report: Report) -> None:
    figures = summary(report, {"early": (0, 3), "late": (3, 100)})
    parts = figures["splits"]["window"]
    assert {name: scores["rows"] for name, scores in parts.items()} == {"early": 2, "late": 7}
    assert parts["early"]["mrr"] == 0.75
    assert figures["baselines"]["other"]["we_gain"]["mrr"]["early"]["difference"] == pytest.approx(0.75 - 0.5)


def test_curves_are_over_all_rows(report: Report) -> None:
    figures = summary(report)
    assert figures["curve_rows"] == list(range(1, 11))
    assert figures["curve"]["hr"] == [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]
    assert figures["baselines"]["other"]["curve"]["mrr"] == [0, 0, 1, 0, 0, 0.5, 0, 0, 0, 0]


def test_sources_share_recall_hits_and_items_shown(report: Report) -> None:
    retrievers = summary(report)["retrievers"]
    assert list(retrievers) == [source for source, *_ in SOURCES]
    own, content = retrievers["own"], retrievers["content"]
    assert own["recall"] == pytest.approx(3 / 9)
    assert own["recall_alone"] == pytest.approx(2 / 9)
    assert own["hits"] == 1.0  # rows 1, 2 and 5
    assert content["hits"] == pytest.approx(1 / 3)
    assert (own["shown"], content["shown"]) == (0.5, 1.0)  # of the two items of row 1


def test_gains_over_a_baseline_are_paired(report: Report) -> None:
    gains = summary(report)["baselines"]["other"]["we_gain"]
    everything = gains["mrr"]["all"]
    assert everything["difference"] == pytest.approx((2.5 - 1.5) / 9)
    assert everything["change_percent"] == pytest.approx(100 * (2.5 / 1.5 - 1))
    low, high = everything["difference_interval"]
    assert low <= everything["difference"] <= high
    assert gains["hr"]["user_age 2"]["difference"] == 0
    assert gains["hr"]["user_age 1"]["change_percent"] is None  # nothing to gain on


def test_no_scored_row_has_no_figure() -> None:
    figures = summary(Report(20, 20, 0, 0, 0, Rows(), Trace(), {"other": Trace()}, {}))
    assert (figures["rows"], figures["hr"], figures["coverage"], figures["seconds_per_event"]) == (0, 0, 0, 0)
    assert figures["intervals"] == {"hr": None, "mrr": None}
