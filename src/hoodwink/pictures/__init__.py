"""Files to whole levels and back: uint8 arrays H x W x C, and what was done to get them."""
