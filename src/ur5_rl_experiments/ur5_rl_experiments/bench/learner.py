"""`./ur5rl bench learner`: the update and the mini-batch against the published structure.

Three kinds of child process, in turn, round after round: ours, plain with the allocator
as the system has it, plain with our allocator settings. Of each the median over rounds of
the rounds' fastest, so that a noisy neighbour favours nobody.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sac_learner.core.process_environment import MALLOC_ENVIRONMENT
from ur5_rl_bringup.core.report import write_json

CASES = (((160, 90), 128), ((160, 90), 512), ((320, 180), 128), ((80, 45), 64))
KINDS = ("ours", "plain", "plain_tuned")
CHILD = "ur5_rl_experiments.bench.update_cost"
BARS = {"update": 3.0, "tuned update": 2.5, "sample": 10.0}
LOSS_TOLERANCE = 0.02  # relative; ours computes in bf16
MFLOP_CONVOLUTION = {  # per image, forward: sum of 2 * MACs of the four layers
    (160, 90): 37.6, (320, 180): 165.0, (80, 45): 8.0,
}  # fmt: skip
CHILD_TIMEOUT_S = 300.0


def main(root: Path, words: Sequence[str]) -> int:  # noqa: ARG001  as every command
    """Measure, print the table, write the report; return 1 where a bar is missed."""
    options = _parser().parse_args(words)
    cases = CASES[-1:] if options.quick else CASES
    rounds = 1 if options.quick else options.rounds
    results = {case: [] for case in cases}  # type: dict[Any, list[dict[str, Any]]]
    for _ in range(rounds):
        for case in cases:
            results[case].append({kind: _child(kind, case, options) for kind in KINDS})
    rows = [_row(case, laps, options.device) for case, laps in results.items()]
    print(_table(rows))
    if options.report:
        write_json(options.report, rows)
    return 0 if all(row["meets_bars"] for row in rows) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="ur5rl bench learner", description=__doc__)
    parser.add_argument("--report", type=Path, help="write the rows there, as JSON")
    parser.add_argument("--quick", action="store_true", help="80 x 45, one round")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="cpu", help="of ours; plain runs on the CPU")
    return parser


def _child(
    kind: str, case: tuple[tuple[int, int], int], options: argparse.Namespace
) -> dict[str, Any]:
    """Return what a fresh process measured.

    Raises:
        RuntimeError: it failed; its last words are in the message.
    """
    shape, batch = case
    wanted = {
        "kind": kind, "shape": shape, "batch": batch, "threads": options.threads,
        "device": options.device, "pairs": 2 if batch * shape[0] > 64 * 160 else 10,
    }  # fmt: skip
    environment = {k: v for k, v in os.environ.items() if k not in MALLOC_ENVIRONMENT}
    if kind != "plain":
        environment |= MALLOC_ENVIRONMENT
    result = subprocess.run(
        [sys.executable, "-m", CHILD, json.dumps(wanted)],
        env=environment, capture_output=True, text=True, timeout=CHILD_TIMEOUT_S,
        check=False,
    )  # fmt: skip
    if result.returncode:
        raise RuntimeError(f"measuring {kind} at {case}: {result.stderr[-500:]}")
    measured: dict[str, Any] = json.loads(result.stdout)
    return measured


def _row(
    case: tuple[tuple[int, int], int], laps: list[dict[str, Any]], device: str
) -> dict[str, Any]:
    def middle(kind: str, name: str) -> float:
        return float(statistics.median(lap[kind][name] for lap in laps))

    shape, batch = case
    ours, plain = middle("ours", "update_ms"), middle("plain", "update_ms")
    tuned, sample = middle("plain_tuned", "update_ms"), middle("ours", "sample_ms")
    plain_sample = middle("plain", "sample_ms")
    loss, plain_loss = middle("ours", "loss"), middle("plain", "loss")
    peak = max(lap["ours"]["peak_gflop_s"] for lap in laps)
    gflop_s = _gflop(shape, batch) / ours * 1e3
    ratios = {
        "update": plain / ours,
        "tuned update": tuned / ours,
        "sample": plain_sample / sample,
    }
    agrees = abs(loss - plain_loss) <= LOSS_TOLERANCE * abs(plain_loss)
    return {
        "shape": list(shape), "batch": batch, "device": device, "update_ms": ours,
        "plain_update_ms": plain, "plain_tuned_update_ms": tuned, "sample_ms": sample,
        "plain_sample_ms": plain_sample, "ratios": ratios, "gflop_s": gflop_s,
        "peak_gflop_s": peak, "fraction_of_peak": gflop_s / peak, "loss": loss,
        "plain_loss": plain_loss, "losses_agree": agrees,
        "encoder_passes": {"ours": 3, "plain": 4},  # forward, mean of two updates
        "meets_bars": agrees and all(ratios[k] >= bar for k, bar in BARS.items()),
    }  # fmt: skip


def _gflop(shape: tuple[int, int], batch: int) -> float:
    """Return the arithmetic of one of our updates: 3 passes, 1 back, MLPs [GFLOP]."""
    mlp = 20.4 + 15.9 / 2  # MFLOP per sample: critic's step, half an actor's step
    return batch * (MFLOP_CONVOLUTION[shape] * (3.0 + 1.54) + mlp) / 1e3


def _table(rows: list[dict[str, Any]]) -> str:
    lines = [
        "per update [ms]; plain: the published structure, tuned: with our allocator",
        f"{'image':>9} {'batch':>5} {'ours':>8} {'plain':>9} {'tuned':>9}"
        "   ratios        sample    plain  ratio  of peak  losses",
    ]
    for row in rows:
        ratios = row["ratios"]
        lines.append(
            f"{'x'.join(map(str, row['shape'])):>9} {row['batch']:5}"
            f" {row['update_ms']:8.1f} {row['plain_update_ms']:9.1f}"
            f" {row['plain_tuned_update_ms']:9.1f}   {ratios['update']:4.1f}x"
            f" {ratios['tuned update']:4.1f}x {row['sample_ms']:9.2f}"
            f" {row['plain_sample_ms']:8.1f} {ratios['sample']:5.0f}x"
            f" {row['fraction_of_peak']:7.0%}  {row['loss']:.4f} {row['plain_loss']:.4f}"
        )
    met = "met" if all(row["meets_bars"] for row in rows) else "missed"
    bars = ", ".join(f"{name} {bar:g}x" for name, bar in BARS.items())
    return "\n".join([*lines, f"encoder passes: 3 against 4; bars {bars}: {met}"])
