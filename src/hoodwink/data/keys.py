"""Generators keyed by what they are for, so that any step of any epoch can be drawn anew without those before it."""

from __future__ import annotations

import hashlib

import torch


def keyed(purpose: str, *numbers: int, device: str | torch.device = "cpu") -> torch.Generator:
    """A generator seeded from a hash of the purpose and the numbers: neighbours such as seed 0, epoch 1 and seed 1, epoch 0 share nothing."""
    digest = hashlib.sha256(" ".join([purpose, *map(str, numbers)]).encode()).digest()
    return torch.Generator(device).manual_seed(int.from_bytes(digest[:8], "little") >> 1)
