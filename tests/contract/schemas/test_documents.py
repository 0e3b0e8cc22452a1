"""What is generated from the models is current, valid, and agrees with the models."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from schemas import generate
from schemas.catalogue import TOPIC_RECORDS, TopicRecord
from schemas.record import RecordError, decode, encode
from streamproc import configuration_page

topics = pytest.mark.parametrize("record", TOPIC_RECORDS, ids=lambda r: r.topic)


def schema_of(record: TopicRecord) -> dict[str, Any]:
    path = generate.ROOT / "schemas" / "json" / f"{record.model.__name__}.schema.json"
    schema: dict[str, Any] = json.loads(path.read_text())
    return schema


@pytest.mark.parametrize("current", [generate.current, configuration_page.current])
def test_generated_files_are_current(current: Any) -> None:
    assert generate.update(current(), check=True) == []


def test_check_names_what_is_not_current_and_leaves_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = generate.ROOT / "docs" / "events.md"
    before = page.read_text()
    assert generate.main({page: before + "x"}, ["--check"]) == 1
    assert capsys.readouterr().out == "not current: docs/events.md\n"
    assert page.read_text() == before


@topics
def test_schemas_are_valid_and_accept_the_example(record: TopicRecord) -> None:
    schema = schema_of(record)
    jsonschema.Draft7Validator.check_schema(schema)
    jsonschema.validate(json.loads(encode(record.example)), schema, cls=jsonschema.Draft7Validator)


@topics
def test_schema_and_model_refuse_the_same(record: TopicRecord) -> None:
    validator = jsonschema.Draft7Validator(schema_of(record))
    good = json.loads(encode(record.example))
    refused = 0
    for name in good:
        for bad in (None, [], {}, -1, "", True, "x" * 9_000):
            changed = good | {name: bad}
            by_schema = not validator.is_valid(changed)
            try:
                decode(record.model, json.dumps(changed).encode())
                by_model = False
            except RecordError:
                by_model = True
            assert by_schema == by_model, (name, bad)
            refused += by_model
    assert refused > len(good)


@topics
def test_every_field_is_described(record: TopicRecord) -> None:
    schema = schema_of(record)
    for part in (schema, *schema.get("$defs", {}).values()):
        assert [name for name, field in part["properties"].items() if not field.get("description")] == []


def test_the_asyncapi_document_is_closed() -> None:
    path = generate.ROOT / "schemas" / "asyncapi.yaml"
    document = yaml.safe_load(path.read_text())
    assert document["asyncapi"] == "3.0.0"
    assert set(document["channels"]) == {record.topic for record in TOPIC_RECORDS}

    def references(node: Any) -> list[str]:
        if isinstance(node, dict):
            own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
            return own + [found for value in node.values() for found in references(value)]
        return [found for value in node for found in references(value)] if isinstance(node, list) else []

    found = references(document)
    assert found
    for reference in found:
        if reference.startswith("#/"):
            node = document
            for part in reference[2:].split("/"):
                node = node[part]
        else:
            assert (path.parent / reference).is_file()


def test_examples_of_the_events_page_are_records() -> None:
    page = (generate.ROOT / "docs" / "events.md").read_text()
    by_topic = {record.topic: record for record in TOPIC_RECORDS}
    blocks = {part.split("\n", 1)[0]: part for part in page.split("\n## ")[1:]}
    for topic, record in by_topic.items():
        example = blocks[topic].split("```json\n")[1].split("```")[0]
        assert decode(record.model, example.encode()) == record.example


def test_a_page_without_its_place_is_an_error() -> None:
    with pytest.raises(ValueError, match="no place for 'clicks'"):
        generate.fill("nothing", {"clicks": "table"})
