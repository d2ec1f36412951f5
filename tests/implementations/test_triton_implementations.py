"""The Triton kernel for a GPU, without one: it compiles, and what a program keeps in the memory of a core fits there."""

import os
import subprocess
import sys

import pytest

pytest.importorskip("triton")

COMPILES = """
import sys, triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from attention_implementations.triton import _flash

kernel = _flash.kernel(False)
dtype, wide = sys.argv[1], int(sys.argv[2])
types = {"Q": dtype, "K": dtype, "V": dtype, "BIAS": dtype, "OUT": dtype, "MASK": "i1", "LSE": "fp32"}
signature = {
    name: f"*{types[name]}" if name in types else "constexpr" if name.isupper() else "fp32" if name == "scale"
    else ("i64",) * (3 if name == "lse_strides" else 4) if name.endswith("strides") else "i32"
    for name in kernel.arg_names
}
chosen = {"CAUSAL": True, "MASKED": True, "BIASED": True, "ROWS": _flash.rows_of(wide), "DIMS": wide, "COLUMNS": wide}
made = triton.compile(ASTSource(kernel, signature, constexprs=chosen), target=GPUTarget("cuda", 80, 32))
print(made.metadata.shared)
"""

CORE = 163 * 1024
"""Bytes that a program may keep in a core of compute capability 8.0 (CUDA programming guide, "Technical Specifications per Compute
Capability"); 9.0 has 227 KiB."""


@pytest.mark.slow
@pytest.mark.parametrize("wide", [16, 64, 256])
@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_the_kernel_compiles_for_a_gpu_and_fits_a_core(dtype, wide, tmp_path):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "TRITON_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-c", COMPILES, dtype, str(wide)]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    assert 0 < int(ran.stdout) <= CORE


def test_the_row_for_cuda_is_the_kernel_of_the_other_row_and_no_wider_than_what_was_compiled():
    from attention_implementations.triton import flash
    from attention_implementations.triton.cuda import flash as cuda

    assert cuda.attention.__wrapped__ is flash.attention
    assert (cuda.attention.device, flash.attention.device) == ("cuda", "cpu")
    assert "dims <= 256" in cuda.attention.domain
