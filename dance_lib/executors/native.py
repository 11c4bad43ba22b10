"""Compile `conv.cpp` for this processor, once, and call it."""

import ctypes
import hashlib
import logging
import os
import shlex
import shutil
import subprocess
import threading
from functools import cache
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import torch
from platformdirs import user_cache_path
from torch import Tensor

from dance_lib.aap.statistics import Sums
from dance_lib.atomic import UnwritableError, replacing
from dance_lib.errors import DanceError
from dance_lib.executors.kernels import Target, Weights, Window
from dance_lib.executors.rows import Index, Rows, row_of
from dance_lib.executors.workspace import uninitialised

logger = logging.getLogger(__name__)

SOURCE = Path(__file__).with_name("conv.cpp")
FLAGS = ["-O3", "-march=native", "-std=gnu++17", "-shared", "-fPIC"]
NAMES = {torch.float32: "float32", torch.bfloat16: "bfloat16"}


def cache_folder() -> Path:
    """Where what was made or measured for this machine is kept; XDG_CACHE_HOME moves it."""
    return user_cache_path("dance_lib")


class NativeError(DanceError):
    """The kernels can't be compiled or don't serve this number format; the message says why."""


TYPES = {"p": ctypes.c_void_p, "l": ctypes.c_int64, "i": ctypes.c_int32}


def _struct(name: str, **kinds: str) -> type[ctypes.Structure]:
    """A struct of conv.cpp: its fields by type, in order."""
    fields = [(field, TYPES[kind[0]]) for field, kind in kinds.items()]
    return type(name, (ctypes.Structure,), {"_fields_": fields})


_Input = _struct("Input", values="pointer", row_bytes="long", words="long", frame="pointer",
                 place="pointer", block="long", T="int", H="int", W="int")  # fmt: skip
_Window = _struct("Window", **{a + b: "int" for a in "kspd" for b in "thw"})
_Output = _struct("Output", values="pointer", row_bytes="long", width="long", frames="pointer",
                  places="pointer", n_frames="long", n_places="long", block="long", W="int",
                  columns="pointer", add="int", relu_before="int", relu_after="int")  # fmt: skip
_Weights = _struct("Weights", panels="pointer", bias="pointer", keep="pointer", n="long",
                   vectors="int")  # fmt: skip


class Native:
    """The compiled kernels.

    Args:
        dtype: torch.float32 or torch.bfloat16.

    Raises:
        NativeError: no compiler, or a processor without instructions for this format.
    """

    def __init__(self, dtype: torch.dtype) -> None:
        self.dtype = dtype
        library, built = _library()
        if dtype not in NAMES or (dtype == torch.bfloat16 and not library.has_bfloat16()):
            raise NativeError(f"this processor has no instructions for {dtype} products")
        self.key = f"{built}-{NAMES[dtype]}"
        self.lanes: int = library.lanes()
        self.per_word = 2 if dtype == torch.bfloat16 else 1
        self._convolve = _function(library, f"convolve_{NAMES[dtype]}", "ppppp i", "long")
        self._depthwise = _function(
            library, f"convolve_depthwise_{NAMES[dtype]}", "ppppp i", "long"
        )
        self._pack = _function(library, f"pack_{NAMES[dtype]}", "p i l p l pppp i")
        self._summarise = _function(library, f"summarise_{NAMES[dtype]}", "p l pppppp i")
        self._zeros = torch.zeros(1)
        self._local = threading.local()

    def lay_out(self, weight: Tensor, bias: Tensor, depthwise: bool) -> Weights:
        """See `Kernels`: panels (O / tile, taps, words, tile), depthwise (taps, O) in float32."""
        outputs, inputs = weight.shape[:2]
        taps = prod(weight.shape[2:])
        self._need_zeros(inputs)
        if depthwise:
            panels = weight.reshape(outputs, taps).T.contiguous()
            return Weights(panels, bias, outputs, outputs, taps, 0, True)
        vectors = best_tile(outputs, self.lanes)
        wide = self._whole(outputs)
        padded = weight.new_zeros(wide, -(-inputs // self.per_word) * self.per_word, taps)
        padded[:outputs, :inputs] = weight.reshape(outputs, inputs, taps)
        # Each (tile, words, per word, taps) -> (taps, words, tile, per word)
        parts = [
            part.unflatten(1, (-1, self.per_word)).permute(3, 1, 0, 2).flatten()
            for part in padded.split(vectors * self.lanes)
        ]
        whole = torch.cat(parts).to(self.dtype).view(torch.float32)
        words = uninitialised(len(whole), torch.float32).copy_(whole)
        return Weights(words, _padded(bias, wide), inputs, outputs, taps, vectors, False)

    def pick(self, weights: Weights, inputs: Index | None, outputs: Index | None) -> Weights:
        """See `Kernels`."""
        if inputs is None and outputs is None:
            return weights
        if weights.depthwise:
            assert outputs is not None
            index = torch.from_numpy(outputs).long()
            panels, bias = weights.panels[:, index], weights.bias[index]
            return Weights(panels, bias, len(index), len(index), weights.taps, 0, True)
        n_in = weights.inputs if inputs is None else len(inputs)
        out = np.arange(weights.outputs, dtype=np.int32) if outputs is None else outputs
        wide = self._whole(len(out))
        panels = self._scratch(wide * weights.taps * -(-n_in // self.per_word))
        bias = torch.zeros(wide)
        vectors = best_tile(len(out), self.lanes)
        some = Weights(panels, bias, n_in, len(out), weights.taps, vectors, False)
        self._pack(
            ctypes.byref(_laid(weights)), weights.taps,
            -(-weights.inputs // self.per_word), _at(inputs), n_in,
            _at(out), ctypes.byref(_laid(some)), _at(panels), _at(bias), torch.get_num_threads(),
        )  # fmt: skip
        return some

    def convolve(self, x: Rows, window: Window, weights: Weights, target: Target) -> int:
        """See `Kernels`."""
        y, itemsize = target.rows, self.dtype.itemsize
        frame, place = row_of(x.frames, x.size[0]), row_of(x.places, prod(x.size[1:]))
        words = -(-weights.inputs // self.per_word)
        source = _input(x, words, frame, place)
        output = _Output(
            _at(y.buffer), y.buffer.stride(0) * itemsize, y.buffer.shape[1], _at(target.frames),
            _at(target.places), target.n_frames, target.n_places, y.block, y.size[2],
            _at(target.columns), target.add, target.relu_before, target.relu_after,
        )  # fmt: skip
        laid = _laid(weights, target.keep)
        if not target.add:  # registers narrower than a row's padding do not reach its end
            done = weights.outputs if weights.depthwise else self._whole(weights.outputs)
            y.buffer[:, done:] = 0
        run = self._depthwise if weights.depthwise else self._convolve
        triples = (window.kernel, window.stride, window.padding, window.dilation)
        return run(
            ctypes.byref(source), ctypes.byref(_Window(*(n for triple in triples for n in triple))),
            ctypes.byref(output), ctypes.byref(laid), _at(self._zeros), torch.get_num_threads(),
        )  # fmt: skip

    def sums(self, x: Rows) -> Sums:
        """See `Kernels`."""
        C, (T, H, W) = x.columns, x.size
        sums = torch.empty(3, T, C)
        moved, place_moved = torch.empty(T - 1, C), torch.empty(T - 1, H, W)
        place_sum = torch.empty(T, H, W)
        self._summarise(
            ctypes.byref(_input(x)), C, *(_at(part) for part in sums), _at(moved),
            _at(place_moved), _at(place_sum), torch.get_num_threads(),
        )  # fmt: skip
        each, steps = H * W, max(1, T - 1)
        return Sums(
            mean=sums[0].T[None] / each,
            square=sums[1].T[None] / each,
            zeros=sums[2].sum(0)[None] / (T * each),
            motion=moved.sum(0)[None] / (steps * each),
            moved=place_moved[None] / C if T > 1 else torch.zeros(1, 1, H, W),
            places=place_sum.sum(0)[None] / (T * C),
        )

    def _whole(self, channels: int) -> int:
        """Channels rounded up to whole registers."""
        return -(-channels // self.lanes) * self.lanes

    def _need_zeros(self, channels: int) -> None:
        """What a position that is not stored reads as, as wide as the widest input."""
        if len(self._zeros) <= channels:
            self._zeros = torch.zeros(channels + 2)

    def _scratch(self, count: int) -> Tensor:
        """Memory for weights that are used once; fresh pages would cost more than the copy."""
        if not hasattr(self._local, "scratch") or self._local.scratch.numel() < count:
            self._local.scratch = uninitialised(count, torch.float32)
        return self._local.scratch[:count]


# Of a register tile by its vectors; measured. A last half vector shares registers between rows.
QUICKNESS = {
    0.5: 0.38, 1.0: 0.75, 1.5: 0.88, 2.0: 0.97, 2.5: 0.95, 3.0: 1.0, 3.5: 0.97, 4.0: 0.98,
    4.5: 0.97, 5.0: 0.97,
}  # fmt: skip


def best_tile(outputs: int, lanes: int) -> int:
    """Vectors in a register tile; the last tile is as narrow as it can be."""

    def cost(tile: int) -> float:
        whole, rest = divmod(outputs, tile * lanes)
        last = -(-rest // (lanes // 2)) / 2
        return whole * tile / QUICKNESS[tile] + (last / QUICKNESS[last] if rest else 0.0)

    return min((3, 4, 5, 2, 1), key=cost)


def _laid(weights: Weights, keep: Tensor | None = None) -> ctypes.Structure:
    return _Weights(
        _at(weights.panels), _at(weights.bias), _at(keep), weights.outputs, weights.vectors
    )


def _input(x: Rows, words: int = 0, frame: Index | None = None, place: Index | None = None) -> Any:
    return _Input(
        _at(x.buffer), x.buffer.stride(0) * x.buffer.dtype.itemsize, words, _at(frame), _at(place),
        x.block, *x.size,
    )  # fmt: skip


def _padded(bias: Tensor, width: int) -> Tensor:
    return torch.nn.functional.pad(bias, (0, width - len(bias)))


def _at(array: Tensor | Index | None) -> int | None:
    """Address of what is passed to C; the caller keeps it alive."""
    if array is None:
        return None
    return array.data_ptr() if isinstance(array, Tensor) else array.ctypes.data


def _function(
    library: ctypes.CDLL, name: str, takes: str, gives: str | None = None
) -> "ctypes._NamedFuncPointer":
    """A function of the library; `takes` has a letter an argument, spaces aside."""
    function = getattr(library, name)
    function.argtypes = [TYPES[letter] for letter in takes.replace(" ", "")]
    function.restype = TYPES[gives[0]] if gives else None
    return function


_compiling = threading.Lock()


def _library() -> tuple[ctypes.CDLL, str]:
    """The library and its name; compiled once for a source, a compiler and a processor."""
    with _compiling:
        return _compiled()


@cache
def _compiled() -> tuple[ctypes.CDLL, str]:
    compiler = (
        shlex.split(os.environ.get("CXX", ""))
        or [found for name in ("c++", "g++", "clang++") if (found := shutil.which(name))][:1]
    )
    if not compiler:
        raise NativeError("no C++ compiler found; install g++ or clang, or set CXX")
    # What the compiler predefines for this processor names its instruction sets and its version.
    processor = _run([*compiler, *FLAGS[:3], "-dM", "-E", "-x", "c++", os.devnull])
    key = hashlib.sha256(SOURCE.read_bytes() + processor + repr(FLAGS).encode()).hexdigest()[:16]
    built = cache_folder() / f"conv-{key}.so"
    try:
        if not built.exists():
            logger.info("compiling the kernels for this processor with %s", compiler[0])
            with replacing(built) as partial:
                _compile(compiler, partial)
        return ctypes.CDLL(str(built)), built.stem
    except (OSError, UnwritableError) as error:
        raise NativeError(
            f"can't keep or load compiled kernels: {error}; XDG_CACHE_HOME chooses another folder"
        ) from error


def _compile(compiler: list[str], to: Path) -> None:
    try:
        _run([*compiler, *FLAGS, "-fopenmp", str(SOURCE), "-o", str(to)])
    except NativeError:  # Apple's clang has no OpenMP: one thread then
        _run([*compiler, *FLAGS, "-Wno-unknown-pragmas", str(SOURCE), "-o", str(to)])


def _run(command: list[str]) -> bytes:
    try:
        return subprocess.run(command, check=True, capture_output=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        lines = getattr(error, "stderr", b"").decode(errors="replace").strip().splitlines()
        said = next((line for line in lines if "error" in line), lines[0] if lines else str(error))
        raise NativeError(f"{Path(command[0]).name} can't compile the kernels: {said}") from error
