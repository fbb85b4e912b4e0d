"""Refusing pickles, before and after they are loaded, whose nesting or repetition would block or end the process.

A pickle may name one of its own parts any number of times: a few thousand bytes can stand for more values than any
memory holds. Python expands such parts when it hashes or compares tuples, numpy when it makes arrays of lists.
"""

from __future__ import annotations

import pickle
import pickletools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_MAX_DEPTH = 100
"""How deep tuples may nest: an array's state nests them three deep."""
_PER_BYTE = 16
"""Repeated values, and numbers and letters after repetition, that a pickle may have for each of its bytes."""
MAX_KEYS = 2000
"""Keys of one dictionary or set that are not text: those of one hash are compared each with each."""
_CONTAINERS = (dict, list, tuple, set, frozenset)
_MEMO_WRITES = ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE")
_MEMO_READS = ("GET", "BINGET", "LONG_BINGET")
_NESTING = ("TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "FROZENSET", "REDUCE", "NEWOBJ", "NEWOBJ_EX", "OBJ", "INST", "BUILD")
_FILLING = ("APPEND", "APPENDS", "SETITEM", "SETITEMS", "ADDITEMS", "BUILD")
"""These return the container that they fill, which the memo may hold already."""
_TEXTS = ("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8")
_KEYED = ("SETITEM", "SETITEMS", "DICT")
_LISTED = ("ADDITEMS", "FROZENSET")
_NOT_PLAIN = (*_MEMO_READS, "MARK", "EMPTY_LIST", "EMPTY_DICT", "EMPTY_SET", "EMPTY_TUPLE")
_PLAIN = {
    opcode.name
    for opcode in pickletools.opcodes
    if not opcode.stack_before and len(opcode.stack_after) == 1 and opcode.name not in _NOT_PLAIN
}
"""Operations that put one number, text or other plain value onto the stack, and do nothing else."""


class RefusedPickleError(Exception):
    """What the pickle asks for and must not have."""


@dataclass(slots=True, eq=False)
class _Value:
    """A value on a pickle's stack: how deep it nests tuples, how many values and keys that are not text it has."""

    depth: int = 0
    size: int = 1
    keys: int = 0


class _Stack:
    """What a pickle's stack and memo hold, found without creating any of it.

    Python hashes nested tuples on the C stack without a limit, so that deep ones as keys would end the process, and
    visits repeated ones as often as they are repeated.
    """

    def __init__(self, byte_count: int) -> None:
        self.stack: list[_Value | None] = []
        self.memo: dict[object, _Value] = {}
        self.repeatable = 10**6 + _PER_BYTE * byte_count
        self.creatable = 100_000 + byte_count // 8  # containers hold something, after so many that may be empty
        self.plain, self.text = _Value(), _Value()

    def step(self, opcode: pickletools.OpcodeInfo, argument: object) -> None:
        """Follow one opcode; refused if it nests too deep, UnpicklingError if the stack does not allow it."""
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
            self._create(opcode)

    def _repeat(self, value: _Value) -> None:
        self.repeatable -= value.size
        if self.repeatable < 0:
            raise RefusedPickleError("a pickle that repeats its own parts without end")
        self.stack.append(value)

    def _create(self, opcode: pickletools.OpcodeInfo) -> None:
        name, popped = opcode.name, self._pop(opcode)
        depth = max([item.depth for item in popped], default=0)
        nested = depth + 1 if name in _NESTING else 0
        if nested > _MAX_DEPTH:
            raise RefusedPickleError(f"a pickle with tuples nested deeper than {_MAX_DEPTH}")
        if name in _FILLING and popped:
            value = popped[-1]
            value.depth = nested
            value.size += sum([item.size for item in popped[:-1]])
        else:
            self.creatable -= 1
            if self.creatable < 0:
                raise RefusedPickleError("a pickle of containers that hold next to nothing")
            value = _Value(nested, 1 + sum([item.size for item in popped]))
        if name in _KEYED or name in _LISTED:
            items = popped if name in ("DICT", "FROZENSET") else popped[:-1]
            keys = items[1::2] if name in _KEYED else items
            value.keys += sum([key is not self.text for key in keys])
            if value.keys > MAX_KEYS:
                raise RefusedPickleError(f"a pickle of more than {MAX_KEYS} keys that are not text")
        self.stack += [None if item is pickletools.markobject else value for item in opcode.stack_after]

    def _top(self) -> _Value:
        if not self.stack or self.stack[-1] is None:
            raise pickle.UnpicklingError("an empty stack")
        return self.stack[-1]

    def _pop(self, opcode: pickletools.OpcodeInfo) -> list[_Value]:
        stack, before = self.stack, opcode.stack_before
        popped, below = list[_Value](), len(before)
        value: _Value | None = self.plain
        if pickletools.markobject in before:
            below = before.index(pickletools.markobject)
            while stack and (value := stack.pop()) is not None:
                popped.append(value)
            if value is not None:
                raise pickle.UnpicklingError("no mark on the stack")
        for _ in range(below):
            popped.append(self._top())
            stack.pop()
        return popped


def scan(data: bytes) -> None:
    """Refuse extension codes, and memo numbers, nesting and repetition that would block or end the process."""
    stack = _Stack(len(data))
    for count, (opcode, argument, _position) in enumerate(pickletools.genops(data)):
        if opcode.name.startswith("EXT"):
            raise RefusedPickleError(f"a pickle that asks for extension {argument}")
        if opcode.name in ("PUT", "BINPUT", "LONG_BINPUT") and not (isinstance(argument, int) and argument <= count):
            raise RefusedPickleError(f"a pickle with memo number {argument}")
        stack.step(opcode, argument)


def check_expanded(value: object, byte_count: int) -> None:
    """Refuse an unpickled value that holds itself, or repeats its parts into more than `byte_count` bytes allow."""
    counts, inside, limit = dict[int, int](), set[int](), 10**7 + _PER_BYTE * byte_count
    todo = [value]
    while todo:
        container = todo[-1]
        if id(container) in counts:
            todo.pop()
            continue
        parts: Sequence[object] = ()
        if isinstance(container, dict):
            parts = (*container.keys(), *container.values())
        elif isinstance(container, _CONTAINERS):
            parts = tuple(container)
        uncounted = [part for part in parts if isinstance(part, _CONTAINERS) and id(part) not in counts]
        if uncounted:
            inside.add(id(container))
            if any(id(part) in inside for part in uncounted):
                raise RefusedPickleError("a pickle of content that holds itself")
            todo.extend(uncounted)
            continue
        count = 1 + sum(counts[id(part)] if isinstance(part, _CONTAINERS) else _size(part) for part in parts)
        if count > limit:
            raise RefusedPickleError("a pickle that repeats its own parts without end")
        counts[id(container)] = count
        inside.discard(id(container))
        todo.pop()


def _size(value: object) -> int:
    if isinstance(value, np.ndarray):
        return max(1, value.size)
    return max(1, len(value)) if isinstance(value, str | bytes) else 1
