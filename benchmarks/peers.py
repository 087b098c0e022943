"""The attacks of other libraries as users call them: each is made on a network once, outside the time that counts."""

from __future__ import annotations

import copy
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from hoodwink.models.model import Model

if TYPE_CHECKING:
    from attacks import Subject

MODULES = ("foolbox", "torchattacks", "art.attacks.evasion", "cleverhans.torch.utils", "autoattack.autopgd_base", "adv_lib.attacks")

Attack = Callable[[Tensor, Tensor], Tensor]  # pictures, labels -> pictures
Make = Callable[["Network"], Attack]


class Network(nn.Module):
    """The original network from [0, 1] pictures to logits, as users of the libraries write it; counts what it is asked.

    labels: of the batch, where they are to hold.
    """

    labels: Tensor | None = None
    gradients = forwards = 0

    def __init__(self, model: Model, frozen: bool) -> None:
        super().__init__()
        self.network = copy.deepcopy(model.network).to(memory_format=torch.contiguous_format).requires_grad_(not frozen)
        self.mean, self.std = (torch.tensor(value).view(1, -1, 1, 1) for value in (model.card.picture.mean, model.card.picture.std))

    def forward(self, x: Tensor) -> Tensor:
        """[0, 1] pictures to logits."""
        if x.requires_grad and torch.is_grad_enabled():
            self.gradients += len(x)
        else:
            self.forwards += len(x)
        logits: Tensor = self.network((x - self.mean) / self.std)
        if self.labels is None:
            return logits
        if len(x) not in (1, len(self.labels)):  # ART asks about one picture when an attack is made
            raise RuntimeError(f"{len(self.labels)} pictures that cannot fall were asked about, not {len(x)}: whose labels are they?")
        return hold(logits, self.labels[: len(x)])


def hold(logits: Tensor, labels: Tensor) -> Tensor:
    """The label's logit raised so far that no other passes it: a lead m over the best other becomes (m + sqrt(m^2 + 4)) / 2 + 0.1.

    It still grows with m everywhere, and slowly enough that no gradient vanishes: a search works as it otherwise does.
    """
    own = logits.gather(1, labels[:, None])
    lead = own - logits.scatter(1, labels[:, None], -torch.inf).amax(1, keepdim=True)
    return logits.scatter_add(1, labels[:, None], ((lead.square() + 4).sqrt() - lead) / 2 + 0.1)


def absent() -> dict[str, str]:
    """The libraries that cannot be imported, each with the reason."""
    missing = {}
    for module in MODULES:
        try:
            import_module(module)
        except Exception as error:  # noqa: BLE001  a package of another time may raise anything
            missing[module.partition(".")[0].replace("_", "-")] = (str(error) or type(error).__name__).strip().partition("\n")[0]
    return missing


def find(module: str, name: str) -> Any:
    """A function or class of a library."""
    return getattr(import_module(module), name)


def foolbox(name: str, size: float | None, **options: Any) -> Make:
    """size: eps, None for a minimal attack."""

    def make(network: Network) -> Attack:
        attack, seen = find("foolbox.attacks", name)(**options), find("foolbox", "PyTorchModel")(network, bounds=(0, 1), device="cpu")
        return lambda x, y: attack(seen, x, y, epsilons=size)[1]

    return make


def torchattacks(name: str, **options: Any) -> Make:
    return lambda network: find("torchattacks", name)(network, **options)


def art(name: str, subject: Subject, **options: Any) -> Make:
    """Arrays in, arrays out."""

    def make(network: Network) -> Attack:
        shape, classes = tuple(subject.pictures.shape[1:]), len(subject.model.classes)
        kind = find("art.estimators.classification", "PyTorchClassifier")
        seen = kind(network, nn.CrossEntropyLoss(), shape, classes, clip_values=(0, 1), device_type="cpu")
        attack = find("art.attacks.evasion", name)(seen, eps=subject.eps, batch_size=subject.batch, **options)
        return lambda x, y: torch.from_numpy(attack.generate(x.numpy(), y.numpy()))

    return make


def cleverhans(name: str, eps: float, **options: Any) -> Make:
    options |= {"eps": eps, "norm": np.inf, "clip_min": 0, "clip_max": 1}
    return lambda network: lambda x, y: find(f"cleverhans.torch.attacks.{name}", name)(network, x, y=y, **options)


def autoattack(module: str, name: str, **options: Any) -> Make:
    options |= {"norm": "Linf", "seed": 0, "device": "cpu"}
    return lambda network: find(f"autoattack.{module}", name)(network, **options).perturb


def adv_lib(name: str, *size: float, **options: Any) -> Make:
    """size: eps, nothing for a minimal attack."""
    return lambda network: lambda x, y: find("adv_lib.attacks", name)(network, x, y, *size, **options)


def peers(attack: str, subject: Subject, steps: int) -> dict[str, Make]:
    """The same attack of every library that has it, by the library's name."""
    eps, stride = subject.eps, min(2.5 / steps, 1) * subject.eps  # a step of PGD as Madry 2018 has it: 2.5 radii along the way
    auto = {"eps_step": 2 * eps, "max_iter": steps, "nb_random_init": 1, "loss_type": "cross_entropy", "verbose": False}
    return {
        "fgsm": {
            "foolbox": foolbox("LinfFastGradientAttack", eps),
            "torchattacks": torchattacks("FGSM", eps=eps),
            "art": art("FastGradientMethod", subject),
            "cleverhans": cleverhans("fast_gradient_method", eps),
        },
        "pgd": {
            "foolbox": foolbox("LinfPGD", eps, abs_stepsize=stride, steps=steps, random_start=False),
            "torchattacks": torchattacks("PGD", eps=eps, alpha=stride, steps=steps, random_start=False),
            "art": art("ProjectedGradientDescentPyTorch", subject, eps_step=stride, max_iter=steps, verbose=False),
            "cleverhans": cleverhans("projected_gradient_descent", eps, eps_iter=stride, nb_iter=steps, rand_init=False),
            "adv-lib": adv_lib("pgd_linf", eps, steps=steps, random_init=False, absolute_step_size=stride),
        },
        "apgd": {
            "torchattacks": torchattacks("APGD", eps=eps, steps=steps),
            "art": art("AutoProjectedGradientDescent", subject, **auto),
            "autoattack": autoattack("autopgd_base", "APGDAttack", eps=eps, n_iter=steps),
            "adv-lib": adv_lib("apgd", eps, norm=float("inf"), n_iter=steps, loss_function="ce"),
        },
        "square": {
            "torchattacks": torchattacks("Square", eps=eps, n_queries=steps),
            "art": art("SquareAttack", subject, max_iter=steps, verbose=False),
            "autoattack": autoattack("square", "SquareAttack", eps=eps, n_queries=steps),
        },
        "ddn": {"foolbox": foolbox("DDNAttack", None, steps=steps), "adv-lib": adv_lib("ddn", steps=steps)},
    }[attack]
