"""Attacks: functions from queries, pictures and labels to pictures, all in [0, 1], N x C x H x W."""

from hoodwink.attacks.climb import climb
from hoodwink.attacks.queries import Queries
from hoodwink.attacks.shrink import shrink
from hoodwink.attacks.table import ATTACKS

__all__ = ["ATTACKS", "Queries", "climb", "shrink"]
