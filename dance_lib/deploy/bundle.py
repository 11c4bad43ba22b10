"""A folder that a device needs and nothing else: networks, sample clips, a runner, a page."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dance_lib.deploy.codebook import Codebook
from dance_lib.deploy.convolution import ExportError
from dance_lib.deploy.export import FORMS, Form, export
from dance_lib.meter.cost import mac_ratios
from dance_lib.network import Dance

KIT = Path(__file__).parent / "kit"
TARGETS = tuple(sorted(page.stem for page in KIT.glob("*.md")))
RUNNERS = ("run.py", "power.py")
MANIFEST, CLIPS = "bundle.json", "clips.npz"
FORMAT = 1
TOLERANCE = 1e-3  # of the largest logit
MARGIN = 1e-3  # of a gate's logit: nearer to its threshold, rounding may decide otherwise


@dataclass(frozen=True, eq=False)
class _Written:
    """One form of the network, and what it gives for the sample clips."""

    form: Form
    files: list[Path]
    logits: Tensor
    ratio: float


def bundle(
    net: Dance,
    folder: str | Path,
    clips: Tensor,
    *,
    target: str,
    name: str,
    codebook: Codebook | None = None,
    classes: Sequence[str] = (),
    planar: bool = False,
) -> Path:
    """Write a bundle; every network in it gives on every sample clip what the library gives.

    Args:
        folder: is made; an earlier bundle in it is replaced once the new one is whole.
        clips: (N, C, T, H, W) float32 in [0, 1]; those whose plan hangs on rounding are left out.
        target: one of TARGETS, which says what page and advice go with it.
        codebook: adds the form `codebook`.
        planar: as for `export`.

    Raises:
        ExportError: an unknown target, a folder that holds something else, no clip that can be
            used, a part that can't be exported, or a network that gives something else.
    """
    folder = Path(folder)
    check_target(target)
    _check_free(folder)
    net = net.eval()
    clips = clips[_steady(net, clips)]
    if not len(clips):
        raise ExportError("no sample clip whose plan is sure: give more clips")
    about = {"format": FORMAT, "name": name, "target": target,
             "clip_shape": list(net.clip_shape), "classes": list(classes)}  # fmt: skip
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as place:
            _fill(Path(place), net, clips, about, codebook, planar)
            _move(Path(place), folder)
    except OSError as error:
        raise ExportError(f"can't write {folder}: {error.strerror or error}") from error
    return folder


def _fill(
    folder: Path,
    net: Dance,
    clips: Tensor,
    about: dict[str, Any],
    codebook: Codebook | None,
    planar: bool,
) -> None:
    """Write a whole bundle into an empty folder, and check it."""
    forms: tuple[Form, ...] = FORMS if codebook is not None else ("dense", "dynamic")
    written = [_write(net, folder / "networks", form, clips, codebook, planar) for form in forms]
    for each in written:
        _check(each, clips)
    arrays = {f"logits_{each.form}": each.logits.numpy() for each in written}
    np.savez_compressed(folder / CLIPS, allow_pickle=False, clips=clips.numpy(), **arrays)
    for runner in RUNNERS:
        shutil.copyfile(KIT / runner, folder / runner)
    shutil.copyfile(KIT / f"{about['target']}.md", folder / "README.md")
    names = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    manifest = about | {
        "forms": {
            each.form: {
                "networks": [f.relative_to(folder).as_posix() for f in each.files],
                "ideal_mac_ratio": round(each.ratio, 5),
            }
            for each in written
        },
        "hashes": {n: hashlib.sha256((folder / n).read_bytes()).hexdigest() for n in names},
    }
    text = json.dumps(manifest, indent=1, ensure_ascii=False)
    (folder / MANIFEST).write_text(text, encoding="utf-8")


def _move(made: Path, folder: Path) -> None:
    """In the place of an earlier bundle; the manifest last, without which it is none."""
    folder.mkdir(exist_ok=True)
    (folder / MANIFEST).unlink(missing_ok=True)
    shutil.rmtree(folder / "networks", ignore_errors=True)
    for part in sorted(made.iterdir(), key=lambda part: part.name == MANIFEST):
        part.replace(folder / part.name)


def check_target(target: str) -> None:
    """Refuse a device that no page is written for.

    Raises:
        ExportError: names those there are.
    """
    if target not in TARGETS:
        raise ExportError(f"unknown target {target!r}; known: {', '.join(TARGETS)}")


def _check_free(folder: Path) -> None:
    """Refuse what is neither absent, empty nor a bundle."""
    if folder.is_dir() and any(folder.iterdir()) and not (folder / MANIFEST).is_file():
        raise ExportError(f"{folder} holds something that is no bundle; name another folder")
    if folder.exists() and not folder.is_dir():
        raise ExportError(f"{folder} is no folder")


@torch.no_grad()
def _steady(net: Dance, clips: Tensor) -> Tensor:
    """Which clips' gates are all far from their threshold, bool (N,)."""
    logits = net.controller(net.statistics(net.stem(clips)))
    each = [*logits.frames.values(), *logits.tiles.values(), *logits.channels.values()]
    return torch.stack([z.abs().flatten(1).amin(1) for z in each]).amin(0) > MARGIN


@torch.no_grad()
def _write(
    net: Dance,
    folder: Path,
    form: Form,
    clips: Tensor,
    codebook: Codebook | None,
    planar: bool,
) -> _Written:
    files = export(net, folder, form, codebook=codebook, planar=planar)
    if form == "dense":
        return _Written(form, files, net.dense(clips), 1.0)
    plan = net.plan(clips)
    if form == "codebook":
        assert codebook is not None
        plan = codebook.plan_for(plan)
    ratio = mac_ratios(net.structure, plan, net.controller.macs).mean().item()
    return _Written(form, files, net(clips, plan=plan), ratio)


def _check(written: _Written, clips: Tensor) -> None:
    from dance_lib.deploy.engines import in_onnx_runtime

    run = in_onnx_runtime(written.files)
    for number, (clip, expected) in enumerate(zip(clips, written.logits, strict=True)):
        logits = run(clip[None].numpy())[0]
        error = np.abs(logits - expected.numpy()).max() / np.abs(expected.numpy()).max()
        if not error <= TOLERANCE:
            raise ExportError(
                f"{written.form}: sample clip {number} gives logits that differ by {error:.2g} of "
                f"the largest from the library's; {TOLERANCE:g} is allowed"
            )
