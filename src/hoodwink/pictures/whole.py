"""Whether a PNG or GIF is whole from its first byte to its end mark.

Pillow stops looking after the first frame, does not check the sums of a PNG's pixels, and leaves rows black that are not there.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable

CUT_SHORT = "the file is cut short"
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))  # left, top, across, down


def fault(data: bytes, format: str) -> str | None:
    """What is missing or wrong in a file's structure, in words; None for a whole one and for the formats that Pillow checks itself."""
    if format == "PNG":
        return _png_fault(data)
    return _gif_fault(data) if format == "GIF" else None


def _png_fault(data: bytes) -> str | None:
    position, pixels = 8, list[memoryview]()  # after the signature
    while position + 12 <= len(data):
        length = int.from_bytes(data[position : position + 4])
        kind, end = data[position + 4 : position + 8], position + 8 + length
        if end + 4 > len(data):
            break
        if zlib.crc32(memoryview(data)[position + 4 : end]) != int.from_bytes(data[end : end + 4]):
            return f"the file is damaged: the checksum of its {kind.decode('latin-1')} chunk is wrong"
        if kind == b"IDAT":
            pixels.append(memoryview(data)[position + 8 : end])
        if kind == b"IEND":
            return None if _unpacks_to(pixels, _png_size(data)) else CUT_SHORT
        position = end + 4
    return CUT_SHORT


def _png_size(data: bytes) -> int:
    """The bytes of a PNG's unpacked pixels: in each row, and in each row of the seven passes if it is interlaced, a filter's byte too."""
    width, height = int.from_bytes(data[16:20]), int.from_bytes(data[20:24])
    samples = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}.get(data[25], 1)
    passes = _ADAM7 if data[28] else ((0, 0, 1, 1),)
    sizes = (((width - left + across - 1) // across, (height - top + down - 1) // down) for left, top, across, down in passes)
    return sum(rows * (1 + (columns * samples * data[24] + 7) // 8) for columns, rows in sizes if columns > 0)


def _unpacks_to(parts: Iterable[memoryview], size: int) -> bool:
    unpacker = zlib.decompressobj()
    for part in parts:
        rest: bytes | memoryview = part
        while rest and size > 0:
            try:
                size -= len(unpacker.decompress(rest, 1 << 20))
            except zlib.error:
                return True  # Pillow has the words for it
            rest = unpacker.unconsumed_tail
    return size <= 0


def _gif_fault(data: bytes) -> str | None:
    position = 13 + _colours(data, 10)  # after the header, the screen and its colours
    while 0 <= position < len(data):
        block = data[position]
        if block == 0x3B:
            return None
        if block == 0x21:  # an extension: its label, then its data
            position = _after_blocks(data, position + 2)
        elif block == 0x2C:  # a frame: its place, its colours, the size of its codes, then its data
            position = _after_blocks(data, position + 11 + _colours(data, position + 9))
        else:
            position += 1  # as decoders do: a stray byte is passed over
    return CUT_SHORT


def _colours(data: bytes, flags: int) -> int:
    """The bytes of the colour table that the flags at that position announce."""
    found = data[flags] if flags < len(data) else 0
    return 3 << (found & 7) + 1 if found & 0x80 else 0


def _after_blocks(data: bytes, position: int) -> int:
    while position < len(data) and data[position]:
        position += 1 + data[position]
    return position + 1
