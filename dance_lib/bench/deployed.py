"""Exported networks beside each other in this machine's engines."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

import dance_lib as dance
from dance_lib.bench.interleave import interleave
from dance_lib.bench.loading import runs_in
from dance_lib.deploy.codebook import Codebook
from dance_lib.deploy.engines import ENGINES, Run
from dance_lib.network import Dance

SPARSE = "sparse executor"


def export_forms(net: Dance, codebook: Codebook, folder: Path) -> dict[str, list[Path]]:
    """Every form as files; `dense, 2-D kernels` and the like are those that `planar` gives.

    A form that can't be written so is left out: 3-D kernels that are not factorised.
    """
    forms = {}
    for planar in (False, True):
        for form in ("dense", "dynamic", "codebook"):
            name = f"{form}, 2-D kernels" if planar else form
            try:
                place = folder / name.replace(", ", "-").replace(" ", "-")
                forms[name] = net.export(place, form, codebook=codebook, planar=planar)
            except dance.DanceError:
                if not planar:
                    raise
    return forms


def time_forms(
    net: Dance, forms: dict[str, list[Path]], clips: Tensor, rounds: int, seed: int = 0
) -> pd.DataFrame:
    """A row a form, engine and timed run of one clip on one thread, all in turns.

    Args:
        forms: of `export_forms`.
        clips: (N, C, T, H, W); round r takes clip r, the same for everyone.

    Returns:
        form, engine, round, ms, kind; for the engines that are installed and take the form.
    """
    arrays = [clip[None].numpy() for clip in clips]
    fast = dance.sparse(net)
    runs: dict[tuple[str, str], Run] = {
        ("free plan", SPARSE): lambda clip: fast(torch.from_numpy(clip)).numpy()
    }
    for form, engine in runs_in(forms):
        runs[form, engine] = ENGINES[engine].load(forms[form])

    def on_each(run: Run, own: Iterator[np.ndarray]) -> Callable[[], object]:
        return lambda: run(next(own))

    names = {"\t".join(key): on_each(run, cycle(arrays)) for key, run in runs.items()}
    with _one_thread():
        table = interleave(names, rounds, seed=seed, title="engines")
    table[["form", "engine"]] = table["name"].str.split("\t", expand=True)
    return table[["form", "engine", "round", "ms"]].assign(kind="measured")


@contextmanager
def _one_thread() -> Iterator[None]:
    """PyTorch on one thread, as the engines are."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
