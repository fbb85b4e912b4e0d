"""Valid files made invalid: bytes, lengths, header fields, types, shapes, members and values changed, by a Random."""

from __future__ import annotations

import contextlib
import io
import struct
import zipfile
from collections.abc import Callable
from random import Random
from typing import Any

Mutator = Callable[[bytes, Random], bytes]
NUMBERS = (0, 1, 2, 127, 128, 255, 256, 65535, 2**24, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**62, 2**63 - 1, 2**64 - 1)
"""Lengths, counts and offsets that readers get wrong."""
SHAPES = (
    "()",
    "(0,)",
    "(-1,)",
    "(1, -3, 133, 3)",
    f"({2**31},)",
    f"({2**62}, 4)",
    "(3, 133)",
    "(True,)",
    "(1.5,)",
    "'a'",
)
DTYPES = (
    "'|O'",
    "'<f2'",
    "'>f8'",
    "'<U9'",
    "'<c8'",
    "'|b1'",
    "'<M8[s]'",
    "'|V8'",
    "'<i8'",
    "'<f16'",
    "'(1000,1000)f8'",
)
DTYPES += ("[('a', '<f4')]", "[('a', '|O')]", "'<U999999999'", "None", "__import__('os').system('touch WITNESS')")
MEMBERS = (
    "xy.npy",
    "../../evil.npy",
    "/evil.npy",
    "keypoints.npy",
    "xy",
    "a/",
    "a\\b.npy",
    "é.npy",
    "scores.npy",
    "id.npy",
)


def anything(data: bytes, rng: Random) -> bytes:
    """No file at all: random bytes, perhaps behind the beginning of one."""
    return data[: rng.choice((0, 4, 8, 16, 64))] + rng.randbytes(rng.choice((0, 1, 7, 100, 3000)))


def raw(data: bytes, rng: Random) -> bytes:
    """Bytes changed, cut off, moved, doubled, or numbers of 1 to 8 bytes put in."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 5))):
        if not changed:
            break
        at = rng.choice((rng.randrange(len(changed)), rng.randrange(min(len(changed), 200)), max(0, len(changed) - 40)))
        what = rng.randrange(6)
        if what == 0:
            changed[at] = rng.randrange(256)
        elif what == 1:
            width = rng.choice((1, 2, 4, 8))
            number = (rng.choice(NUMBERS) & (256**width - 1)).to_bytes(width, rng.choice(("little", "big")))
            changed[at : at + width] = number
        elif what == 2:
            del changed[at:]
        elif what == 3:
            del changed[at : at + rng.choice((1, 2, 8, 100))]
        elif what == 4:
            changed[at:at] = changed[rng.randrange(len(changed)) :][: rng.choice((1, 4, 16, 300))]
        else:
            changed[at] ^= 1 << rng.randrange(8)
    return bytes(changed)


def npy(data: bytes, rng: Random) -> bytes:
    """An `.npy` with another type, shape, order or length in its header."""
    if data[:6] != b"\x93NUMPY" or rng.random() < 0.3:
        return raw(data, rng)
    start = 10 if data[6] == 1 else 12
    end = start + int.from_bytes(data[8:start], "little")
    header = data[start:end].decode("latin1").strip()
    descr, order, shape = (header.split(f"'{key}':")[1] for key in ("descr", "fortran_order", "shape"))
    fields = {
        "descr": descr.split(", 'fortran")[0].strip(),
        "fortran_order": order.split(",")[0].strip(),
        "shape": shape.strip()[:-2].strip().rstrip(","),
    }
    for _ in range(rng.choice((1, 1, 2))):
        name = rng.choice(("descr", "shape", "shape", "fortran_order"))
        fields[name] = rng.choice({"descr": DTYPES, "shape": SHAPES, "fortran_order": ("True", "False", "2")}[name])
    new = ("{" + ", ".join(f"'{name}': {value}" for name, value in fields.items()) + "}\n").encode()
    length = len(new) if rng.random() < 0.8 else rng.choice(NUMBERS) & 0xFFFF
    version = rng.choice((b"\x01\x00", b"\x01\x00", b"\x02\x00", b"\x03\x00", b"\x09\x00"))
    width = "<H" if version[0] == 1 else "<I"
    return data[:6] + version + struct.pack(width, length) + new + data[end:]


def archive(inner: Mutator) -> Mutator:
    """A ZIP with a member changed by `inner`, renamed, left out, doubled, or its sizes and places lied about."""

    def mutate(data: bytes, rng: Random) -> bytes:
        if rng.random() < 0.25:
            return raw(data, rng)
        with zipfile.ZipFile(io.BytesIO(data)) as old:
            members = [(one.filename, old.read(one)) for one in old.infolist()]
        at = rng.randrange(len(members))
        name, content = members[at]
        what = rng.randrange(7)
        if what <= 2:
            members[at] = (name, inner(content, rng))
        elif what == 3:
            members[at] = (rng.choice(MEMBERS), content)
        elif what == 4:
            del members[at]
        elif what == 5:
            members.insert(at, (rng.choice((name, rng.choice(MEMBERS))), inner(content, rng)))
        elif what == 6:
            members[at] = (name, rng.choice(members)[1])
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as new:
            for one, value in members:
                with _quiet():
                    new.writestr(one, value)
        packed = out.getvalue()
        return packed if rng.random() < 0.8 else _lying(packed, rng)

    return mutate


def _lying(data: bytes, rng: Random) -> bytes:
    """Another size, place, method or flag in one of a ZIP's headers."""
    changed = bytearray(data)
    heads = [at for word in (b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06") for at in _all(data, word)]
    at = rng.choice(heads) + rng.choice((6, 8, 10, 14, 16, 18, 20, 22, 24, 26, 28, 42))
    number = (rng.choice(NUMBERS) & 0xFFFFFFFF).to_bytes(4, "little")
    width = rng.choice((2, 4))
    changed[at : at + width] = number[:width]
    return bytes(changed)


def _all(data: bytes, word: bytes) -> list[int]:
    places, at = [], data.find(word)
    while at >= 0:
        places.append(at)
        at = data.find(word, at + 1)
    return places


@contextlib.contextmanager
def _quiet() -> Any:
    import warnings  # a doubled name is what is wanted

    with warnings.catch_warnings(action="ignore"):
        yield
