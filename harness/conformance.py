"""Checks one implementation: a worker, the cases, the claims; tallies, minimal counterexamples and agreement samples."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from time import monotonic
from typing import Any

from harness import casefiles, waivers
from harness.agreement import Kept
from harness.corners import CORNERS
from harness.isolation import REFUSALS, Limits, Trouble, Worker
from harness.judging import GATES, Find, Finding, Tally, fails, find, judge
from harness.measuring import Measured
from harness.minimise import minimise
from harness.records import CheckRow, PrecisionRow, absent_row, check_row
from harness.subject import Subject
from harness.targets import Target
from harness.vectors import Vector
from specs import properties
from specs.claims import CLAIMS, Claim, claims_of
from specs.contract import Conventions, Description
from specs.dtypes import DTYPES
from specs.precision import held_to
from specs.problem import Case
from specs.worked_example import CASES as NAMED

CASES_PER_TURN = 2
"""Claims that are cold or alternate are judged on every so many cases, in turn: the former need an expectation of their own."""

VALUES_PER_PROBLEM, PROBLEMS_PER_COLD = 5, 4
"""Where shapes are compiled: so many cases share a problem, and on every so many problems the cold claims are judged."""

MINIMISE_SECONDS = 20.0
"""For all failures of one implementation together; half of what is left goes to each, the first failure first."""


@dataclass(frozen=True)
class Plan:
    """What to check, and how hard. The same for every implementation, but for the cases, which are per spec."""

    cases: Mapping[str, Sequence[Case]]
    folder: Path
    limits: Limits = Limits()
    properties: tuple[str, ...] = ()
    dtypes: tuple[str, ...] = DTYPES
    claims: Mapping[str, Any] = field(default_factory=dict)
    vectors: Sequence[Vector] = ()
    drawn: str = ""
    """The options that draw these cases again."""
    absent: Mapping[str, str] = field(default_factory=dict)
    """Property -> why the run has no case for it."""

    def asks_for(self, claim: Claim) -> bool:
        """Whether the claim is wanted; a layer's claim goes by the name of the attention's too."""
        return not self.properties or not {claim.name, claim.name.removeprefix("layer_")}.isdisjoint(self.properties)


@dataclass
class Checked:
    """The outcome for one implementation."""

    name: str
    rows: list[CheckRow]
    description: Description | None = None
    unloadable: str = ""
    worked_example: list[list[float]] = field(default_factory=list)
    precision: list[PrecisionRow] = field(default_factory=list)


def check(target: Target, plan: Plan, tick: Callable[[], None] = lambda: None) -> Checked:
    """Judges one target by every property that its signature supports. Whatever it does, this returns."""
    load_claims()
    with Worker(target, plan.limits) as worker:
        try:
            description = _with_claims(worker.description(), target, plan)
        except Trouble as trouble:
            outcome = "unavailable" if trouble.outcome == "unloadable" else trouble.outcome
            unloadable = str(trouble) if trouble.outcome == "unloadable" else ""
            return Checked(target.name, [absent_row(target.name, outcome, str(trouble))], unloadable=unloadable)
        checking = Checking(Subject(worker, description), target, plan, tick)
        rows = checking.rows()
        return Checked(target.name, rows, description, "", checking.worked_example, checking.precision())


def load_claims() -> None:
    """Registers all claims in `CLAIMS`: those of the property modules and the worked example."""
    properties.load_all()
    import_module("specs.worked_example")


def _with_claims(description: Description, target: Target, plan: Plan) -> Description:
    """Conventions given on the command line are for functions that cannot declare any themselves."""
    if target.registered or not plan.claims:
        return description
    declared = {name: getattr(description.conventions, name) for name in Conventions.__dataclass_fields__}
    return replace(description, conventions=Conventions.declared(declared | dict(plan.claims)))


class Checking:
    """One implementation on all cases."""

    def __init__(self, subject: Subject, target: Target, plan: Plan, tick: Callable[[], None]) -> None:
        self.subject, self.target, self.plan, self.tick = subject, target, plan, tick
        self.spec = subject.description.spec
        self.claims = [c for c in claims_of(self.spec) if c.clause in GATES or plan.asks_for(c)]
        compiled = subject.description.compiles
        self.warm = [claim for claim in self.claims if not (claim.cold or (claim.compiles and compiled))]
        self.tallies: dict[tuple[str, str], Tally] = defaultdict(Tally)
        self.kept, self.measured = Kept(), dict[str, Measured]()
        self.waivers = [w for w in waivers.load() if w.implementation == target.name and plan.asks_for(CLAIMS[w.property])]
        self.smallest: list[Case] = [waiver.case for waiver in self.waivers]
        self.worked_example: list[list[float]] = []

    def rows(self) -> list[CheckRow]:
        """All cases, then the smallest counterexample to each claim that failed."""
        refused = self.refused_dtypes()
        for case, claims in self.agenda():
            if case.problem.dtype in self.plan.dtypes and case.problem.dtype not in refused:
                x, findings = self.visit(case, claims)
                if not case.arrays and all(finding.outcome == "agrees" for finding in findings if finding.claim.clause in GATES):
                    self._measure(case, x)
            self.tick()
        self.kept.save(self.plan.folder, self.target.name)
        judged = waivers.waived(self._judged(), self.waivers)
        return [*judged, *self._outlived_waivers(), *self._not_judged(), *self._refusals(refused)]

    def _outlived_waivers(self) -> list[CheckRow]:
        """A failing row for each waiver that is no longer needed."""
        description, gone = self.subject.description, waivers.outlived(self.subject, self.waivers)
        return [
            replace(check_row(description, "", CLAIMS[name], Tally(), "", message, ""), outcome="violates")
            for name, message in gone.items()
        ]

    def _within_its_options(self, case: Case) -> Case:
        """The case without options that the signature lacks; one whose numbers are given stays what it is."""
        problem = self.subject.spec.restrict(case.problem, self.subject.description.options)
        return case if case.arrays else replace(case, problem=problem)

    def agenda(self) -> Iterator[tuple[Case, list[Claim]]]:
        """What to visit: cases in the options of the implementation, with the claims to judge on them."""
        return ((self._within_its_options(case), claims) for case, claims in self._asked())

    def _asked(self) -> Iterator[tuple[Case, list[Claim]]]:
        """Cases with the claims to judge on them: some take turns, and where each shape is compiled there are fewer.

        Vectors come first, each with the claims that it is for.
        """
        vectors = [vector for vector in self.plan.vectors if vector.case.problem.spec == self.spec]
        yield from ((vector.case, self._claims_on(vector)) for vector in vectors)
        cases = self.plan.cases.get(self.spec, ())
        named = [case for case in cases if case in NAMED[self.spec]]
        corners = [case for case in cases if case in CORNERS[self.spec]]
        drawn = cases[len(named) + len(corners) :]
        yield from ((case, self.claims) for case in named)
        if self.subject.description.compiles:
            yield from ((case, self.warm) for case in corners)
            yield from self._few_problems(drawn)
        else:
            yield from ((case, self._due(number, corner=True)) for number, case in enumerate(corners))
            yield from ((case, self._due(number)) for number, case in enumerate(drawn))

    def _due(self, number: int, corner: bool = False) -> list[Claim]:
        """The claims to judge on the case of that number."""
        turns = ((claim, (number + place) % CASES_PER_TURN == 0) for place, claim in enumerate(self.claims))
        return [claim for claim, turn in turns if turn or not claim.takes_turns(corner)]

    def _claims_on(self, vector: Vector) -> list[Claim]:
        """Where the implementation has no words for it, that is counted under the published answers only."""
        claims = [claim for claim in self.claims if claim.clause in GATES or claim.name in vector.properties]
        try:
            self.subject.lowered(self.subject.realise(vector.case))
        except Trouble:
            return [claim for claim in claims if claim.clause.startswith("V")]
        return claims

    def _few_problems(self, cases: Sequence[Case]) -> Iterator[tuple[Case, list[Claim]]]:
        for number, case in enumerate(cases):
            start = number - number % VALUES_PER_PROBLEM
            cold = number % (VALUES_PER_PROBLEM * PROBLEMS_PER_COLD) == 0
            yield replace(case, problem=cases[start].problem), self.claims if cold else self.warm

    def refused_dtypes(self) -> dict[str, str]:
        """Dtype -> reason. What is declared, else what a plain problem in that dtype raises."""
        declared = self.subject.description.dtypes
        if declared is not None:
            return {dtype: "not declared" for dtype in DTYPES if dtype not in declared}
        plain = {dtype: self._refusal(dtype) for dtype in DTYPES}
        return {dtype: reason for dtype, reason in plain.items() if reason} if not all(plain.values()) else {}

    def _refusal(self, dtype: str) -> str:
        spec = self.subject.spec
        self.subject.forget()
        try:
            self.subject(self.subject.realise(Case(spec.Problem(dtype=dtype))))
        except Trouble as trouble:
            return str(trouble) if trouble.outcome in REFUSALS else ""
        return ""

    def visit(self, case: Case, claims: Sequence[Claim], find: Find = find) -> tuple[Any, list[Finding]]:
        """Judges the case by these claims; the inputs, and what was found."""
        self.subject.forget()
        x = self.subject.realise(case)
        return x, self.count(case, judge(self.subject, x, claims, find))

    def count(self, case: Case, findings: Iterable[Finding]) -> list[Finding]:
        """The findings on a case, which are tallied."""
        found = list(findings)
        for finding in found:
            self.tallies[case.problem.dtype, finding.claim.name].add(case, finding)
        return found

    def _measure(self, case: Case, x: Any) -> None:
        """What an answer of the right shape says beyond the claims: its precision, and how far it is from others."""
        out, expected = self.subject(x), self.subject.expected(x)
        if case.recipe.startswith("three_words") and not self.worked_example:
            self.worked_example = out.reshape(out.shape[-2:]).astype(float).tolist()
        self.kept.add(case, out, expected)
        if x.dtype not in self.measured:
            self.measured[x.dtype] = Measured(x.dtype, held_to(self.subject.description.precision, x.dtype))
        self.measured[x.dtype].add(x, out, expected)

    def precision(self) -> list[PrecisionRow]:
        """What the answers said about rounding."""
        return [row for measured in self.measured.values() for row in measured.rows(self.subject.description)]

    def _judged(self) -> list[CheckRow]:
        rows, left = [], MINIMISE_SECONDS
        for (dtype, name), tally in self.tallies.items():
            tally.close(CLAIMS[name])
            start = monotonic()
            case, message, replay = self._evidence(CLAIMS[name], tally, left / 2)
            left -= monotonic() - start
            if self.plan.asks_for(CLAIMS[name]) or tally.first:
                rows.append(check_row(self.subject.description, dtype, CLAIMS[name], tally, case, message, replay))
        return rows

    def _not_judged(self) -> list[CheckRow]:
        """Claims that no case of this run let apply: the signature lacks something, or nothing fitting was drawn."""
        description, judged = self.subject.description, {name for _, name in self.tallies}
        rows = []
        for claim in self.claims:
            if claim.name not in judged and self.plan.asks_for(claim):
                missing = [option for option in claim.options if option not in description.options]
                nothing = Tally(reason=f"{', '.join(missing)} not in its signature") if missing else Tally(vacuous=1)
                if claim.gradient and not description.gradient:
                    nothing = Tally(reason="gradient not declared")
                reason = nothing.reason or self.plan.absent.get(claim.name, "no case of this run applies")
                rows.append(check_row(description, "", claim, nothing, "", reason, ""))
        return rows

    def _evidence(self, claim: Claim, tally: Tally, seconds: float) -> tuple[str, str, str]:
        """Id of the minimal failing case, the sentence about it, and the command that replays it."""
        if tally.first is None:
            return "", tally.reason, self._again(claim) if tally.outcome == "violates" else ""
        case, finding = self._smallest(claim, *self._known(claim, *tally.first), seconds)
        self.smallest.append(case)
        message = f"{finding.verdict.message} [{case}]"
        path = casefiles.write(self.plan.folder, self.target, self.subject, claim, case, message)
        return path.stem, message, f"attention-harness replay {path}"

    def _again(self, claim: Claim) -> str:
        """The command that asks for a claim about the whole run once more."""
        return f"attention-harness check {self.target.name} --property {claim.name} {self.plan.drawn}"

    def _known(self, claim: Claim, case: Case, finding: Finding) -> tuple[Case, Finding]:
        """A minimal case of an earlier failure, if this claim fails on it too: most often it is one bug."""
        for earlier in self.smallest:
            known = earlier.with_problem(dtype=case.problem.dtype)
            again = fails(self.subject, claim, known)
            if again and again.outcome == finding.outcome:
                return known, again
        return case, finding

    def _smallest(self, claim: Claim, case: Case, finding: Finding, seconds: float) -> tuple[Case, Finding]:
        found = {case.id: finding}

        def still(simpler: Case) -> bool:
            again = fails(self.subject, claim, simpler)
            if again and again.outcome == finding.outcome:
                found[simpler.id] = again
                return True
            return False

        smallest = minimise(case, still, seconds if finding.outcome != "timed-out" else 0)
        return smallest, found[smallest.id]

    def _refusals(self, refused: dict[str, str]) -> list[CheckRow]:
        first = self.claims[0]
        wanted = {dtype: reason for dtype, reason in refused.items() if dtype in self.plan.dtypes}
        return [
            check_row(self.subject.description, dtype, first, Tally(reason=reason), "", reason, "")
            for dtype, reason in wanted.items()
        ]
