"""Reading pickles of arrays and plain containers without trusting them: nothing a pickle names is ever run.

No numpy object is handed to the pickle before it is finished: types are parsed from a short list of codes and arrays
are made only from bytes of the right length, because numpy's own state setters trust what they are given.
"""

from __future__ import annotations

import io
import math
import pickle
import re
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Sized
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twinsign.pose.clip_file import ClipFile
from twinsign.pose.pickles.scan import MAX_KEYS, RefusedPickleError, check_expanded, scan

_WANTED = "a pickle of numpy arrays, numbers, text and plain containers only"
_HINT = "Nothing in it was run. If you trust its author, save its arrays with numpy.savez and read that."
_TYPE_CODE = re.compile(r"\?|[biufc]\d{1,2}|[SU][1-9]\d{0,5}")


class _Dtype:
    """A number or text type as the pickle describes it; never numpy's own, which `__setstate__` could corrupt."""

    __slots__ = ("value",)

    def __init__(self, code: object, *_align_and_copy: object) -> None:
        if not (isinstance(code, str) and _TYPE_CODE.fullmatch(code)):
            raise pickle.UnpicklingError(f"array type {code!r}")
        self.value: np.dtype[Any] = np.dtype(code)

    def __setstate__(self, state: Any) -> None:
        order = state[1]
        if order not in ("<", ">", "=", "|"):
            raise pickle.UnpicklingError(f"byte order {order!r}")
        self.value = self.value.newbyteorder(order)


def _checked(raw: object, dtype: object, shape: object) -> tuple[bytes, np.dtype[Any], tuple[int, ...]]:
    # Pickles of Python 2 hold an array's bytes as text.
    data = raw.encode("latin1") if isinstance(raw, str) else raw
    if not isinstance(data, bytes | bytearray) or not isinstance(dtype, _Dtype):
        raise pickle.UnpicklingError("an array without bytes or without a type")
    if not isinstance(shape, tuple) or not all(type(length) is int and length >= 0 for length in shape):
        raise pickle.UnpicklingError(f"an array of shape {shape!r}")
    if math.prod(shape) * dtype.value.itemsize != len(data):
        raise pickle.UnpicklingError(f"{len(data)} bytes for an array of shape {shape} and type {dtype.value}")
    return bytes(data), dtype.value, shape


class _Budget:
    """The bytes and items that the calls of a pickle may take: about as many as it holds, even if it repeats them."""

    def __init__(self, byte_count: int) -> None:
        self.left = 4 * byte_count + 1000

    def spend(self, arguments: Iterable[object]) -> None:
        self.left -= sum(len(argument) for argument in arguments if isinstance(argument, Sized))
        if self.left < 0:
            raise pickle.UnpicklingError("repeated content that would fill the memory")


class _Array(np.ndarray[Any, Any]):
    """An array whose state is checked before numpy takes it."""

    budget: _Budget

    def __setstate__(self, state: Any, /) -> None:
        _version, shape, dtype, fortran, raw = state
        self.budget.spend([raw])
        data, checked_dtype, checked_shape = _checked(raw, dtype, shape)
        checked: Any = (1, checked_shape, checked_dtype, bool(fortran), data)
        super().__setstate__(checked)


def _from_buffer(raw: object, dtype: object, shape: object, order: object) -> NDArray[Any]:
    data, checked_dtype, checked_shape = _checked(raw, dtype, shape)
    return np.frombuffer(data, checked_dtype).reshape(checked_shape, order="F" if order == "F" else "C")


def _empty_array(*_subtype_shape_and_code: object) -> _Array:
    # The pickle's own shape is ignored: a lying one would allocate before its bytes are seen.
    return _Array((0,))


def _scalar(dtype: object, raw: object) -> Any:
    return _from_buffer(raw, dtype, (1,), "C")[0]


def _latin1(text: object, encoding: object) -> bytes:
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise pickle.UnpicklingError(f"text encoded as {encoding!r}")
    return text.encode("latin1")


_ADMITTED: dict[tuple[str, str], Callable[..., object]] = {
    ("numpy", "ndarray"): _empty_array,
    ("numpy", "dtype"): _Dtype,
    ("collections", "OrderedDict"): OrderedDict,
    ("_codecs", "encode"): _latin1,
}
for _core in ("numpy.core", "numpy._core"):  # numpy 2 renamed it
    _ADMITTED[f"{_core}.multiarray", "_reconstruct"] = _empty_array
    _ADMITTED[f"{_core}.multiarray", "scalar"] = _scalar
    _ADMITTED[f"{_core}.numeric", "_frombuffer"] = _from_buffer
for _builtins in ("builtins", "__builtin__"):  # Python 2's name
    _ADMITTED |= {(_builtins, "set"): set, (_builtins, "frozenset"): frozenset, (_builtins, "complex"): complex}
    _ADMITTED[_builtins, "bytes"] = lambda: b""  # bytes itself would allocate any number that it is called with


def _many_keys(items: object) -> bool:
    """Whether these items of a set, or pairs of a dictionary, have too many keys that are not text."""
    if not isinstance(items, Collection) or len(items) <= MAX_KEYS:
        return False
    keys = (item[0] if isinstance(item, list | tuple) and item else item for item in items)
    return sum(not isinstance(key, str) for key in keys) > MAX_KEYS


class _Call:
    """An admitted callable, called within the pickle's budget; unlike a function's, its attributes cannot be set."""

    __slots__ = ("_budget", "_call")

    def __init__(self, call: Callable[..., object], budget: _Budget) -> None:
        self._call, self._budget = call, budget

    def __call__(self, *arguments: object) -> object:
        self._budget.spend(arguments)
        if self._call in (set, frozenset, OrderedDict) and any(map(_many_keys, arguments)):
            raise RefusedPickleError(f"a pickle of more than {MAX_KEYS} keys that are not text")
        result = self._call(*arguments)
        if isinstance(result, _Array):
            result.budget = self._budget
        return result

    def __setstate__(self, state: object) -> None:
        raise pickle.UnpicklingError("a state for a function")


class _Unpickler(pickle.Unpickler):
    def __init__(self, data: bytes) -> None:
        super().__init__(io.BytesIO(data), encoding="latin1")
        self._budget = _Budget(len(data))

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ADMITTED:
            raise RefusedPickleError(f"a pickle that asks for {module}.{name}")
        return _Call(_ADMITTED[module, name], self._budget)


def load(clip: ClipFile) -> object:
    """Load a pickle of numpy arrays (any numpy, Python 2 or 3) and plain containers; InputError on anything else."""
    data = clip.read_bytes(_WANTED)
    with clip.decoding(_WANTED):
        try:
            scan(data)
            value: object = _Unpickler(data).load()
            check_expanded(value, len(data))
        except RefusedPickleError as refusal:
            raise clip.error(str(refusal), _WANTED, hint=_HINT) from refusal
    return value
