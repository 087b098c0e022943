"""Which pictures of a set are taken: the same number of each class, or one part after another."""

from __future__ import annotations

from itertools import accumulate, pairwise

import torch
from torch import Tensor

from hoodwink.data.keys import keyed


def balanced(labels: Tensor, total: int, *, classes: int, seed: int = 0) -> Tensor:
    """Indices, int64, of `total` pictures drawn at random, exactly as many of each class, in the set's own order.

    labels: N in 0..classes - 1. Raises ValueError where `total` is no multiple of the classes, or a class has too few.
    """
    if classes < 1:
        raise ValueError(f"1 class or more was wanted, not {classes}")
    if total < classes or total % classes:
        nearest = min(max(1, total // classes) * classes, _most(labels, classes))
        raise ValueError(f"a total that is a multiple of {classes} classes was wanted, not {total}; type {nearest}")
    share = total // classes
    generator = keyed("balanced", seed)
    chosen = []
    for label in range(classes):
        found = torch.nonzero(labels.cpu() == label)[:, 0]
        if len(found) < share:
            raise ValueError(
                f"{share} pictures of class {label} were wanted, there are {len(found)}; type a total of at most {_most(labels, classes)}"
            )
        chosen.append(found[torch.randperm(len(found), generator=generator)[:share]])
    return torch.cat(chosen).sort().values


def split(count: int, *sizes: int, seed: int | None = None) -> tuple[Tensor, ...]:
    """Indices, int64, of disjoint parts of these sizes; what is left over is in none.

    seed: None for the order of the file (40,000 and 10,000 of CIFAR-10 are its first four batches and its fifth), else drawn at random.
    Raises ValueError where there are fewer than `count` wants.
    """
    if any(size < 0 for size in sizes) or sum(sizes) > count:
        raise ValueError(f"parts of at most {count} pictures in all were wanted, not {' + '.join(map(str, sizes))} = {sum(sizes)}")
    order = torch.arange(count) if seed is None else torch.randperm(count, generator=keyed("split", seed))
    ends = list(accumulate(sizes, initial=0))
    return tuple(order[first:end].clone() for first, end in pairwise(ends))


def _most(labels: Tensor, classes: int) -> int:
    counts = torch.bincount(labels.cpu(), minlength=classes)[:classes]
    return classes * int(counts.min())
