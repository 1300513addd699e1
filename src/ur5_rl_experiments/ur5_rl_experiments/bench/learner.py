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

from sac_learner.core.precision import name_of
from sac_learner.core.process_environment import MALLOC_ENVIRONMENT
from ur5_rl_bringup.core.report import write_json
from ur5_rl_experiments.bench.update_cost import Wanted
from ur5_rl_experiments.bench.update_work import update_flop
from ur5_rl_experiments.core.option_types import positive_int

Case = tuple[tuple[int, int], int]  # width and height [px], transitions in a batch
CASES: tuple[Case, ...] = (
    ((160, 90), 128),
    ((160, 90), 512),
    ((320, 180), 128),
    ((80, 45), 64),
)
QUICK_CASES: tuple[Case, ...] = (((80, 45), 8),)
KINDS = ("ours", "plain", "plain_tuned")
CHILD = "ur5_rl_experiments.bench.update_cost"
BARS = {"update": 3.0, "tuned update": 2.5, "sample": 10.0}
GPU_BARS: dict[Case, float] = {  # updates per second
    ((160, 90), 128): 500.0,
    ((160, 90), 512): 200.0,
    ((320, 180), 128): 200.0,
}
Lap = dict[str, dict[str, float]]  # what the children of one round measured, by kind
LOSS_TOLERANCE = 0.02  # relative; ours computes in bf16
CHILD_TIMEOUT_S = 300.0


def main(root: Path, words: Sequence[str]) -> int:  # noqa: ARG001  as every command
    """Measure, print the table, write the report; return 1 where a bar is missed."""
    options = _parser().parse_args(words)
    cases = QUICK_CASES if options.quick else CASES
    results: dict[Case, list[Lap]] = {case: [] for case in cases}
    for _ in range(1 if options.quick else options.rounds):
        for case in cases:
            wanted = [_wanted(kind, case, options) for kind in KINDS]
            results[case].append({w.kind: _child(w) for w in wanted})
    rows = [row(_wanted("ours", case, options), laps) for case, laps in results.items()]
    print(table(rows))
    if options.report:
        write_json(options.report, rows)
    return 0 if all(row["meets_bars"] for row in rows) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="ur5rl bench learner", description=__doc__)
    parser.add_argument("--report", type=Path, help="write the rows there, as JSON")
    parser.add_argument(
        "--quick", action="store_true", help="does it run? small sizes, once"
    )
    parser.add_argument("--threads", type=positive_int, default=os.cpu_count() or 1)
    parser.add_argument("--rounds", type=positive_int, default=3)
    parser.add_argument("--device", default="cpu", help="of both sides")
    return parser


def _wanted(kind: str, case: Case, options: argparse.Namespace) -> Wanted:
    shape, batch = case
    wanted = Wanted(kind, shape, batch, options.threads, options.device)
    if options.quick:
        return wanted._replace(pairs=1, hidden=64, stored_bytes=10**6, product=128)
    if options.device != "cpu":
        return wanted._replace(pairs=20, product=8192)
    return wanted._replace(pairs=2 if batch * shape[0] > 64 * 160 else 10)


def _child(wanted: Wanted) -> dict[str, float]:
    """Return what a fresh process measured.

    Raises:
        RuntimeError: it failed; its last words are in the message.
    """
    environment = {k: v for k, v in os.environ.items() if k not in MALLOC_ENVIRONMENT}
    if wanted.kind != "plain":
        environment |= MALLOC_ENVIRONMENT
    result = subprocess.run(
        [sys.executable, "-m", CHILD, json.dumps(wanted._asdict())],
        env=environment, capture_output=True, text=True, timeout=CHILD_TIMEOUT_S,
        check=False,
    )  # fmt: skip
    if result.returncode:
        raise RuntimeError(f"measuring {wanted}: {result.stderr[-500:]}")
    measured: dict[str, float] = json.loads(result.stdout)
    return measured


def row(wanted: Wanted, laps: Sequence[Lap]) -> dict[str, Any]:
    """Return what the report says of one case, from each round's three children."""

    def middle(kind: str, name: str) -> float:
        return float(statistics.median(lap[kind][name] for lap in laps))

    ours, plain = middle("ours", "update_ms"), middle("plain", "update_ms")
    tuned, sample = middle("plain_tuned", "update_ms"), middle("ours", "sample_ms")
    plain_sample = middle("plain", "sample_ms")
    tuned_sample = middle("plain_tuned", "sample_ms")
    loss, plain_loss = middle("ours", "loss"), middle("plain", "loss")
    peak = max(lap["ours"]["peak_gflop_s"] for lap in laps)
    gflop_s = 1e-6 * wanted.batch * update_flop(wanted.config) / ours
    ratios = {
        "update": plain / ours,
        "tuned update": tuned / ours,
        "sample": plain_sample / sample,
    }
    bar = GPU_BARS.get((wanted.shape, wanted.batch), 0.0)
    is_fast = wanted.device == "cpu" or 1e3 / ours >= bar
    agrees = abs(loss - plain_loss) <= LOSS_TOLERANCE * abs(plain_loss)
    return {
        "shape": list(wanted.shape), "batch": wanted.batch, "device": wanted.device,
        "computes_in": name_of(wanted.dtype),
        "update_ms": ours, "plain_update_ms": plain, "plain_tuned_update_ms": tuned,
        "sample_ms": sample, "plain_sample_ms": plain_sample,
        "plain_tuned_sample_ms": tuned_sample, "ratios": ratios, "gflop_s": gflop_s,
        "peak_gflop_s": peak, "fraction_of_peak": gflop_s / peak, "loss": loss,
        "plain_loss": plain_loss, "losses_agree": agrees,
        "encoder_passes": {"ours": 3, "plain": 4},  # forward, mean of two updates
        "updates_per_s": 1e3 / ours,
        "meets_bars": agrees and is_fast and all(ratios[k] >= BARS[k] for k in BARS),
    }  # fmt: skip


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Return the rows for people."""
    lines = [
        "per update [ms]; plain: the published structure, tuned: with our allocator",
        f"{'image':>9} {'batch':>5} {'ours':>8} {'plain':>9} {'tuned':>9}"
        "   ratios        sample    plain  ratio  of peak  losses        updates/s",
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
            f" {row['updates_per_s']:9.1f}"
        )
    met = "met" if all(row["meets_bars"] for row in rows) else "missed"
    bars = ", ".join(f"{name} {bar:g}x" for name, bar in BARS.items())
    if rows[0]["device"] != "cpu":
        bars += ", updates/s " + ", ".join(f"{bar:g}" for bar in GPU_BARS.values())
    lines.append(
        f"encoder passes: 3 against 4; ours computes in {rows[0]['computes_in']}"
    )
    return "\n".join([*lines, f"bars {bars}: {met}"])
