"""How many pictures are proven safe, and in how many seconds, method by method.

    python benchmarks/bounds.py WEIGHTS [--network resnet2b] [--limit 500] [--eps 1/255 2/255] [--out docs/results/bounds]

WEIGHTS: a state dict of a CIFAR-10 network, of which the published figure stands beside ours: resnet2b of the verification competition
of 2021 (arXiv:2109.00498), CROWN on all 10,000 test pictures. One thread. Seconds are of the whole call, the wall's and the processor's.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from hoodwink.bounds import METHODS, certify
from hoodwink.data.load import load
from hoodwink.models.load import load_model

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2471, 0.2435, 0.2616)
PUBLISHED = {("resnet2b", "1/255"): 57.16, ("resnet2b", "2/255"): 26.88}


def main() -> None:
    """Run the benchmark and write results.json and README.md."""
    parser = argparse.ArgumentParser()
    parser.add_argument("weights")
    parser.add_argument("--network", default="resnet2b")
    parser.add_argument("--limit", type=int, default=500)
    parser.add_argument("--eps", nargs="+", default=["1/255", "2/255"])
    parser.add_argument("--norm", default="linf")
    parser.add_argument("--methods", nargs="+", default=list(METHODS))
    parser.add_argument("--nodes", type=int, default=2000)
    parser.add_argument("--out", type=Path, default=Path("docs/results/bounds"))
    asked = parser.parse_args()
    torch.set_num_threads(1)
    network = load_model(asked.weights, network=asked.network, mean=MEAN, std=STD, classes=10).network
    data = load("cifar10:test", limit=asked.limit)
    pictures = torch.from_numpy(data.pictures).permute(0, 3, 1, 2).float().div(255)
    labels = torch.from_numpy(data.labels).long()
    rows = []
    for eps in asked.eps:
        for method in asked.methods:
            rows.append(row(network, pictures, labels, eps, asked.norm, method, asked.nodes))
            rows[-1]["published"] = PUBLISHED.get((asked.network, eps)) if asked.norm == "linf" else None
            print(json.dumps(rows[-1]), flush=True)
    write(asked.out, rows)


def row(network: nn.Module, pictures: Tensor, labels: Tensor, eps: str, norm: str, method: str, nodes: int) -> dict[str, Any]:
    """One call of certify."""
    wall, processor = time.perf_counter(), time.process_time()
    proven = certify(network, pictures, labels, eps=float(Fraction(eps)), norm=norm, method=method, nodes=nodes, mean=MEAN, std=STD)
    return {
        "eps": eps,
        "norm": norm,
        "method": method,
        "pictures": len(labels),
        "proven": int(proven.sum()),
        "percent": round(100 * float(proven.float().mean()), 2),
        "seconds": round(time.perf_counter() - wall, 1),
        "processor_seconds": round(time.process_time() - processor, 1),
    }


def write(out: Path, rows: list[dict[str, Any]]) -> None:
    """The figures as JSON and as a table."""
    out.mkdir(parents=True, exist_ok=True)
    machine = {"cores": os.cpu_count(), "processor": platform.processor() or platform.machine(), "torch": version("torch"), "threads": 1}
    (out / "results.json").write_text(json.dumps({"rows": rows, "machine": machine}, indent=1) + "\n")
    lines = ["# Pictures proven safe", "", "Made by `benchmarks/bounds.py`; published: CROWN on all 10,000 test pictures.", ""]
    lines += ["| eps | norm | method | proven | percent | seconds | of the processor | published |", "|---|---|---|---|---|---|---|---|"]
    for r in rows:
        part = f"{r['proven']} of {r['pictures']} | {r['percent']:.2f} | {r['seconds']:.0f} | {r['processor_seconds']:.0f}"
        lines.append(f"| {r['eps']} | {r['norm']} | {r['method']} | {part} | {'' if r['published'] is None else r['published']} |")
    (out / "README.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
