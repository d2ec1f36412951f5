"""An attention as a module: what depends on the problem alone is prepared once."""

from foreign_attention.plain import attention

options = ("mask", "scale")
dtypes = ("float32",)


def supports(problem):
    """Why a problem is refused, or None."""
    return "head_dim > 64" if problem["shapes"][0][-1] > 64 else None


def prepare(problem):
    """The function for problems of this kind."""
    return attention
