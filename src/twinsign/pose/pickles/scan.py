"""What is refused in a pickle before and after it is loaded: nesting and repetition that would hold or end the process.

A pickle may name one of its own parts any number of times: a few thousand bytes can stand for more values than any
memory holds. Python expands such parts when it hashes or compares tuples, numpy when it makes arrays of lists.
"""

from __future__ import annotations

import pickle
import pickletools
from collections.abc import Sequence

import numpy as np

_DEEPEST = 100
"""How deep tuples may nest: an array's state nests them three deep."""
_REPEATED = 10**6
"""Values in all repeated parts together, beside 16 for each byte of the pickle."""
_EXPANDED = 10**7
"""Numbers and letters of a pickle, each counted as often as it is repeated, beside 16 for each byte."""
_PER_BYTE = 16
_MEMO_WRITES = ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE")
_MEMO_READS = ("GET", "BINGET", "LONG_BINGET")
_NESTING = ("TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "FROZENSET", "REDUCE", "NEWOBJ", "NEWOBJ_EX", "OBJ", "INST", "BUILD")
_CONTAINERS = (dict, list, tuple, set, frozenset)
_FILLING = ("APPEND", "APPENDS", "SETITEM", "SETITEMS", "ADDITEMS", "BUILD")
"""These give back the container that they fill, which the memo may hold already."""
_SMALL = 100_000
"""Containers that a pickle may have whatever its size, and the fewest bytes of each of the others."""
_CONTAINER = 8
MOST_KEYS = 2000
"""Keys of one dictionary or set that are no texts: those of one hash are compared each with each."""
_TEXTS = ("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8")
_KEYED = ("SETITEM", "SETITEMS", "DICT")
_LISTED = ("ADDITEMS", "FROZENSET")
_EMPTY = ("EMPTY_LIST", "EMPTY_DICT", "EMPTY_SET", "EMPTY_TUPLE")
_PLAIN = {
    opcode.name
    for opcode in pickletools.opcodes
    if not opcode.stack_before and len(opcode.stack_after) == 1 and opcode.name not in (*_MEMO_READS, "MARK", *_EMPTY)
}
"""Operations that put one number, text or other plain value onto the stack, and do nothing else."""


class RefusedPickleError(Exception):
    """What the pickle asks for and must not have."""


class _Value:
    """One value on a pickle's stack: how deep it nests tuples, how many values and keys that are no texts it has."""

    __slots__ = ("depth", "keys", "size")

    def __init__(self, depth: int = 0, size: int = 1) -> None:
        self.depth, self.size, self.keys = depth, size, 0


class _Stack:
    """What a pickle's stack and memo hold, found without making any of it.

    Python hashes nested tuples on the C stack without a limit, so that deep ones as keys would end the process, and
    visits repeated ones as often as they are repeated.
    """

    def __init__(self, left: int, room: int) -> None:
        self.stack: list[_Value | None] = []
        self.memo: dict[object, _Value] = {}
        self.left, self.room = left, room
        self.plain, self.text = _Value(), _Value()

    def step(self, opcode: pickletools.OpcodeInfo, argument: object) -> None:
        """Follow one opcode; refused where it nests too deep, UnpicklingError where the stack cannot be so."""
        name = opcode.name
        if name in _PLAIN:
            self.stack.append(self.text if name in _TEXTS else self.plain)
        elif name == "MARK":
            self.stack.append(None)
        elif name in _MEMO_WRITES:
            self.memo[len(self.memo) if name == "MEMOIZE" else argument] = self._top()
        elif name in _MEMO_READS:
            self._repeat(self.memo.get(argument) or _Value())
        elif name == "POP":
            self.stack.pop() if self.stack else self._top()
        elif name == "DUP":
            self._repeat(self._top())
        else:
            self._make(opcode)

    def _repeat(self, value: _Value) -> None:
        self.left -= value.size
        if self.left < 0:
            raise RefusedPickleError("a pickle that repeats its own parts without end")
        self.stack.append(value)

    def _make(self, opcode: pickletools.OpcodeInfo) -> None:
        name, popped = opcode.name, self._pop(opcode)
        depth = max([value.depth for value in popped]) if popped else 0
        nested = depth + 1 if name in _NESTING else 0
        if nested > _DEEPEST:
            raise RefusedPickleError(f"a pickle with tuples nested deeper than {_DEEPEST}")
        if name in _FILLING and popped:
            made = popped[-1]
            made.depth = nested
            made.size += sum([value.size for value in popped[:-1]])
        else:
            self.room -= 1
            if self.room < 0:
                raise RefusedPickleError("a pickle of containers that hold next to nothing")
            made = _Value(nested, 1 + sum([value.size for value in popped]))
        if name in _KEYED or name in _LISTED:
            filled = popped if name in ("DICT", "FROZENSET") else popped[:-1]
            keys = filled[1::2] if name in _KEYED else filled
            made.keys += sum([key is not self.text for key in keys])
            if made.keys > MOST_KEYS:
                raise RefusedPickleError(f"a pickle of more than {MOST_KEYS} keys that are no texts")
        self.stack += [None if each is pickletools.markobject else made for each in opcode.stack_after]

    def _top(self) -> _Value:
        if not self.stack or self.stack[-1] is None:
            raise pickle.UnpicklingError("an empty stack")
        return self.stack[-1]

    def _pop(self, opcode: pickletools.OpcodeInfo) -> list[_Value]:
        stack, before = self.stack, opcode.stack_before
        popped, more = list[_Value](), len(before)
        value: _Value | None = self.plain
        if pickletools.markobject in before:
            more = before.index(pickletools.markobject)
            while stack and (value := stack.pop()) is not None:
                popped.append(value)
            if value is not None:
                raise pickle.UnpicklingError("no mark on the stack")
        for _ in range(more):
            popped.append(self._top())
            stack.pop()
        return popped


def scan(data: bytes) -> None:
    """Refuse extension codes, and memo numbers, nesting and repetition that would break the process or hold it."""
    stack = _Stack(_REPEATED + _PER_BYTE * len(data), _SMALL + len(data) // _CONTAINER)
    for count, (opcode, argument, _position) in enumerate(pickletools.genops(data)):
        if opcode.name.startswith("EXT"):
            raise RefusedPickleError(f"a pickle that asks for extension {argument}")
        if opcode.name in ("PUT", "BINPUT", "LONG_BINPUT") and not (isinstance(argument, int) and argument <= count):
            raise RefusedPickleError(f"a pickle with memo number {argument}")
        stack.step(opcode, argument)


def check_expanded(value: object, held: int) -> None:
    """Refuse an unpickled value that holds itself, or repeats its parts into more than a file of `held` bytes may."""
    counts, inside, most = dict[int, int](), set[int](), _EXPANDED + _PER_BYTE * held
    todo = [value]
    while todo:
        one = todo[-1]
        if id(one) in counts:
            todo.pop()
            continue
        parts = _parts(one)
        unknown = [part for part in parts if isinstance(part, _CONTAINERS) and id(part) not in counts]
        if unknown:
            inside.add(id(one))
            if any(id(part) in inside for part in unknown):
                raise RefusedPickleError("a pickle of content that holds itself")
            todo.extend(unknown)
            continue
        counts[id(one)] = 1 + sum(counts[id(part)] if isinstance(part, _CONTAINERS) else _size(part) for part in parts)
        if counts[id(one)] > most:
            raise RefusedPickleError("a pickle that repeats its own parts without end")
        inside.discard(id(one))
        todo.pop()


def _parts(value: object) -> Sequence[object]:
    if isinstance(value, dict):
        return (*value.keys(), *value.values())
    return tuple(value) if isinstance(value, list | tuple | set | frozenset) else ()


def _size(value: object) -> int:
    if isinstance(value, np.ndarray):
        return max(1, value.size)
    return max(1, len(value)) if isinstance(value, str | bytes) else 1
