from __future__ import annotations

import torch

from hoodwink.networks.fast import EPSILON, fast


def test_the_first_layer_whitens_the_patches_of_the_pictures() -> None:
    dice = torch.Generator().manual_seed(0)
    mix = torch.randn(3, 3, generator=dice)
    pictures = torch.einsum("ij,njhw->nihw", mix, torch.randn(200, 3, 9, 9, generator=dice))
    network = fast()
    network.initialise(pictures)
    with torch.no_grad():
        answers = (network.whiten(pictures) - network.whiten.bias[:, None, None]).transpose(0, 1).flatten(1)  # 24 x many
    half = len(answers) // 2
    assert torch.allclose(answers[:half], -answers[half:], atol=1e-5)
    spread = answers[:half] @ answers[:half].T / answers.shape[1]
    values = torch.linalg.eigvalsh(torch.cov(pictures.unfold(2, 2, 1).unfold(3, 2, 1).transpose(1, 3).reshape(-1, 12).T))
    assert torch.allclose(spread, torch.eye(half), atol=0.02 + EPSILON / float(values.min()))


def test_what_comes_in_passes_through_the_stages_at_first() -> None:
    torch.manual_seed(0)
    stage = fast().stages[1]
    x = torch.randn(2, 64, 8, 8)
    with torch.no_grad():
        assert torch.allclose(stage.conv1(x)[:, :64], x, atol=1e-6)
        assert torch.allclose(stage.conv2(x.repeat(1, 4, 1, 1)), x.repeat(1, 4, 1, 1), atol=1e-6)


def test_norms_learn_their_shift_alone() -> None:
    network = fast()
    trained = {name for name, value in network.named_parameters() if value.requires_grad}
    assert "stages.0.norm1.bias" in trained and "stages.0.norm1.weight" not in trained and "whiten.weight" not in trained
