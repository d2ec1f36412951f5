"""The environment of a run: everything that can change a number."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

from attention_harness.process import group, sandbox
from attention_specs.formats import has_extended_precision

PACKAGES = (
    "attention-harness",
    "numpy",
    "onnx",
    "ml_dtypes",
    "torch",
    "jax",
    "jaxlib",
    "hypothesis",
    "pandas",
    "pyarrow",
    "pytest-benchmark",
)
PREFIXES = ("OMP_", "OPENBLAS_", "MKL_", "XLA_", "JAX_", "TORCH", "NPROC", "KMP_", "CUDA_", "PYTHONHASHSEED")


def environment() -> dict[str, object]:
    """Machine, versions and the variables that change speed or arithmetic."""
    return {
        "commit": _commit(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu": _cpu(),
        "gpu": _gpu(),
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "load": [round(load, 2) for load in os.getloadavg()],
        "packages": {name: number for name in PACKAGES if (number := version_of(name))},
        "variables": {name: value for name, value in sorted(os.environ.items()) if name.startswith(PREFIXES)},
        "sandbox": sandbox.state(),
        "processes_found": group.state(),
        "extended_precision": "longdouble" if has_extended_precision() else "none: float64 inputs are judged in float64",
    }


def version_of(package: str) -> str:
    """The installed version; empty where it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.processor())


def _commit() -> str | None:
    """The commit of the working directory; None where there is none."""
    if not (tool := shutil.which("git")):
        return None
    done = subprocess.run([tool, "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else None


def _gpu() -> str | None:
    """Names, memory and driver of NVIDIA's devices, from their own tool; None where it is absent or silent."""
    if not (tool := shutil.which("nvidia-smi")):
        return None
    query = ["--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run([tool, *query], capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return "; ".join(done.stdout.splitlines()) or None
