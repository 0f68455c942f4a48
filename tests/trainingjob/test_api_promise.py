"""What may change between two versions of the API, and how one is made of the other."""

import copy
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st

from lowtide import names
from lowtide.trainingjob import crd

ROOT = Path(__file__).resolve().parents[2]
TOOL = ROOT / "tools" / "api_promise.py"
# A tool is a program, not a package.
sys.path.append(str(TOOL.parent))
import api_promise  # noqa: E402

pytestmark = pytest.mark.slow

Schema = dict[str, Any]


def schema() -> Schema:
    """A copy of the schema that is served today."""
    return copy.deepcopy(api_promise.stored(crd.custom_resource_definition()))


def field(root: Schema, path: str) -> Schema:
    """The schema at a path like `spec.schedule`."""
    for name in path.split("."):
        root = root["properties"][name]
    return root


def test_a_definition_keeps_the_promise_to_itself() -> None:
    """What does not change is no breach, whatever words a schema uses."""
    assert list(api_promise.broken(schema(), schema())) == []


BREACHES = [
    pytest.param(lambda s: field(s, "spec.schedule")["properties"].pop("deadline"),
                 ".spec.schedule.deadline is gone", id="field gone"),
    pytest.param(lambda s: field(s, "spec.schedule.maxDelaySeconds").update(type="string"),
                 "type was 'integer' and is 'string'", id="other type"),
    pytest.param(lambda s: field(s, "spec.schedule.policy").update(default="Immediate"),
                 "default was 'CarbonOptimal' and is 'Immediate'", id="other default"),
    pytest.param(lambda s: field(s, "spec.schedule").update(required=["deadline"]),
                 ".spec.schedule.deadline became required", id="required"),
    pytest.param(lambda s: field(s, "spec.schedule.policy")["enum"].remove("Immediate"),
                 "Immediate is accepted no longer", id="value gone"),
    pytest.param(lambda s: field(s, "spec.schedule.maxDelaySeconds").update(minimum=60),
                 "minimum was", id="bound narrowed"),
    pytest.param(lambda s: field(s, "spec.grid.zone").update(pattern="^[A-Z]+$"),
                 "pattern was", id="other pattern"),
    pytest.param(lambda s: field(s, "spec")["x-kubernetes-validations"].append(
                     {"rule": "has(self.grid)", "message": "spec.grid must be there"}),
                 "a rule came: spec.grid must be there", id="rule came"),
    pytest.param(lambda s: field(s, "status.attempts").update({"x-kubernetes-list-type": "atomic"}),
                 "x-kubernetes-list-type was 'map' and is 'atomic'", id="other merging"),
    pytest.param(lambda s: field(s, "spec.schedule").update({"x-kubernetes-map-type": "atomic"}),
                 "x-kubernetes-map-type was None and is 'atomic'", id="other owners"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "said"), BREACHES)
def test_each_breach_is_found_in_the_real_definition(change: Any, said: str) -> None:
    """A change that could refuse or reinterpret an existing job is said with its field."""
    new = schema()
    change(new)

    (found,) = api_promise.broken(schema(), new)

    assert said in found


def test_what_accepts_more_keeps_the_promise() -> None:
    """A new optional field, a wider bound, another value and a dropped rule harm no job."""
    new = schema()
    field(new, "spec")["properties"]["novel"] = {"type": "string", "maxLength": 10}
    field(new, "spec.schedule.policy")["enum"].append("Cheapest")
    field(new, "spec.schedule.maxDelaySeconds").pop("minimum")
    field(new, "spec")["x-kubernetes-validations"].pop()

    assert list(api_promise.broken(schema(), new)) == []


INTEGERS = st.fixed_dictionaries(
    {"type": st.just("integer")},
    optional={"minimum": st.integers(-3, 3), "maximum": st.integers(-3, 3)},
)
TEXTS = st.fixed_dictionaries(
    {"type": st.just("string")},
    optional={
        "minLength": st.integers(0, 2),
        "maxLength": st.integers(0, 3),
        "pattern": st.sampled_from(["^a", "b$"]),
        "enum": st.lists(st.text("ab", max_size=2), min_size=1, max_size=3, unique=True),
    },
)
LEAVES = st.one_of(INTEGERS, TEXTS)
OBJECTS = st.fixed_dictionaries(
    {
        "type": st.just("object"),
        "properties": st.dictionaries(st.sampled_from("xyz"), LEAVES, min_size=1, max_size=3),
    },
    optional={"required": st.lists(st.sampled_from("xyz"), unique=True, max_size=2)},
)
NUMBERS = {"minimum", "maximum", "minLength", "maxLength"}


@st.composite
def changed(draw: st.DrawFn, old: Schema) -> Schema:
    """A schema that differs from `old` in some words, for better or worse."""
    new: Schema = {}
    for word, value in old.items():
        if word == "properties":
            new[word] = {name: draw(changed(inner)) for name, inner in value.items()}
        elif word == "type" or draw(st.booleans()):
            new[word] = value
        elif word in NUMBERS:
            new[word] = value + draw(st.integers(-1, 1))
        elif word == "enum":
            new[word] = [*value, "novel"] if draw(st.booleans()) else value[:1]
        elif draw(st.booleans()):
            new[word] = value
    if old["type"] == "object" and draw(st.booleans()):
        new["properties"]["novel"] = draw(LEAVES)
    return new


def documents(schema: Schema) -> st.SearchStrategy[Any]:
    """Values of the type that a schema names, inside its bounds or not."""
    if schema["type"] == "integer":
        return st.integers(-4, 4)
    if schema["type"] == "string":
        return st.text("ab", max_size=3)
    fields = {name: documents(inner) for name, inner in schema["properties"].items()}
    return st.fixed_dictionaries({}, optional=fields)


@given(st.data())
def test_what_keeps_the_promise_accepts_every_old_object(data: st.DataObject) -> None:
    """The rule against another's judgement: what an old schema accepts, the new one accepts."""
    old = data.draw(st.one_of(LEAVES, OBJECTS))
    new = data.draw(changed(old))
    assume(not list(api_promise.broken(old, new)))
    before, after = (jsonschema.Draft202012Validator(one) for one in (old, new))

    for document in data.draw(st.lists(documents(old), min_size=5, max_size=10)):
        assert after.is_valid(document) or not before.is_valid(document), document


def test_the_command_says_each_breach_and_fails(tmp_path: Path) -> None:
    """A pipeline sees it by the exit status, a person by the line."""
    definition = crd.custom_resource_definition()
    old, new = tmp_path / "old.yaml", tmp_path / "new.yaml"
    old.write_text(crd.to_yaml(definition))
    changed = copy.deepcopy(definition)
    field(api_promise.stored(changed), "spec")["properties"].pop("grid")
    new.write_text(yaml.safe_dump(changed))
    command = [sys.executable, TOOL]

    same = subprocess.run([*command, old, old], capture_output=True, text=True, timeout=240)
    other = subprocess.run([*command, old, new], capture_output=True, text=True, timeout=240)

    assert (same.returncode, same.stdout) == (0, "")
    assert (other.returncode, other.stdout) == (1, "spec.grid is gone\n")


def test_versions_share_one_schema_so_that_no_webhook_converts() -> None:
    """With equal schemas the API server changes nothing but `apiVersion`, and drops no field."""
    definition = crd.custom_resource_definition(["v1beta1", names.VERSION])

    first, second = definition["spec"]["versions"]
    assert [first["name"], second["name"]] == ["v1beta1", "v1alpha1"]
    assert [first["storage"], second["storage"]] == [True, False]
    assert [first["served"], second["served"]] == [True, True]
    assert first["schema"] == second["schema"]
    assert definition["spec"]["conversion"] == {"strategy": "None"}
