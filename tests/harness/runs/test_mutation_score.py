"""What a run would have caught is what the last audit says, about the faults and the properties that there are."""

import json

import pytest

from attention_harness.audit.faults import load_all
from attention_harness.conformance.check import load_properties
from attention_harness.errors import UsageError
from attention_harness.runs.mutation_score import TABLE, caught, take_over
from attention_specs.property import PROPERTIES

load_properties()
IDS = {property_.id for property_ in PROPERTIES.values()}


KILLERS = json.loads(TABLE.read_text(encoding="utf-8"))["killers"]


def test_the_table_has_faults_and_clauses_that_there_are():
    """Faults that are newer than the last full audit are not in it yet."""
    told = {name: spec for spec, named in KILLERS.items() for name in named}
    assert told.items() <= {f.name: f.spec for f in load_all().values()}.items()
    assert {clause for named in KILLERS.values() for told in named.values() for clause in told.split()} <= IDS


def test_fewer_properties_catch_fewer_faults():
    everything, oracle, shape = caught(IDS), caught({"P4"}), caught({"P2"})
    assert everything["faults"] == sum(map(len, KILLERS.values()))
    assert everything["rejected"] > oracle["rejected"] > shape["rejected"] > 0
    assert oracle["faults"] == shape["faults"] < everything["faults"], "those of the layer are not in question"
    assert caught(set())["faults"] == 0


def test_a_quick_audit_says_too_little(tmp_path):
    (tmp_path / "run.json").write_text(json.dumps({"audit": {"quick": True}}), encoding="utf-8")
    with pytest.raises(UsageError, match="without --quick"):
        take_over(tmp_path)
