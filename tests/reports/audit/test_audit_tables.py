"""The tables of an audit whose answers are known."""

from pathlib import Path

import pandas as pd

from attention_reports import Run
from attention_reports.tables import tabulate


def columns(table: pd.DataFrame, *names: str) -> list[list[object]]:
    return table[list(names)].to_numpy(dtype=object).tolist()


def test_survivors_stand_first_and_then_the_classes(audit: Path) -> None:
    rows = tabulate(Run.load(audit), "standing of faults")
    assert list(rows["fault"]) == [
        "the_sink_has_a_value", "weights_are_transposed", "last_block_is_forgotten", "the_tail_reads_garbage", "reads_past_the_end",
        "nan_stays_in_its_row",
    ]  # fmt: skip


def test_only_one_property_needs_that_the_others_were_asked(audit: Path) -> None:
    rows = tabulate(Run.load(audit), "standing of faults")
    assert set(rows.loc[rows["only"], "fault"]) == {"weights_are_transposed", "the_tail_reads_garbage"}  # the other one crashed


def test_a_quick_audit_knows_of_no_only_one(quick_audit: Path) -> None:
    assert not tabulate(Run.load(quick_audit), "standing of faults")["only"].any()


def test_classes_are_counted(audit: Path) -> None:
    rows = tabulate(Run.load(audit), "mutation score by class").fillna(-1)
    assert columns(rows, "class", "faults", "rejected", "median cases") == [
        ["C11", 1, 1, 2], ["C12", 3, 3, 3], ["C15", 1, 1, 40], ["C18", 1, 0, -1],
    ]  # fmt: skip
    assert rows["first"][1] == ("P4 output_agrees_with_the_oracle", "P1 every_problem_is_answered")


def test_the_first_rejection_is_a_quantile_of_all_faults(audit: Path) -> None:
    rows = tabulate(Run.load(audit), "first rejection")
    assert columns(rows, "share", "cases", "seconds") == [[0.5, 3, 0.03]]  # one of six survived: nine tenths are never reached


def test_each_property_has_its_part(audit: Path) -> None:
    rows = tabulate(Run.load(audit), "what each property rejects")
    assert columns(rows, "clause", "rejected", "first", "alone") == [
        ["L4", 1, 1, 1], ["P1", 1, 1, 0], ["P4", 2, 2, 1], ["R5", 2, 0, 0], ["S2", 2, 1, 0], ["W1", 0, 0, 0],
    ]  # fmt: skip


def test_idle_properties_are_never_first_and_never_alone(audit: Path) -> None:
    rows = tabulate(Run.load(audit), "idle properties")
    assert columns(rows, "property", "rejected") == [["weights_sum_to_one", 0], ["query_rows_are_independent", 2]]


def test_the_vacuous_come_first(audit: Path) -> None:
    rows = tabulate(Run.load(audit), "vacuity")
    assert columns(rows.head(3), "clause", "share", "too_much") == [["R5", 0.25, True], ["S2", 0.1, False], ["P1", 0.0, False]]


def test_controls_have_one_row_each(audit: Path) -> None:
    rows = tabulate(Run.load(audit), "controls")
    assert list(rows["name"]) == ["scores in 16 bits", "eager", "online"]
    assert rows["accused_by"][0] == ("output_agrees_with_the_oracle", "query_rows_are_independent")


def test_our_own_row_stands_before_the_other_checks(audit: Path) -> None:
    rows = tabulate(Run.load(audit), "other_checks")
    assert columns(rows, "check", "faults_found", "faults", "false_alarms", "controls") == [
        ["attention-harness", 5, 6, 1, 3], ["by hand", 3, 5, 2, 3], ["KernelBench", 1, 5, 0, 3], ["ONNX vectors", 0, 0, 0, 0],
    ]  # fmt: skip
    assert list(rows["share"]) == [5 / 6, 0.6, 0.2, 0.0]


def test_an_audit_of_an_older_version_is_read(audit: Path) -> None:
    new = Run.load(audit)
    (audit / "controls.parquet").rename(audit / "sound.parquet")
    former = pd.read_parquet(audit / "other_checks.parquet").rename(columns={"check": "peer", "controls": "sound"})
    former.to_parquet(audit / "peers.parquet")
    (audit / "other_checks.parquet").unlink()
    old = Run.load(audit)
    assert old.controls.equals(new.controls)
    assert columns(old.other_checks, "check", "controls") == columns(new.other_checks, "check", "controls")
