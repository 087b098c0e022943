from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from hoodwink.models import prepare as room
from hoodwink.models.fold import Change, Changes, Clip, rebuild
from hoodwink.models.load import ModelError, wrap
from hoodwink.models.model import Model
from hoodwink.models.prepare import Prepared, prepare
from hoodwink.models.weights import hash_weights
from hoodwink.networks.efficientnet_lite import efficientnet_lite0
from hoodwink.networks.resnet import resnet2b

SIZE = 12


def settled(network: nn.Module, seed: int = 0) -> nn.Module:
    """The network with batch norms that look trained, none of whose numbers is a default."""
    generator = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            for tensor, low, high in (
                (module.running_mean, -0.5, 0.5),
                (module.running_var, 0.5, 2.0),
                (module.weight, 0.5, 1.5),
                (module.bias, -0.5, 0.5),
            ):
                if tensor is not None:
                    tensor.data.uniform_(low, high, generator=generator)
    return network.eval()


def modelled(network: nn.Module, size: int = SIZE, classes: int = 5) -> Model:
    return wrap(settled(network), mean=0.5, std=0.25, classes=classes, size=size)


def some(count: int = 3, size: int = SIZE, seed: int = 1) -> Tensor:
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(seed))


def ask(network: Callable[[Tensor], Tensor], pictures: Tensor) -> tuple[Tensor, Tensor]:
    """Logits, and the gradient of a sum of them that favours none."""
    pictures = pictures.clone().requires_grad_()
    logits = network(pictures)
    weights = torch.arange(1.0, logits.shape[1] + 1)
    return logits.detach(), torch.autograd.grad((logits * weights).sum(), pictures)[0]


def assert_equal(made: Prepared, model: Model, pictures: Tensor, within: float = 1e-4) -> None:
    """On pictures that the proof has not seen, in batches of several sizes."""
    for batch in (pictures, pictures[:1], torch.cat([pictures, pictures])):
        logits, gradient = ask(made.network, batch)
        right_logits, right_gradient = ask(model.network, batch)
        assert logits.dtype is torch.float32 and logits.shape == right_logits.shape
        assert float((logits - right_logits).abs().max()) <= within * float(right_logits.abs().max())
        assert float((gradient - right_gradient).norm()) <= 10 * within * float(right_gradient.norm())


def kinds(made: Prepared) -> dict[str, int]:
    return {kind: int(count) for kind, _, count in (step.partition(": ") for step in made.steps) if count}


def left(made: Prepared, layer: str) -> str:
    """The reason for which a layer was left."""
    (reason,) = (line.partition(": ")[2] for line in made.left if line.startswith(f"{layer}: "))
    return reason


def head(channels: int, classes: int = 5) -> list[nn.Module]:
    return [nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(4 * channels, classes)]


def plain() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(inplace=True),
        nn.Dropout2d(0.3),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 12, 3, stride=2, bias=False),
        nn.BatchNorm2d(12, affine=False),
        nn.Hardtanh(-0.5, 0.7),
        nn.Identity(),
        nn.Flatten(),
        nn.Linear(48, 20, bias=False),
        nn.BatchNorm1d(20),
        nn.ReLU(),
        nn.Dropout(),
        nn.Linear(20, 5),
    )


class Residual(nn.Module):
    """A block of a ResNet; with `functions` it calls its activations, its padding and its dropout as functions."""

    def __init__(self, inputs: int, outputs: int, stride: int, functions: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1 - functions, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
        self.functions = functions

    def forward(self, x: Tensor) -> Tensor:
        if not self.functions:
            out: Tensor = self.relu(self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x))))) + self.shortcut(x))
            return out
        out = F.relu(self.bn1(self.conv1(F.pad(x, (1, 1, 1, 1)))))
        out = F.dropout(out, 0.5, self.training)
        return torch.relu(torch.add(self.bn2(self.conv2(out)), self.shortcut(x)))


def residual(functions: bool) -> nn.Module:
    return nn.Sequential(Residual(3, 8, 1, functions), Residual(8, 8, 2, functions), *head(8))


class Attention(nn.Module):
    """A small ViT: patches, a class token, positions, one block of attention in plain tensors and one of torch's, a head."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 16, 4, 4)
        self.token = nn.Parameter(torch.randn(1, 1, 16))
        self.positions = nn.Parameter(torch.randn(1, (SIZE // 4) ** 2 + 1, 16))
        self.norm, self.qkv, self.out = nn.LayerNorm(16), nn.Linear(16, 48), nn.Linear(16, 16)
        self.block = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True, norm_first=True)
        self.head = nn.Linear(16, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)  # N x patches x 16
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.positions
        query, key, value = self.qkv(self.norm(x)).unflatten(2, (3, 2, 8)).permute(2, 0, 3, 1, 4)
        seen = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
        x = self.block(x + F.dropout(self.out(seen), 0.1, self.training))
        logits: Tensor = self.head(x[:, 0])
        return logits


class Wild(nn.Module):
    """A network with control flow that hangs on its data; its parts can be traced."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU())
        self.branches = nn.ModuleList([Residual(8, 8, 1, False), Residual(8, 8, 1, True)])
        self.head = nn.Sequential(*head(8))

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        x = self.branches[0](x) if x.sum() > 0 else self.branches[1](x)
        logits: Tensor = self.head(x)
        return logits


NETWORKS: dict[str, tuple[Callable[[], nn.Module], dict[str, int]]] = {
    "plain": (plain, {"batch norm folded": 3, "activation in place": 3, "idle layer removed": 3, "channels-last": 1}),
    "residual": (lambda: residual(False), {"batch norm folded": 6, "activation in place": 4}),
    "residual with functions": (
        lambda: residual(True),
        {"batch norm folded": 6, "activation in place": 4, "padding merged": 2, "idle layer removed": 2},
    ),
    "attention": (Attention, {"idle layer removed": 1, "channels-last": 1}),
    "grouped": (
        lambda: nn.Sequential(nn.Conv2d(3, 8, 1), nn.Conv2d(8, 16, 3, groups=4, bias=False), nn.BatchNorm2d(16), nn.ReLU6(), *head(16)),
        {"batch norm folded": 1, "activation in place": 1},
    ),
    "transposed": (
        lambda: nn.Sequential(
            nn.ConvTranspose2d(3, 8, 3, 2),
            nn.BatchNorm2d(8),
            nn.ConvTranspose2d(8, 12, 2, groups=4, bias=False),
            nn.BatchNorm2d(12),
            *head(12),
        ),
        {"batch norm folded": 2},
    ),
    "flat": (
        lambda: nn.Sequential(
            nn.Flatten(2), nn.Conv1d(3, 6, 5), nn.BatchNorm1d(6), nn.ReLU(), nn.AdaptiveAvgPool1d(4), nn.Flatten(), nn.Linear(24, 5)
        ),
        {"batch norm folded": 1, "activation in place": 1},
    ),
    "norm before": (
        lambda: nn.Sequential(
            nn.BatchNorm2d(3), nn.Conv2d(3, 8, 3), nn.Tanh(), nn.BatchNorm2d(8), nn.Conv2d(8, 8, 3, groups=2, bias=False), *head(8)
        ),
        {"batch norm folded": 2},
    ),
    "norm before, padded with what is there": (
        lambda: nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 8, 3, padding=1, padding_mode="reflect"), *head(8)),
        {"batch norm folded": 1},
    ),
    "norm before linear": (
        lambda: nn.Sequential(nn.Flatten(), nn.BatchNorm1d(3 * SIZE**2), nn.Linear(3 * SIZE**2, 5)),
        {"batch norm folded": 1},
    ),
    "uneven padding of depthwise ones": (
        lambda: nn.Sequential(
            nn.Conv2d(3, 6, 1),
            nn.ZeroPad2d((0, 1, 2, 0)),
            nn.Conv2d(6, 6, 3, 2, groups=6, padding=(0, 1)),
            nn.ZeroPad2d((1, 2, 1, 2)),
            nn.Conv2d(6, 6, 5, 2, groups=6),
            *head(6),
        ),
        {"padding merged": 2},
    ),
    "even padding": (
        lambda: nn.Sequential(nn.ZeroPad2d((2, 2, 1, 1)), nn.Conv2d(3, 6, 3, padding=1, dilation=2), *head(6)),
        {"padding merged": 1},
    ),
    "two norms": (
        lambda: nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.BatchNorm2d(6), *head(6)),
        {"batch norm folded": 2},
    ),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_copy_is_equal_and_everything_that_can_be_done_is(name: str) -> None:
    make, wanted = NETWORKS[name]
    torch.manual_seed(3)
    model = modelled(make())
    made = prepare(model, some())
    assert made.left == ()
    assert wanted.items() <= kinds(made).items()
    assert 0 <= made.largest <= 1e-5
    assert made.seconds > 0
    assert_equal(made, model, some(4, seed=2))


def test_efficientnet_is_folded_whole() -> None:
    torch.manual_seed(0)
    model = modelled(efficientnet_lite0(10), size=64, classes=10)
    made = prepare(model)
    assert kinds(made) == {
        "traced": 1,
        "idle layer removed": 61,
        "padding merged": 4,
        "batch norm folded": 49,
        "activation in place": 33,
        "channels-last": 1,
    }
    assert left(made, "stem.pad.pad").startswith("its padding does not fit")
    assert_equal(made, model, some(2, 64))


def test_a_network_without_batch_norm_gains_its_activations() -> None:
    model = modelled(resnet2b(5), size=32)
    made = prepare(model)
    assert kinds(made) == {"traced": 1, "activation in place": 6, "channels-last": 1} and not made.left
    assert_equal(made, model, some(4, 32))


def state(network: nn.Module) -> list[Any]:
    """Everything of a network that a copy could have touched."""
    tensors = [(name, id(one), one.data_ptr(), one.stride(), one.requires_grad) for name, one in network.state_dict(keep_vars=True).items()]
    modules = [(name, id(one), type(one), one.training, len(one._forward_hooks)) for name, one in network.named_modules()]
    return [hash_weights(network), tensors, modules]


@pytest.mark.parametrize("make", [plain, lambda: residual(False), lambda: residual(True), Attention, Wild])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_original_stays_as_it_was(make: Callable[[], nn.Module], dtype: torch.dtype) -> None:
    model = modelled(make())
    before, answer = state(model.network), model.outputs(some())
    ask(prepare(model, some(), dtype=dtype).network, some())
    assert state(model.network) == before
    assert torch.equal(model.outputs(some()), answer)


def test_weights_that_do_not_change_are_shared() -> None:
    model = modelled(nn.Sequential(nn.Flatten(), nn.Linear(3 * SIZE**2, 50), nn.ReLU(), nn.Linear(50, 5)))
    made: Any = prepare(model)
    shared = {one.data_ptr() for one in made.network.fast.parameters()}
    assert shared == {one.data_ptr() for one in model.network.parameters()}


@pytest.mark.parametrize(
    ("layers", "layer", "reason"),
    [
        ([nn.BatchNorm2d(3), nn.Conv2d(3, 8, 3, padding=1), *head(8)], "0", "in front of a convolution that pads with zeros"),
        ([nn.BatchNorm2d(3), nn.Conv2d(3, 8, 3, padding="same"), *head(8)], "0", "in front of a convolution that pads with zeros"),
        ([nn.BatchNorm2d(3), nn.ConvTranspose2d(3, 8, 3), *head(8)], "0", "no convolution or linear layer of its own beside it"),
        ([nn.BatchNorm2d(3), nn.ReLU(), nn.Conv2d(3, 8, 3), *head(8)], "0", "no convolution or linear layer of its own beside it"),
        ([nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8, track_running_stats=False), *head(8)], "1", "the statistics of each batch"),
        ([nn.Flatten(2), nn.Linear(SIZE**2, 3), nn.BatchNorm1d(3), nn.Flatten(), nn.Linear(9, 5)], "2", "no convolution or linear layer"),
        ([nn.ZeroPad2d((0, 1, 0, 1)), nn.Conv2d(3, 8, 3, 2), *head(8)], "0", "does not fit into the convolution's own"),
    ],
)
def test_what_cannot_be_folded_exactly_is_left_and_named(layers: list[nn.Module], layer: str, reason: str) -> None:
    torch.manual_seed(0)
    model = modelled(nn.Sequential(*copy.deepcopy(layers)))
    made = prepare(model, some())
    assert reason in left(made, layer)
    assert not {"batch norm folded", "padding merged"} & kinds(made).keys()
    assert_equal(made, model, some(4, seed=2)) if "each batch" not in reason else None
    assert torch.allclose(made.network(some()), model.outputs(some()), atol=1e-5)


class Shared(nn.Module):
    """One convolution behind which stand two norms and none, one norm behind two convolutions, one pair used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.other = nn.Conv2d(3, 3, 3, padding=1, bias=False), nn.Conv2d(3, 3, 1)
        self.bn1, self.bn2 = nn.BatchNorm2d(3), nn.BatchNorm2d(3)
        self.tail = nn.Sequential(*head(3))

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.bn1(self.conv(x))) + self.bn2(self.conv(x)) + self.conv(x)
        x = self.bn1(self.other(x)) - torch.relu(self.bn1(self.conv(x)))
        logits: Tensor = self.tail(x)
        return logits


def test_shared_layers_are_folded_for_each_call() -> None:
    torch.manual_seed(1)
    model = modelled(Shared())
    made = prepare(model, some())
    assert kinds(made)["batch norm folded"] == 4 and not made.left
    assert_equal(made, model, some(4, seed=2))


class Read(nn.Module):
    """A convolution whose result is read before the norm as well: nothing may be folded or overwritten."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.bn, self.relu, self.tail = nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Sequential(*head(6))

    def forward(self, x: Tensor) -> Tensor:
        raw = self.conv(x)
        logits: Tensor = self.tail(self.relu(raw) + self.bn(raw))
        return logits


def test_a_result_with_two_readers_is_neither_folded_nor_overwritten() -> None:
    model = modelled(Read())
    made = prepare(model, some())
    assert (
        "of its own" in left(made, "bn") and len(made.left) == 1 and not {"batch norm folded", "activation in place"} & kinds(made).keys()
    )
    assert_equal(made, model, some(4, seed=2))


class Ends(nn.Module):
    """Four activations: a layer follows one; two follow another; the gradient of the third goes to a sum, the last's comes from one."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Conv2d(3, 6, 3), nn.Conv2d(6, 6, 1), nn.Conv2d(6, 6, 1), nn.Conv2d(6, 5, 1)])

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu6(self.layers[1](F.relu6(self.layers[0](x))))
        return F.relu6(self.layers[3](F.relu6(self.layers[2](x)) + x)).sum((2, 3))


def test_only_a_gradient_that_nobody_else_reads_is_overwritten() -> None:
    torch.manual_seed(0)
    model = modelled(Ends())
    made: Any = prepare(model, some())
    assert kinds(made)["activation in place"] == 4
    assert [one.fresh for one in made.network.fast.modules() if isinstance(one, Clip)] == [True, False, False, False]
    assert_equal(made, model, some(4, seed=2))


@pytest.mark.parametrize("fresh", [False, True])
def test_a_clip_is_that_of_torch_with_its_edges(fresh: bool) -> None:
    x = torch.tensor([-torch.inf, -2.0, -0.5, 0.0, 0.7, 3.0, torch.inf, torch.nan], requires_grad=True)
    gradient = torch.arange(1.0, 9.0)
    out, right = Clip(-0.5, 3.0, fresh)(x * 1), F.hardtanh(x, -0.5, 3.0)
    assert torch.equal(out.nan_to_num(9), right.nan_to_num(9))
    (wanted,) = torch.autograd.grad(right, x, gradient)
    (got,) = torch.autograd.grad(out, x, gradient.clone())
    assert torch.equal(got, wanted)


def test_several_gradients_of_one_pass() -> None:
    model = modelled(plain())
    made, pictures = prepare(model), some().requires_grad_()
    logits, right = made.network(pictures), model.outputs(pictures)
    for k in (0, 3, 0):
        (gradient,) = torch.autograd.grad(logits[:, k].sum(), pictures, retain_graph=True)
        (wanted,) = torch.autograd.grad(right[:, k].sum(), pictures, retain_graph=True)
        assert torch.allclose(gradient, wanted, atol=1e-6)


def test_a_network_that_cannot_be_traced_is_folded_in_parts() -> None:
    model = modelled(Wild())
    made = prepare(model, some())
    assert "cannot be traced" in left(made, "the network")
    assert kinds(made)["traced"] == 4 and kinds(made)["batch norm folded"] == 7
    for seed in range(2, 6):  # both branches
        assert_equal(made, model, some(1, seed=seed))


class Untraceable(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.bn, self.tail = nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.Linear(6, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.bn(self.conv(x)).mean((2, 3))
        if x.sum() > 0:
            x = x * 2
        logits: Tensor = self.tail(x)
        return logits


def test_a_network_without_parts_to_trace_is_only_laid_out() -> None:
    model = modelled(Untraceable())
    made = prepare(model, some())
    assert "cannot be traced" in left(made, "the network")
    assert kinds(made) == {"channels-last": 1}
    assert_equal(made, model, some(4, seed=2))


class Slices(nn.Module):
    """Cannot be traced, and takes its list of layers apart, which a traced list does not allow."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU())
        self.tail = nn.Sequential(*head(6))

    def forward(self, x: Tensor) -> Tensor:
        x = self.layers[:2](x)
        logits: Tensor = self.tail(x if x.sum() > 0 else x * 2)
        return logits


def test_a_part_that_is_used_otherwise_than_called_is_found_and_left() -> None:
    model = modelled(Slices())
    made = prepare(model, some())
    assert "traced, which fails:" in left(made, "layers") and left(made, "layers").endswith("undone")
    assert kinds(made) == {"traced": 1, "channels-last": 1}
    assert_equal(made, model, some(4, seed=2))


def test_a_fold_that_loses_digits_is_found_and_left() -> None:
    """A convolution with a huge bias that the norm takes away again: the original's own rounding is what the fold does not repeat."""
    torch.manual_seed(0)
    network = nn.Sequential(*[layer for _ in range(4) for layer in (nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3), nn.Tanh())], *head(3))
    model = modelled(network)
    bias, mean = network[6].bias, network[7].running_mean
    assert isinstance(bias, Tensor) and isinstance(mean, Tensor)
    bias.data.fill_(3e4)
    mean.fill_(3e4)
    made = prepare(model, some())
    assert "batch norm folded, which moves the logits by" in left(made, "7")
    assert kinds(made)["batch norm folded"] == 3 and len(made.left) == 1
    assert_equal(made, model, some(4, seed=2), within=1e-3)  # so much the original itself rounds away


class Random(nn.Module):
    def __init__(self, how: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.how, self.tail = how, nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), *head(6))

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.tail(self.how(x))
        return logits


@pytest.mark.parametrize("how", [lambda x: x + 0.1 * torch.randn(1), lambda x: x + 0.1 * torch.randn_like(x), lambda x: F.dropout(x, 0.5)])
def test_a_random_network_is_not_said_to_be_equal(how: Callable[[Tensor], Tensor]) -> None:
    model = modelled(Random(how))
    made = prepare(model, some(), dtype=torch.bfloat16, compiled=True)
    assert made.network is model.network and made.steps == ()
    assert "differ from call to call" in left(made, "the network")


def test_the_original_is_returned_where_every_copy_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    model = modelled(plain())
    monkeypatch.setattr(room, "rebuild", lambda network, changes, example, in_place: nn.Sequential(nn.Flatten(), nn.Linear(3 * SIZE**2, 5)))
    made = prepare(model, some())
    assert made.network is model.network and made.steps == () and "kept whole" in left(made, "the network")


def test_a_network_that_cannot_be_copied_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    model = modelled(plain())
    monkeypatch.setattr(type(model.network), "__deepcopy__", lambda self, memo: 1 / 0, raising=False)
    made = prepare(model, some())
    assert made.network is model.network and "division by zero" in left(made, "the network")


def test_gradients_count_in_the_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same logits with a gradient that is turned round are no copy."""
    model = modelled(plain())

    class Turned(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            logits: Tensor = model.network(x)
            return 2 * logits.detach() - logits

    monkeypatch.setattr(room, "rebuild", lambda network, changes, example, in_place: Turned())
    assert "turns the input gradient (cosine -1.00)" in left(prepare(model, some()), "the network")


@pytest.mark.parametrize(("layer", "folded"), [("0.bn1", 5), ("0", 3), ("", 6)])
def test_what_has_hooks_is_left_and_the_hooks_see_tensors(layer: str, folded: int) -> None:
    model = modelled(residual(False))
    seen: list[Tensor] = []
    model.network.get_submodule(layer).register_forward_hook(lambda module, inputs, output: seen.append(output) or output * 1.5)
    made = prepare(model, some())
    assert kinds(made)["batch norm folded"] == folded
    seen.clear()
    assert_equal(made, model, some(4, seed=2))
    assert len(seen) == 6 and all(type(one) is Tensor for one in seen)


def test_pictures_of_another_size_go_to_the_original() -> None:
    network = nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), *head(6))
    model = wrap(settled(network), mean=0.5, std=0.25, classes=5)
    made = prepare(model, some(size=20))
    assert torch.equal(made.network(some(size=17)), model.outputs(some(size=17)))
    assert not torch.equal(made.network(some(size=20)), model.outputs(some(size=20)))
    assert_equal(made, model, some(size=20))


class Same(nn.Module):
    """Pads by what the size asks for, as TensorFlow does."""

    def forward(self, x: Tensor) -> Tensor:
        more = 1 + x.shape[3] % 2
        return F.pad(x, (more // 2, more - more // 2, 1, 1))


@pytest.mark.parametrize("size", [12, 13])
def test_a_padding_that_hangs_on_the_size_is_merged_for_that_size(size: int) -> None:
    network = nn.Sequential(nn.Conv2d(3, 6, 1), Same(), nn.Conv2d(6, 6, 3, 2, groups=6), *head(6))
    model = wrap(settled(network), mean=0.5, std=0.25, classes=5)
    made = prepare(model, some(size=size))
    assert kinds(made)["padding merged"] == 1
    assert_equal(made, model, some(4, size))


class Asserting(nn.Module):
    """A batch norm as a function and an assertion of a shape in front of it, as timm writes them."""

    def __init__(self, each_batch: bool) -> None:
        super().__init__()
        self.each_batch = each_batch
        self.conv, self.bn, self.tail = nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.Sequential(*head(6))

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        torch._assert(x.ndim == 4, f"four dimensions, not {x.ndim}")
        bn = self.bn
        x = F.relu(F.batch_norm(x, bn.running_mean, bn.running_var, bn.weight, bn.bias, self.each_batch, 0.1, bn.eps))
        logits: Tensor = self.tail(x)
        return logits


def test_a_batch_norm_called_as_a_function_is_folded() -> None:
    model = modelled(Asserting(each_batch=False))
    made = prepare(model, some())
    assert kinds(made)["batch norm folded"] == 1 and kinds(made)["activation in place"] == 1
    assert_equal(made, model, some(4, seed=2))


def test_a_batch_norm_called_as_a_function_may_use_each_batch() -> None:
    made = prepare(modelled(Asserting(each_batch=True)), some())
    assert left(made, "batch_norm") == "batch norm with the statistics of each batch" and len(made.left) == 1


def test_bfloat16_is_used_where_it_holds() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3, 2, groups=8), nn.BatchNorm2d(8), nn.ReLU(), *head(8)
    )
    model = modelled(network)
    made: Any = prepare(model, some(), dtype=torch.bfloat16)
    assert made.steps[-1] == "bfloat16" and 1e-5 < made.largest < 5e-2
    dtypes = {tuple(one.shape): one.dtype for one in made.network.fast.parameters()}
    assert dtypes[8, 3, 3, 3] is torch.bfloat16 and dtypes[8, 1, 3, 3] is torch.float32
    logits, gradient = ask(made.network, some(4, seed=2))
    right, _ = ask(model.network, some(4, seed=2))
    assert logits.dtype is gradient.dtype is torch.float32
    assert float((logits - right).abs().max() / right.abs().max()) < 5e-2


def test_bfloat16_is_refused_where_it_does_not() -> None:
    """A signal of size 1 on a ground of 1000, where bfloat16 counts in fours; the last layer takes the ground away."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), *head(4))
    first, last = network[0], network[-1]
    assert isinstance(first, nn.Conv2d) and isinstance(last, nn.Linear) and first.bias is not None
    first.bias.data.fill_(1000)
    last.weight.data -= last.weight.data.mean(1, keepdim=True)
    made = prepare(modelled(network), some(), dtype=torch.bfloat16)
    assert left(made, "bfloat16").startswith("moves the logits by") and left(made, "bfloat16").endswith("left out")
    assert "bfloat16" not in made.steps and made.largest <= 1e-4


def test_attention_in_bfloat16() -> None:
    torch.manual_seed(0)
    assert prepare(modelled(Attention()), some(), dtype=torch.bfloat16).steps[-1] == "bfloat16"


@pytest.mark.parametrize("raised", [RuntimeError("no C++ compiler\nsecond line"), NotImplementedError()])
def test_where_nothing_compiles_the_copy_is_used_as_it_is(raised: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise raised

    monkeypatch.setattr(torch, "compile", lambda module: fail)
    model = modelled(plain())
    made = prepare(model, some(), compiled=True)
    assert left(made, "torch.compile") == f"fails: {str(raised).partition(chr(10))[0] or 'NotImplementedError'}; left out"
    assert "activation in place" not in kinds(made)
    assert_equal(made, model, some(4, seed=2))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_compiled_copy_is_proven_too() -> None:
    model = modelled(plain())
    made = prepare(model, some(), compiled=True)
    assert made.steps[-1] == "torch.compile" or "left out" in left(made, "torch.compile")
    assert_equal(made, model, some(4, seed=2))


@pytest.mark.parametrize(
    ("pictures", "fields", "message"),
    [
        (some(), {"dtype": torch.float16}, "torch.float32 or torch.bfloat16, torch.float16 came"),
        (some()[0], {}, r"N x C x h x w are wanted for the proof, torch.float32 \(3, 12, 12\) came"),
        (some()[:0], {}, "are wanted for the proof"),
        (some().byte(), {}, "torch.uint8"),
        (some()[:, :2], {}, "does not take pictures 3 x 2 x 12 x 12"),
    ],
)
def test_wrong_wishes_are_said_in_one_line(pictures: Tensor, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        prepare(modelled(plain()), pictures, **fields)
    assert "\n" not in str(caught.value)


def test_a_network_in_training_is_refused() -> None:
    model = modelled(plain())
    model.network[3].train()
    with pytest.raises(ModelError, match="training mode"):
        prepare(model)


def test_no_gradient_mode_around_it_does_not_matter() -> None:
    model = modelled(plain())
    with torch.no_grad():
        made = prepare(model)
        assert kinds(made)["batch norm folded"] == 3
        assert not made.network(some()).requires_grad
    assert_equal(made, model, some(4, seed=2))


@st.composite
def chains(draw: st.DrawFn) -> nn.Sequential:
    """Random chains of convolutions, norms, activations, paddings and what is idle."""
    channels, layers = 3, list[nn.Module]()
    for _ in range(draw(st.integers(1, 4))):
        kind = draw(st.sampled_from(["conv", "grouped", "transposed"]))
        outputs = channels * draw(st.sampled_from([1, 2])) if channels < 12 else channels
        settings_ = {"stride": draw(st.integers(1, 2)), "bias": draw(st.booleans())}
        groups = channels if kind == "grouped" else 1
        padding = draw(st.integers(0, 1))
        if draw(st.booleans()):
            layers.append(nn.BatchNorm2d(channels, affine=draw(st.booleans())))
        if draw(st.booleans()):
            layers.append(nn.ZeroPad2d(draw(st.tuples(*[st.integers(0, 2)] * 4))))
        if kind == "transposed":
            layers.append(nn.ConvTranspose2d(channels, outputs, 3, padding=padding, **settings_))
        else:
            mode = draw(st.sampled_from(["zeros", "replicate"]))
            layers.append(nn.Conv2d(channels, outputs, 3, padding=padding, groups=groups, padding_mode=mode, **settings_))
        channels = outputs
        for maybe in (nn.BatchNorm2d(channels), nn.Dropout(), nn.Identity()):
            layers += [maybe] if draw(st.booleans()) else []
        act = draw(st.sampled_from([None, nn.ReLU(), nn.ReLU(True), nn.ReLU6(), nn.Hardtanh(-0.4, 0.9), nn.SiLU(), nn.Tanh()]))
        layers += [] if act is None else [act]
        layers += [nn.AdaptiveAvgPool2d(9)]
    return nn.Sequential(*layers, *head(channels))


@settings(deadline=None, max_examples=40)
@given(chains(), st.integers(0, 1000))
def test_random_chains(network: nn.Sequential, seed: int) -> None:
    torch.manual_seed(seed)
    for module in network.modules():
        if hasattr(module, "reset_parameters"):
            module.reset_parameters()
    network = copy.deepcopy(settled(network, seed)).double().requires_grad_(False)
    changes = Changes()
    fast = rebuild(network, changes, some(1).double())
    pictures = some(3, seed=seed).double()
    for got, wanted in zip(ask(fast, pictures), ask(network, pictures), strict=True):
        assert torch.allclose(got, wanted, rtol=1e-9, atol=1e-9 * float(wanted.abs().max()))
    norms = [name for name, layer in network.named_children() if type(layer) is nn.BatchNorm2d]
    folded = [change.layer for change in changes.taken if change.kind == "batch norm folded"]
    assert sorted(norms) == sorted(folded + [name for name in changes.left if name in norms])


def test_changes_stop_at_their_limit_and_pass_over_the_refused() -> None:
    changes = Changes({Change("a", "1")}, limit=2)
    assert [changes.take(kind, "1") for kind in "abcd"] == [False, True, True, False]
    assert changes.taken == [Change("b", "1"), Change("c", "1")]
