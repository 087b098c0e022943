"""Attacks: functions from queries, pictures and labels to pictures, all in [0, 1], N x C x H x W."""

from hoodwink.attacks.apgd import apgd
from hoodwink.attacks.climb import climb
from hoodwink.attacks.ddn import ddn
from hoodwink.attacks.fgsm import fgsm
from hoodwink.attacks.fmn import fmn
from hoodwink.attacks.noise import noise
from hoodwink.attacks.pgd import pgd
from hoodwink.attacks.queries import Queries
from hoodwink.attacks.shrink import shrink
from hoodwink.attacks.square import square
from hoodwink.attacks.table import ATTACKS

__all__ = ["ATTACKS", "Queries", "apgd", "climb", "ddn", "fgsm", "fmn", "noise", "pgd", "shrink", "square"]
