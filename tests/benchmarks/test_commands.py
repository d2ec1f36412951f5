"""Whole commands: seconds, processor seconds and memory; and how they grow with the cases and the implementations.

python -m pytest tests/benchmarks/test_commands.py --benchmark-enable -s
"""

from __future__ import annotations

import numpy as np
import pytest

WORDS = {
    "import numpy": ("-c", "import numpy"),
    "--help": ("-m", "attention_harness", "--help"),
    "list": ("-m", "attention_harness", "list"),
}


@pytest.mark.parametrize("name", WORDS)
@pytest.mark.benchmark(group="start")
def test_start_of_a_command(name, benchmark, python):
    benchmark.pedantic(lambda: python(*WORDS[name]), rounds=5, warmup_rounds=1)
    print(f"\n| `{name}` | {benchmark.stats.stats.median:.2f} s |")


@pytest.mark.parametrize("quick", [True, False], ids=["quick", "default"])
@pytest.mark.parametrize("name", ["numpy-eager", "torch-sdpa-math", "jax-nn"])
@pytest.mark.benchmark(group="check of one")
def test_check_of_one_implementation_cold_and_warm(name, quick, benchmark, harness, cache, tmp_path):
    pytest.importorskip(name.partition("-")[0])
    runs = iter(range(2))

    def check():
        words = ["check", name, *["--quick"] * quick, "--output", tmp_path / str(next(runs))]
        return harness(*words, environment=cache, watch=True)

    cold, warm = check(), benchmark.pedantic(check, rounds=1)
    seconds = f"{cold.seconds:.1f} | {warm.seconds:.1f} | {cold.processor:.1f} | {warm.processor:.1f}"
    print(f"\n| `check {name}{' --quick' * quick}` | {seconds} | {warm.peak:.0f} |")


@pytest.mark.parametrize("command", ["check", "run"])
@pytest.mark.benchmark(group="all built-ins")
def test_everything_that_is_registered_cold_and_warm(command, benchmark, harness, cache, tmp_path):
    runs = iter(range(2))

    def whole():
        return harness(command, "--output", tmp_path / str(next(runs)), environment=cache, watch=True)

    cold, warm = whole(), benchmark.pedantic(whole, rounds=1)
    print(
        f"\n| `{command}` | {cold.seconds:.0f} | {warm.seconds:.0f} | {cold.processor:.0f} | {warm.processor:.0f} | {warm.peak:.0f} |"
    )


@pytest.mark.benchmark(group="growth")
def test_growth_with_the_cases(benchmark, harness, tmp_path):
    examples = np.array([300, 1000, 3000])

    def grown():
        return [harness("check", "numpy-eager", "--examples", n, "--output", tmp_path / str(n), watch=True) for n in examples]

    commands = benchmark.pedantic(grown, rounds=1)
    base = harness("check", "numpy-eager", "--examples", 1, "--output", tmp_path / "1")
    seconds = [command.processor - base.processor for command in commands]
    exponent = np.polyfit(np.log(examples), np.log(seconds), 1)[0]
    print(
        f"\n| {examples} cases | {[round(s, 1) for s in seconds]} | exponent {exponent:.2f} | MiB {[round(c.peak) for c in commands]} |"
    )


@pytest.mark.benchmark(group="growth")
def test_growth_with_the_implementations(benchmark, harness, tmp_path):
    """Functions of the same kind, one by one in a file of their own."""
    text = "from attention_implementations.numpy.eager import attention as eager\n"
    counts = np.array([1, 4, 16])
    for n in range(counts[-1]):
        text += f"\n\ndef attention_{n}(q, k, v, mask=None, is_causal=False, scale=None):\n    return eager(q, k, v, mask=mask, is_causal=is_causal, scale=scale)\n"
    (tmp_path / "many.py").write_text(text)

    def grown():
        places = [f"{tmp_path}/many.py:attention_{n}" for n in range(counts[-1])]
        return [harness("check", *places[:n], "--output", tmp_path / str(n), watch=True) for n in counts]

    commands = benchmark.pedantic(grown, rounds=1)
    seconds = [command.processor for command in commands]
    exponent = np.polyfit(np.log(counts), np.log(seconds), 1)[0]
    print(
        f"\n| {counts} functions | {[round(s, 1) for s in seconds]} | exponent {exponent:.2f} | MiB {[round(c.peak) for c in commands]} |"
    )
