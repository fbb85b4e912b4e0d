from __future__ import annotations

import builtins
import copyreg
import io
import os
import pickle
import re
import struct
import time
import tracemalloc
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinsign.errors import InputError
from twinsign.pose.clip_file import ClipFile
from twinsign.pose.pickles import unpickle

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


def loads(folder: Path, data: bytes) -> Any:
    path = folder / "clip.pkl"
    path.write_bytes(data)
    return unpickle.load(ClipFile(path))


def refused(folder: Path, data: bytes) -> InputError:
    with pytest.raises(InputError) as caught:
        loads(folder, data)
    assert "clip.pkl" in str(caught.value)
    return caught.value


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["<f4", ">f8", "f2", "i8", "u1", "?", "U5", "S3", "c16"])
def test_arrays_of_every_protocol(tmp_path: Path, protocol: int, order: Any, dtype: str) -> None:
    array = np.arange(24).reshape(2, 3, 4).astype(dtype, order=order)
    loaded = loads(tmp_path, pickle.dumps(array, protocol))
    assert loaded.dtype.newbyteorder("=") == array.dtype.newbyteorder("=")
    np.testing.assert_array_equal(loaded, array)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_plain_containers_and_scalars(tmp_path: Path, protocol: int) -> None:
    value = {
        "keypoints": np.zeros((0, 133, 3)),
        "img_list": ["a/1.jpg", b"2", b"", "ü"],
        "nested": [(1, 2.5, None, True), {3, 4}, frozenset({5}), 1j, 2**70],
        "scalars": [np.float32(1.5), np.int64(-3), np.bool_(True), np.str_("é")],
        "ordered": OrderedDict(b=1, a=2),
    }
    loaded = loads(tmp_path, pickle.dumps(value, protocol))
    assert loaded["keypoints"].shape == (0, 133, 3)
    assert {key: item for key, item in loaded.items() if key != "keypoints"} == {
        key: item for key, item in value.items() if key != "keypoints"
    }
    assert list(loaded["ordered"]) == ["b", "a"]
    assert [type(item) for item in loaded["scalars"]] == [type(item) for item in value["scalars"]]


@pytest.mark.parametrize(("old", "new"), [("core", "_core"), ("_core", "core")])
def test_both_names_of_numpy_core(tmp_path: Path, old: str, new: str) -> None:
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    data = pickle.dumps([array, array.sum()], 2)
    for module in ("multiarray _reconstruct", "multiarray scalar"):
        function = module.replace(" ", "\n")
        for name in ("core", "_core"):
            data = data.replace(f"cnumpy.{name}.{function}\n".encode(), f"cnumpy.{new}.{function}\n".encode())
    assert f"numpy.{new}.".encode() in data
    assert f"numpy.{old}.".encode() not in data
    loaded, total = loads(tmp_path, data)
    np.testing.assert_array_equal(loaded, array)
    assert total == 15


def test_both_names_of_numpy_frombuffer(tmp_path: Path) -> None:
    array = np.arange(6, dtype=np.float32)
    data = pickle.dumps(array, 5)
    for name in (b"numpy.core.numeric", b"numpy._core.numeric"):
        data = data.replace(b"\x8c" + bytes([len(name)]) + name, b"NAME")
    for name in (b"numpy.core.numeric", b"numpy._core.numeric"):
        frames_dropped = data[:2] + data[11:]
        named = frames_dropped.replace(b"NAME", b"\x8c" + bytes([len(name)]) + name)
        np.testing.assert_array_equal(loads(tmp_path, named), array)


def test_pickles_of_python_2(tmp_path: Path) -> None:
    data = (
        b"\x80\x02}U\tkeypointscnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        b"(K\x01K\x01\x85cnumpy\ndtype\nU\x02f4K\x00K\x01\x87R(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        b"\x89U\x04\x00\x00\x80?tbs."
    )
    np.testing.assert_array_equal(loads(tmp_path, data)["keypoints"], np.ones(1, np.float32))


class Calls:
    """Pickles as the call of any function."""

    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("nest", [lambda x: x, lambda x: {"keypoints": [np.zeros(2), (1, {"a": x})]}, lambda x: {x: 1}])
def test_a_command_is_named_and_not_run(tmp_path: Path, protocol: int, nest: Callable[[object], object]) -> None:
    witness = tmp_path / "ran"
    error = refused(tmp_path, pickle.dumps(nest(Calls(os.system, f"touch {witness}")), protocol))
    assert f"{os.system.__module__}.system" in error.found
    assert not witness.exists()


@pytest.mark.parametrize(
    ("function", "arguments", "name"),
    [
        (eval, ("open('WITNESS', 'w')",), "eval"),
        (exec, ("open('WITNESS', 'w')",), "exec"),
        (getattr, (os, "system"), "getattr"),
        (__import__, ("os",), "__import__"),
        (open, ("WITNESS", "w"), "open"),
        (np.load, ("WITNESS",), "load"),
        (np.fromfile, ("WITNESS",), "fromfile"),
        (np.memmap, ("WITNESS",), "memmap"),
        (bytearray, (10**12,), "bytearray"),
        (pickle.loads, (b"N.",), "loads"),
    ],
)
def test_other_functions_are_named_and_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: Any, arguments: Any, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    if function is getattr:  # a module does not pickle; the name alone is what find_class sees
        data = b"cbuiltins\ngetattr\n(cos\nsystem\nS'__call__'\ntR."
    else:
        data = pickle.dumps(Calls(function, *arguments))
    error = refused(tmp_path, data)
    assert name in error.found
    assert not (tmp_path / "WITNESS").exists()


HANDWRITTEN = {
    "runstring": b'cnumpy.testing._private.utils\nrunstring\n(S\'open("WITNESS", "w")\'\n}tR.',
    "exec_command": b"cnumpy.distutils.exec_command\nexec_command\n(S'touch WITNESS'\ntR.",
    "fromfile": b"cnumpy.core.multiarray\nfromfile\n(S'WITNESS'\ntR.",
    "dotted": b"cnumpy\ncore.multiarray.scalar\n.",
    "dotted in protocol 4": b"\x80\x04\x8c\x05numpy\x8c\x19_core.multiarray._os.syst\x93.",
    "instance": b"(ios\nsystem\n.",
    "instance with argument": b"(S'touch WITNESS'\nios\nsystem\n.",
    "new object": b"\x80\x02cos\nsystem\nU\rtouch WITNESS\x85\x81.",
    "object": b"(cos\nsystem\nS'touch WITNESS'\no.",
    "persistent id": b"Pos.system\n.",
    "binary persistent id": b"\x80\x02NQ.",
    "extension": b"\x80\x02\x82\x01.",
    "out of band": b"\x80\x05\x97.",
}


@pytest.mark.parametrize("name", HANDWRITTEN)
def test_handwritten_pickles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    refused(tmp_path, HANDWRITTEN[name])
    assert not (tmp_path / "WITNESS").exists()


def test_extension_codes_in_the_cache_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(copyreg._extension_cache, 1, builtins.print)  # type: ignore[attr-defined]
    assert pickle.loads(b"\x80\x02\x82\x01.") is print
    assert "extension 1" in refused(tmp_path, b"\x80\x02\x82\x01.").found


_DTYPE = b"cnumpy\ndtype\n(S'%b'\nI00\nI00\ntR"
_STATE = b"(I3\nS'>'\nNNNI-1\nI-1\nI%d\ntb"


def test_numpys_own_types_are_not_altered(tmp_path: Path) -> None:
    loads(tmp_path, _DTYPE % b"f8" + _STATE % 63 + b".")
    assert np.dtype("f8").byteorder == "="
    assert np.dtype("f8").isnative


def test_functions_admitted_are_not_altered(tmp_path: Path) -> None:
    data = b"cnumpy.core.multiarray\nscalar\n(N(S'__defaults__'\n(I1\ntdtb."
    refused(tmp_path, data)
    assert loads(tmp_path, pickle.dumps(np.float32(2), 2)) == 2


@pytest.mark.parametrize("code", [b"O8", b"V8", b"M8", b"f8,O", b"(1000000000000,)f8", b"U0", b"S999999999", b"f99"])
def test_types_of_objects_and_giants_are_refused(tmp_path: Path, code: bytes) -> None:
    refused(tmp_path, _DTYPE % code + b".")


def test_arrays_of_objects_are_refused(tmp_path: Path) -> None:
    assert "O8" in refused(tmp_path, pickle.dumps(np.array([{}, None], dtype=object))).found


def test_a_lying_shape_allocates_nothing(tmp_path: Path) -> None:
    head = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I1000000000000\ntS'b'\ntR"
    assert loads(tmp_path, head + b".").size == 0
    for shape in (b"I1000000000000\n", b"I-1\n", b"I4611686018427387904\nI4\n", b"I01\n", b"N"):
        state = b"(I1\n(" + shape + b"t" + _DTYPE % b"u1" + b"I00\nS'abcd'\ntb"
        refused(tmp_path, head + state + b".")


@pytest.mark.parametrize(
    "data",
    [
        b"\x80\x02Nr\xff\xff\xff\xff.",
        b"Np4000000000\n.",
        b"\x80\x05\x96" + struct.pack("<Q", 2**40) + b"ab.",
        b"\x80\x04\x8e" + struct.pack("<Q", 2**40) + b"ab.",
        b"\x80\x04\x95" + struct.pack("<Q", 2**40) + b"N.",
        b"\x80\x02\x8b" + struct.pack("<i", 2**31 - 1) + b"1.",
        b"\x80\x02\x8b" + struct.pack("<i", -5) + b"1.",
    ],
    ids=["memo", "memo text", "bytearray", "bytes", "frame", "long", "negative"],
)
def test_lying_lengths_allocate_nothing(tmp_path: Path, data: bytes) -> None:
    tracemalloc.start()
    try:
        refused(tmp_path, data)
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


def test_nesting_that_would_overflow_the_stack_is_refused(tmp_path: Path) -> None:
    deep = b"\x80\x02}N" + b"\x85" * 1_000_000 + b"Ns."
    assert "tuples" in refused(tmp_path, deep).found
    lists = b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b"."
    assert len(loads(tmp_path, lists)) == 1


@pytest.mark.parametrize(
    "data",
    [
        b"\x80\x02}(" + b"N" + b"N\x86" * 5000 + b"Nu.",
        b"\x80\x04}(N" + b"\x94h\x00\x85" + b"".join(b"\x94h" + bytes([n]) + b"\x85" for n in range(1, 250)) + b"Nu.",
        b"\x80\x02}(N" + b"2\x86" * 300 + b"Nu.",
        b"\x80\x02}(" + b"(" * 5000 + b"t" * 5000 + b"Nu.",
        b"\x80\x02}(N" + b"\x85" * 500 + b"Nu.",
    ],
    ids=["pairs", "memo", "twice", "marks", "singles"],
)
def test_deep_tuples_by_any_way_are_refused(tmp_path: Path, data: bytes) -> None:
    assert re.search("nested deeper|repeats its own parts", refused(tmp_path, data).found)


def test_many_shallow_tuples_are_read(tmp_path: Path) -> None:
    value = {(number, (number, "a")): [(1, 2), ((3,), 4)] for number in range(2000)}
    assert loads(tmp_path, pickle.dumps(value, 2)) == value


@pytest.mark.parametrize(
    ("head", "repeated"),
    [
        (b"c_codecs\nencode\nq\x00X\xa0\x86\x01\x00%bX\x06\x00\x00\x00latin1\x86q\x010", b"h\x00h\x01R"),
        (b"c__builtin__\nfrozenset\nq\x00X\xa0\x86\x01\x00%b\x85q\x010", b"h\x00h\x01R"),
    ],
    ids=["text", "set"],
)
def test_repeated_content_does_not_fill_the_memory(tmp_path: Path, head: bytes, repeated: bytes) -> None:
    data = b"\x80\x02(" + head % (b"a" * 100_000) + repeated * 1000 + b"l."
    assert "repeated content" in refused(tmp_path, data).found


def test_repeated_arrays_do_not_fill_the_memory(tmp_path: Path) -> None:
    head = b"\x80\x04C\x00\x940" + b"B\xa0\x86\x01\x00" + b"a" * 100_000 + b"\x940("
    one = (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tC\x01btR"
        b"(K\x01(J\x50\xc3\x00\x00t" + _DTYPE % b"u2" + _STATE % 0 + b"I00\nh\x01tb"
    )
    assert len(loads(tmp_path, head + one * 3 + b"l.")) == 3
    assert "repeated content" in refused(tmp_path, head + one * 300 + b"l.").found


def test_truncated_and_empty(tmp_path: Path) -> None:
    whole = pickle.dumps({"keypoints": np.zeros((2, 133, 3), np.float32)})
    assert refused(tmp_path, b"").found == "an empty file"
    for length in (1, 10, len(whole) // 2, len(whole) - 1):
        refused(tmp_path, whole[:length])
    with pytest.raises(InputError, match="no such file"):
        unpickle.load(ClipFile(tmp_path / "absent.pkl"))


@given(st.binary(max_size=60) | st.lists(st.sampled_from(b".()0NKbcRtsu]}q\x81\x85\x93ish\n1")).map(bytes))
def test_random_bytes_raise_only_input_errors(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    try:
        loads(tmp_path_factory.getbasetemp(), data)
    except InputError:
        return
    pickle.Unpickler(io.BytesIO(data)).load()


@given(st.data())
def test_damaged_pickles_raise_only_input_errors(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    value = {"keypoints": np.zeros((1, 3), np.float32), "img_list": ["a", b"b"], "n": np.float64(2)}
    whole = bytearray(pickle.dumps(value, data.draw(st.sampled_from(PROTOCOLS))))
    for _ in range(data.draw(st.integers(1, 3))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        loads(tmp_path_factory.getbasetemp(), bytes(whole))
    except InputError:
        return


def _pairs(leaf: bytes, levels: int, make: bytes) -> bytes:
    """Opcodes of a value that holds itself's half twice, so many levels deep."""
    code = leaf + b"\x94"
    for number in range(levels):
        code += b"(h" + bytes([number]) + b"h" + bytes([number]) + make + b"\x94"
    return code


@pytest.mark.parametrize(
    "data",
    [
        b"\x80\x04" + _pairs(b"K\x01", 90, b"l") + b".",
        b"\x80\x04" + _pairs(b"K\x01", 90, b"t") + b".",
        b"\x80\x04}" + _pairs(b"K\x01", 90, b"t") + b"K\x01s.",
        b"\x80\x04\x8f(" + _pairs(b"K\x01", 90, b"t") + b"\x90.",
        b"\x80\x04(" + _pairs(b"K\x01", 90, b"t") + b"\x91.",
        b"\x80\x04}" + _pairs(b"K\x01", 90, b"t") + _pairs(b"K\x01", 90, b"t") + b"\x86K\x01s.",
    ],
    ids=["lists", "tuples", "key", "set", "frozenset", "two"],
)
def test_a_graph_that_repeats_itself_is_refused_at_once(tmp_path: Path, data: bytes) -> None:
    assert len(data) < 5000
    begun = time.monotonic()
    assert "repeats its own parts" in refused(tmp_path, data).found
    assert time.monotonic() - begun < 1


def test_lists_that_are_filled_after_they_were_repeated(tmp_path: Path) -> None:
    code = b"".join(b"]\x94" for _ in range(60))
    for number in range(59):
        code += b"h" + bytes([number]) + b"(h" + bytes([number + 1]) + b"h" + bytes([number + 1]) + b"e0"
    assert "repeats its own parts" in refused(tmp_path, b"\x80\x04(" + code + b"h;(" + b"K\x01" * 9 + b"e0l.").found


def test_what_holds_itself_is_refused(tmp_path: Path) -> None:
    inner: dict[str, object] = {"a": 1}
    inner["self"] = [inner]
    assert "holds itself" in refused(tmp_path, pickle.dumps(inner)).found


def test_large_arrays_named_many_times_are_refused(tmp_path: Path) -> None:
    array = np.zeros(1_000_000, np.float32)
    assert "repeats its own parts" in refused(tmp_path, pickle.dumps({"keypoints": [array] * 200})).found


def test_honest_repetition_is_read(tmp_path: Path) -> None:
    empty, label = np.zeros((133, 3), np.float32), "hello"
    content = {"keypoints": [empty] * 300, "labels": [label] * 10_000, "pair": [(1, 2)] * 1000}
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(content))
    found = unpickle.load(ClipFile(tmp_path / "a.pkl"))
    assert isinstance(found, dict)
    assert len(found["keypoints"]) == 300
    assert found["pair"] == content["pair"]
