"""Compiling the kernels: what is missing or broken is said, and work goes on where it can."""

import ctypes
import errno
import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

import dance_lib as dance
from dance_lib import PruningPlan
from dance_lib.executors import cost_model, native
from dance_lib.executors.native import Native, NativeError
from dance_lib.executors.portable import Portable
from dance_lib.executors.sparse import Sparse
from tests.executors.agreement import assert_agree, clips, expected, family, fast
from tests.networks import FAMILIES
from tests.plans import by_unit

SLOW_COMPILER = """#!/bin/sh
# Says what it is asked to, then gives out kernels that were compiled before, slowly.
case " $* " in *" -dM "*) echo "processor"; exit 0;; esac
echo run >> {count}
while [ "$1" != -o ]; do shift; done
head -c 1000 {built} > "$2"
sleep 0.5
cp {built} "$2"
"""


def has_float32(path):
    return ctypes.CDLL(str(path)).lanes() > 0


def script(path, text):
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.fixture(scope="module")
def built():
    """The library as it was compiled for this machine."""
    library, name = native._library()
    assert library.lanes() > 0
    return native.cache_folder() / f"{name}.so"


@pytest.fixture
def fresh(monkeypatch, tmp_path):
    """A process that has compiled nothing yet, and an empty cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("CXX", raising=False)
    native._compiled.cache_clear()
    yield tmp_path
    native._compiled.cache_clear()


@pytest.fixture
def compiler(monkeypatch, built, fresh):
    """A slow compiler of its own; counts its runs in a file."""
    count = fresh / "runs"
    count.touch()
    text = SLOW_COMPILER.format(built=built, count=count)
    monkeypatch.setenv("CXX", str(script(fresh / "compiler", text)))
    return lambda: len(count.read_text().splitlines())


def assert_portable(message):
    """`dance.sparse` warns once, in words, and its result is right."""
    net = family("narrow")
    with pytest.warns(UserWarning, match=message) as warned:
        executor = dance.sparse(net)
    assert len(warned) == 1
    assert warned[0].filename == __file__  # it points at who asked
    clip, plan = clips(net, 1), by_unit(net, 1, 0)
    assert_agree(executor, expected(net, clip, plan), clip, plan)


def test_no_compiler(monkeypatch, fresh):
    monkeypatch.setenv("PATH", str(fresh))
    with pytest.raises(NativeError, match="install g\\+\\+ or clang, or set CXX"):
        Native(torch.float32)
    assert_portable(r"slow kernels are used: no C\+\+ compiler found")


def test_a_compiler_that_is_not_there(monkeypatch, fresh):
    monkeypatch.setenv("CXX", str(fresh / "nothing"))
    assert_portable("nothing can't compile the kernels: .*No such file")


def test_a_broken_compiler_is_quoted(monkeypatch, fresh):
    """By the first line with an error: what stands before says where, not what."""
    said = "conv.cpp: In function x:\nconv.cpp:1: error: no luck\n1 error"
    text = f"#!/bin/sh\necho '{said}' >&2\nexit 1\n"
    monkeypatch.setenv("CXX", str(script(fresh / "broken", text)))
    assert_portable("broken can't compile the kernels: .*no luck")


def test_a_compiler_with_options(monkeypatch, compiler):
    """As build tools read CXX: `ccache g++`."""
    monkeypatch.setenv("CXX", f"env LANG=C {os.environ['CXX']}")
    assert Native(torch.float32).lanes > 0
    assert compiler() == 1


def test_what_was_compiled_is_found_again(compiler, fresh):
    assert not (fresh / "cache").exists()  # and is made
    Native(torch.float32)
    native._compiled.cache_clear()
    Native(torch.float32)
    assert compiler() == 1
    assert [p.suffix for p in (fresh / "cache" / "dance_lib").iterdir()] == [".so"]


def test_a_cache_that_can_not_be_written(monkeypatch, compiler, fresh):
    """A file stands where the folder should be: works all the same, or says so."""
    (fresh / "occupied").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(fresh / "occupied"))
    assert_portable("slow kernels are used: .*occupied")


@pytest.mark.parametrize("reason", [errno.EACCES, errno.EROFS, errno.ENOSPC])
def test_a_cache_that_the_system_refuses(monkeypatch, fresh, reason):
    """Another user's home, a read-only or a full disk: kernels and rates are kept nowhere."""
    make = Path.mkdir

    def refuse(folder, *args, **kwargs):
        if folder.is_relative_to(fresh / "cache"):
            raise OSError(reason, os.strerror(reason), str(folder))
        make(folder, *args, **kwargs)

    monkeypatch.setattr(Path, "mkdir", refuse)
    assert_portable(f"slow kernels are used: can't keep .*{os.strerror(reason)}")
    assert cost_model.measured(Portable(torch.float32)).per_mac_s > 0


def test_a_library_that_does_not_load(monkeypatch, fresh):
    """Cut short by a full disk, made for another processor, or in a folder that runs nothing."""
    text = '#!/bin/sh\nwhile [ $# -gt 0 ]; do [ "$1" = -o ] && echo cut > "$2"; shift; done\n'
    monkeypatch.setenv("CXX", str(script(fresh / "odd", text)))
    assert_portable("slow kernels are used: .*conv-.*so")


def test_two_threads_that_compile_at_once(compiler):
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda _: Native(torch.float32).lanes, range(2)))
    assert both[0] == both[1] > 0


@pytest.mark.slow
def test_two_processes_that_compile_at_once(compiler, fresh):
    code = "import torch; from dance_lib.executors.native import Native; Native(torch.float32)"
    running = [subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE)
               for _ in range(2)]  # fmt: skip
    for process in running:
        _, said = process.communicate(timeout=120)
        assert process.returncode == 0, said.decode()
    assert compiler() in (1, 2)
    (library,) = (fresh / "cache" / "dance_lib").iterdir()
    assert has_float32(library)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "lanes"), [(["-mavx2", "-mfma"], 8), (["-msse4.2", "-Wno-psabi"], 4)], ids=str
)
def test_narrower_vectors_compute_the_same(monkeypatch, fresh, options, lanes):
    """What a machine without AVX-512 runs; only where this one has those instructions."""
    if torch.backends.cpu.get_cpu_capability() == "DEFAULT":  # not even AVX2
        return
    monkeypatch.setattr(native, "FLAGS", ["-O3", *options, "-std=gnu++17", "-shared", "-fPIC"])
    kernels = Native(torch.float32)
    assert kernels.lanes == lanes
    for name in FAMILIES:
        net = family(name)
        plan = PruningPlan.cat([by_unit(net, 2, 1), PruningPlan.full(net)])
        clip = clips(net, 3)
        assert_agree(Sparse(net, kernels), expected(net, clip, plan), clip, plan)
        torch.testing.assert_close(
            Sparse(net, kernels)(clip, plan), fast(name, "native float32")(clip, plan),
            rtol=1e-4, atol=1e-5,
        )  # fmt: skip
    with pytest.raises(NativeError, match=r"no instructions for torch\.bfloat16"):
        Native(torch.bfloat16)
