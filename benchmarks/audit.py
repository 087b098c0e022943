"""Our audit beside AutoAttack's standard version: same pictures, same machine, same run.

    python benchmarks/audit.py --network hardened --case linf:2/255 --case l2:0.5 [--limit 500] [--peer] [--out docs/results/audit]

Networks: `hardened` (HOODWINK_DATA/hardened/resnet2b.pth), `plain` (the folder that benchmarks/plain.py wrote: --plain DIR), on CIFAR-10's
first test pictures; `photos` (the packaged ImageNet network, five crops of each photograph at the network's own size, labelled by
itself). Ours is timed whole (prepare, classify, search, verdict from the kept pictures), sentinels off; the off-grid column is a
second run with `free`, timed whole too. AutoAttack's original is imported if it is importable (put its folder on PYTHONPATH), gets the
plain network as its users give it, and is timed over its own evaluation. Its figure is of float pictures. CPU threads: --threads. Ratios are
given of wall time and of the CPU time of the process: with one thread the second does not depend on what else the machine does.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import hoodwink as hw
from hoodwink.auditing.audit import audit
from hoodwink.data.load import load
from hoodwink.models.model import Model
from hoodwink.pictures.read import read_picture

SAME = ("network", "case", "pictures", "threads", "precision")
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2471, 0.2435, 0.2616)
SKIMAGE = ("chelsea.png", "coffee.png", "astronaut.png", "rocket.jpg")


def main() -> None:
    """Run the cases, print a line each, and add them to results.json."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--network", choices=["hardened", "plain", "photos"], default="hardened")
    parser.add_argument("--plain", type=Path, help="the folder of the plain network")
    parser.add_argument("--case", action="append", required=True, help="norm:eps, such as linf:2/255")
    parser.add_argument("--limit", type=int, default=500)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--peer", action="store_true")
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    model, pictures, labels = subject(asked)
    for case in asked.case:
        norm, _, size = case.partition(":")
        above, _, below = size.partition("/")
        row = ours(model, pictures, labels, norm, float(above) / float(below or 1), asked.precision)
        row |= {"network": asked.network, "case": case, "threads": asked.threads, **machine()}
        if asked.peer:
            row |= theirs(model, pictures, labels, norm, row["eps"], row)
        print(json.dumps(row), flush=True)
        if asked.out is not None:
            keep(asked.out / "results.json", row)


def subject(asked: argparse.Namespace) -> tuple[Model, np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """The network, pictures uint8 N x H x W x C and labels."""
    if asked.network == "photos":
        model = own_size(hw.load_model("efficientnet-lite0"))
        pictures = crops(asked.limit)
        with torch.no_grad():
            labels = np.array([int(model.outputs(model.encode(one)).argmax()) for one in pictures])
        return model, pictures, labels
    if asked.network == "plain":
        model = hw.load_model(asked.plain)
    else:
        path = Path(os.environ["HOODWINK_DATA"]) / "hardened" / "resnet2b.pth"
        model = hw.load_model(path, network="resnet2b", mean=MEAN, std=STD, classes=10)
    data = load("cifar10:test", limit=asked.limit)
    assert isinstance(data.pictures, np.ndarray) and data.labels is not None
    return model, data.pictures, data.labels


def own_size(model: Model) -> Model:
    """The same network, which takes pictures of its own size as they are."""
    return Model(model.network, replace(model.card, input=replace(model.card.picture, resize=None)))


def crops(limit: int) -> np.ndarray[Any, Any]:
    """The corners and the middle of each photograph, its shorter side brought to 256, 224 x 224."""
    import skimage
    from PIL import Image

    folder = Path(skimage.__file__).parent / "data"
    paths = [folder / name for name in SKIMAGE] + sorted((Path(os.environ.get("HOODWINK_DATA", ".")) / "photos").glob("*.jpg"))
    out = []
    for path in paths:
        levels = read_picture(path).levels
        scale = 256 / min(levels.shape[:2])
        height, width = (round(side * scale) for side in levels.shape[:2])
        small = np.asarray(Image.fromarray(levels).resize((width, height), Image.Resampling.BICUBIC))
        spots = [(0, 0), (0, width - 224), (height - 224, 0), (height - 224, width - 224), ((height - 224) // 2, (width - 224) // 2)]
        out += [small[top : top + 224, left : left + 224] for top, left in spots]
    return np.stack(out)[:limit]


def ours(
    model: Model, pictures: np.ndarray[Any, Any], labels: np.ndarray[Any, Any], norm: str, eps: float, precision: str
) -> dict[str, Any]:
    """The audit on whole levels, and once more off the grid."""
    row: dict[str, Any] = {"norm": norm, "eps": eps, "pictures": len(labels), "precision": precision}
    for free in (False, True):
        begun, used = time.perf_counter(), time.process_time()
        result = audit(model, pictures, labels, eps=eps, norm=norm, sentinels=0, free=free, precision=precision)
        seconds, last = time.perf_counter() - begun, result.last
        kind = "free" if free else "files"
        row |= {
            f"{kind}_seconds": round(seconds, 2),
            f"{kind}_cpu": round(time.process_time() - used, 2),
            f"{kind}_gradients": round(float(result.gradients.mean()), 1),
        }
        row["clean"], row["files"], row["free"] = last.clean_accuracy, last.robust_accuracy, last.free_accuracy
        row["disputed"] = result.disputed
    return row


def theirs(
    model: Model, pictures: np.ndarray[Any, Any], labels: np.ndarray[Any, Any], norm: str, eps: float, row: dict[str, Any]
) -> dict[str, Any]:
    """AutoAttack standard on the same pictures, and the ratios of time."""
    if find_spec("autoattack") is None:
        return {"peer": "autoattack cannot be imported: put its folder on PYTHONPATH"}
    from autoattack import AutoAttack

    mean, std = (torch.tensor(value).view(1, -1, 1, 1) for value in (model.card.picture.mean, model.card.picture.std))

    def function(x: Tensor) -> Tensor:
        return model.network((x - mean) / std)

    x = torch.from_numpy(np.ascontiguousarray(pictures.transpose(0, 3, 1, 2))).float() / 255
    y = torch.from_numpy(labels)
    model.network.to(memory_format=torch.contiguous_format)
    begun, used = time.perf_counter(), time.process_time()
    attack = AutoAttack(
        function, norm={"linf": "Linf", "l2": "L2", "l1": "L1"}[norm], eps=eps, version="standard", device="cpu", verbose=False
    )
    attack.seed = 0
    found = attack.run_standard_evaluation(x, y, bs=min(len(y), 500 if x.shape[-1] < 64 else 8))
    seconds, cpu = time.perf_counter() - begun, time.process_time() - used
    with torch.no_grad():
        robust = float(torch.cat([function(part) for part in found.split(50)]).argmax(1).eq(y).float().mean())
    return {
        "autoattack": robust,
        "autoattack_seconds": round(seconds, 2),
        "autoattack_cpu": round(cpu, 2),
        "times_files": round(seconds / row["files_seconds"], 1),
        "times_free": round(seconds / row["free_seconds"], 1),
        "times_files_cpu": round(cpu / row["files_cpu"], 1),
        "times_free_cpu": round(cpu / row["free_cpu"], 1),
    }


def machine() -> dict[str, str]:
    """What the figures were measured on."""
    names = [line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return {"cpu": names[0] if names else platform.processor(), "torch": str(torch.__version__), "date": time.strftime("%Y-%m-%d")}


def keep(path: Path, row: dict[str, Any], same: Sequence[str] = SAME) -> None:
    """Add a row to the file, in the place of an older one whose entries named by `same` are the same."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = json.loads(path.read_text()) if path.is_file() else []
    rows = [old for old in rows if any(old[key] != row[key] for key in same)] + [row]
    path.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
