"""What is certain: proofs that no picture within a ball gets another label."""

from hoodwink.bounds.certify import METHODS, certify, lower_margins
from hoodwink.bounds.graph import BoundsError

__all__ = ["METHODS", "BoundsError", "certify", "lower_margins"]
