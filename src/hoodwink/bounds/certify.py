"""Which pictures no change within a ball can fool: rungs from cheap to dear, each only for what those before it left open."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hoodwink.bounds.branch import branch
from hoodwink.bounds.crown import Known, Problem, decide, descend, tighten
from hoodwink.bounds.graph import BoundsError, Graph, neck
from hoodwink.bounds.intervals import intervals
from hoodwink.bounds.read import read
from hoodwink.bounds.regions import Region, region
from hoodwink.bounds.search import fooled
from hoodwink.bounds.slopes import climb, first, fit

METHODS = ("ibp", "crown", "alpha", "branch")
BATCH, NODES = 64, 2000
_CLIMB = 8  # steps of ascent for the margins


def certify(
    network: nn.Module,
    pictures: Tensor,
    labels: Tensor,
    *,
    eps: float,
    norm: str = "linf",
    method: str = "crown",
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    batch: int = BATCH,
    nodes: int = NODES,
    seconds: float | None = None,
) -> Tensor:
    """Of which pictures it is proven that no picture of [0, 1] within eps, whole levels or floats, gets another label; bool N.

    network: in evaluation mode, from pictures N x C x H x W in [0, 1] (with mean and std, of each channel: from (picture - mean) / std)
    to logits, of layers that `bounds` knows; the proof covers its arithmetic, float32 or float64, with sums in any order (on a GPU:
    without TF32). labels: int64 N. eps: [0, 1] units. norm: linf or l2. method: how hard to try, each includes those before it: ibp
    (Gowal 2018), crown (Zhang 2018), alpha (Xu 2021), branch (Wang 2021; up to `nodes` parts for each picture). batch: pictures at a
    time. seconds: what is not proven by then counts as not proven, those nearest to a proof are tried first. BoundsError names a layer,
    norm or method that is not known.
    """
    work = _begin(network, pictures, labels, eps, norm, method, mean, std, batch, seconds)
    standing = torch.zeros(len(labels), dtype=torch.bool, device=work.labels.device)
    for part in torch.split(torch.arange(len(labels), device=work.labels.device), batch) if len(labels) else ():
        standing[part] = ~fooled(work.logits, work.space.only(part), work.labels[part])
    return (_climbed(work, standing.nonzero().flatten(), nodes, stop=True) > 0).all(1)


def lower_margins(
    network: nn.Module,
    pictures: Tensor,
    labels: Tensor,
    *,
    eps: float,
    norm: str = "linf",
    method: str = "crown",
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    batch: int = BATCH,
    nodes: int = NODES,
    seconds: float | None = None,
) -> Tensor:
    """The least that the label's logit can exceed each other logit by, for the pictures and arguments of `certify`.

    Lower bounds, float64, N x K; the label's own column is infinite. method branch raises only those that are not above zero.
    """
    work = _begin(network, pictures, labels, eps, norm, method, mean, std, batch, seconds)
    return _climbed(work, torch.arange(len(labels), device=work.labels.device), nodes, stop=False)


@dataclass(frozen=True)
class _Work:
    """One question: the network as given and as a graph, the balls, the labels, how far to go and until when."""

    graph: Graph
    logits: Callable[[Tensor], Tensor]
    space: Region
    labels: Tensor
    rungs: tuple[str, ...]
    batch: int
    end: float | None

    def late(self) -> bool:
        return self.end is not None and time.monotonic() > self.end

    def rows(self, index: int) -> Tensor:
        """The logit of a picture's label less each other, K x K; the label's own row is zero."""
        one = torch.eye(self.graph.nodes[-1].shape[0], dtype=self.graph.dtype, device=self.graph.device)
        return one[self.labels[index]] - one


def _begin(
    network: nn.Module,
    pictures: Tensor,
    labels: Tensor,
    eps: float,
    norm: str,
    method: str,
    mean: Sequence[float] | None,
    std: Sequence[float] | None,
    batch: int,
    seconds: float | None,
) -> _Work:
    if method not in METHODS:
        raise BoundsError(f"method must be one of {', '.join(METHODS)}, {method!r} came")
    if not pictures.is_floating_point() or not bool(((pictures >= 0) & (pictures <= 1)).all()):
        raise BoundsError("pictures must be floats in [0, 1]; divide whole levels by 255")
    graph = read(network, pictures.shape[1:], mean, std)
    classes = graph.nodes[-1].shape[0]
    if labels.shape != pictures.shape[:1] or labels.is_floating_point():
        raise BoundsError(f"labels must be {len(pictures)} whole numbers, one for each picture, {tuple(labels.shape)} {labels.dtype} came")
    if bool(((labels < 0) | (labels >= classes)).any()):
        raise BoundsError(f"labels must be numbers of the network's {classes} classes, 0 to {classes - 1}, {int(labels.max())} came")
    space = region(pictures.detach().to(graph.device).to(graph.dtype), eps, norm)
    middle, width = (
        None if given is None else torch.tensor(given, dtype=graph.dtype, device=graph.device).view(-1, 1, 1) for given in (mean, std)
    )

    def logits(some: Tensor) -> Tensor:
        some = some if middle is None else some - middle
        out: Tensor = network(some if width is None else some / width)
        return out

    end = None if seconds is None else time.monotonic() + seconds
    return _Work(graph, logits, space, labels.to(graph.device).long(), METHODS[: METHODS.index(method) + 1], batch, end)


def _climbed(work: _Work, chosen: Tensor, nodes: int, stop: bool) -> Tensor:
    """Lower bounds of the margins, N x K: those of the pictures chosen by every rung, with `stop` only until they are proven."""
    margins = torch.full((len(work.labels), work.graph.nodes[-1].shape[0]), -torch.inf, dtype=torch.float64, device=work.graph.device)
    known: dict[int, Known] = {}  # only as long as a rung may use it
    margins[chosen] = _intervals(work, chosen)
    margins.scatter_(1, work.labels[:, None], torch.inf)
    for rung in work.rungs[1:]:
        chosen = chosen[~(margins[chosen] > 0).all(1)] if stop else chosen
        # Those nearest to a proof first: what a time limit leaves out is what it would have helped least.
        for index in chosen[margins[chosen].amin(1).argsort(descending=True)].tolist():
            if work.late():
                break
            earlier = known.pop(index, {})
            margins[index] = torch.maximum(margins[index], _rung(work, rung, index, earlier, nodes, margins[index]))
            margins[index, work.labels[index]] = torch.inf
            if rung != work.rungs[-1] and not (stop and bool((margins[index] > 0).all())):
                known[index] = earlier
    return margins


def _intervals(work: _Work, chosen: Tensor) -> Tensor:
    """The margins of pictures, N x K, by intervals up to the last ReLU."""
    head = neck(work.graph)
    found = [torch.zeros((0, work.graph.nodes[-1].shape[0]), dtype=torch.float64, device=work.graph.device)]
    for part in torch.split(chosen, work.batch) if len(chosen) else ():
        spans = intervals(work.graph, work.space.only(part).span())
        for k, index in enumerate(part.tolist()):
            one = [span.only(slice(k, k + 1)) for span in spans]
            rows = work.rows(index)
            fall = descend(Problem(work.graph, work.graph.last, one, {}, work.space), rows, head).bound
            found.append((rows.double() @ one[-1].value[0] + fall)[None])
    return torch.cat(found)


def _rung(work: _Work, rung: str, index: int, known: Known, nodes: int, margins: Tensor) -> Tensor:
    """One picture's margins, K, by one method; known: what the rungs before found of its hidden numbers, is updated."""
    space, rows = work.space.only(slice(index, index + 1)), work.rows(index)
    problem = tighten(work.graph, space, known, {"crown": decide, "alpha": fit}.get(rung), work.late)
    clean = rows.double() @ problem.spans[-1].value[0]
    if rung == "crown":
        return clean + descend(problem, rows).bound
    if rung == "alpha":
        return clean + climb(problem, rows, first(problem, len(rows)), _CLIMB, torch.full_like(clean, torch.inf)).bound
    some = (margins <= 0).nonzero().flatten()
    return margins.index_copy(0, some, branch(problem, rows[some], clean[some], nodes))
