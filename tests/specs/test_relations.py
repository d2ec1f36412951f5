"""Relations between answers leave room for what a declared precision takes away, and no more."""

from harness.judging import fails
from implementations import numpy_tensor_core
from specs.claims import CLAIMS
from specs.problem import Case, Problem


def test_doubling_allows_for_what_underflows_in_the_format_that_is_declared(subject_of):
    """A sink leaves weights near 1e-40, which float64 holds with all its digits and float32 without."""
    case = Case(Problem(2, 2, 1, 5, 4, 8, 8, "float64", sinks=92.0))
    assert numpy_tensor_core.attention.precision["float64"] == "computed-in-float32"
    subject = subject_of(numpy_tensor_core.attention)
    assert fails(subject, CLAIMS["doubling_the_values_doubles_the_output"], case) is None
