"""What the study's recipe would cost on Kinetics-400, and on how many GPUs it stops scaling.

A model, and no run: no number here was measured on several GPUs. Each figure it starts from says
its kind and its source; what comes of them is modelled.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path

import pandas as pd
from torch.nn.modules.batchnorm import _BatchNorm

import dance_lib as dance
from dance_lib.bench.gpu import GPUS
from dance_lib.bench.training import CLASSES, MODEL, SHAPE
from dance_lib.devices.published import Device
from dance_lib.devices.roofline import Precision, clip_times
from dance_lib.network import Dance

GPU = GPUS["NVIDIA H100 80GB HBM3"]
NODE = 8  # GPUs that share the fast links
STAGES = {"dense": "dense", "ava cv": "ava", "controller": "controller", "joint": "joint"}
PRECISIONS: tuple[Precision, ...] = ("float32", "float16")
ALIKE = {"float32": ["float32"], "float16": ["float16", "bfloat16"]}  # in bytes and in peak

MMACTION = "open-mmlab/mmaction2, tools/data/kinetics/README.md: its copy of the set"
PADDLE = "PaddlePaddle/PaddleVideo, docs/en/dataset/k400.md: 135 GB for 254,380 videos"
MLPERF = "mlcommons/inference_results_v4.1, NVIDIA, system H200-SXM-141GBx8"


@dataclass(frozen=True)
class Figure:
    """A number that the model starts from.

    Attributes:
        kind: measured, counted, modelled or estimated; a published or assumed one is estimated.
    """

    value: float
    unit: str
    kind: str
    source: str


Figures = Mapping[str, Figure]


def figures(reference: str | Path) -> dict[str, Figure]:
    """All that the model starts from, by name.

    Args:
        reference: folder of the reference tables: `full` and `bench` are read.
    """
    folder = Path(reference)
    latency = pd.read_csv(folder / "bench" / "latency.csv")
    net = Dance(dance.create_model(MODEL, CLASSES, SHAPE), SHAPE)
    return {
        **_of_the_set(),
        **_of_the_recipe(folder / "full"),
        **_of_the_network(net),
        **_of_the_parts(folder / "bench" / "training.csv"),
        **_of_the_gpu(net, latency),
        **_of_the_cluster(),
    }


def _of_the_set() -> dict[str, Figure]:
    clip = f"T × H × W × 3 bytes of {' × '.join(map(str, SHAPE[1:]))}"
    return {
        "training clips": Figure(240_436, "clips", "estimated", MMACTION),
        "validation clips": Figure(19_796, "clips", "estimated", MMACTION),
        "a video": Figure(135e9 / 254_380 / 1e6, "MB", "estimated", PADDLE),
        "a decoded clip": Figure(prod(SHAPE) / 1e6, "MB", "counted", clip),
    }


def _of_the_recipe(full: Path) -> dict[str, Figure]:
    """Epochs of the reference run; what an epoch of a stage takes, in epochs of the dense one."""
    said = json.loads((full / "settings.json").read_text(encoding="utf-8"))
    numbers = said["parameters"]["01_dense"]
    history = pd.concat(
        pd.read_csv(file)
        for pattern in (
            "01_dense/history.*",
            "02_ava/history.*ava=cv*",
            "03_aap/history.*arm=aap.*",
        )
        for file in sorted((full / "tables").glob(pattern))
    )
    seconds = history.groupby("stage")["seconds"].median()
    found = {
        "batch": Figure(numbers["batch_size"], "clips", "counted", "settings of the reference run")
    }
    for stage, name in STAGES.items():
        found[f"{name} epochs"] = Figure(
            numbers[f"{name}_epochs"], "epochs", "counted", "settings of the reference run"
        )
        found[f"{name} step"] = Figure(
            seconds[stage] / seconds["dense"],
            "dense steps",
            "measured",
            "median seconds an epoch, histories of the reference run: one core, r2plus1d_narrow",
        )
    return found


def _of_the_network(net: Dance) -> dict[str, Figure]:
    weights = sum(parameter.numel() for parameter in net.parameters())
    norms = sum(isinstance(module, _BatchNorm) for module in net.modules())
    of = f"{MODEL}, {CLASSES} classes, with its controller"
    return {
        "MACs": Figure(net.structure.dense_macs / 1e9, "GMAC a clip", "counted", of),
        "gradients": Figure(weights * 4 / 1e6, "MB", "counted", f"{weights:,} float32; {of}"),
        "norms": Figure(norms, "norms", "counted", of),
    }


def _of_the_parts(file: Path) -> dict[str, Figure]:
    table = pd.read_csv(file).set_index("name")
    ms = table["ms_per_clip"]
    where = f"bench/training.csv: one core of {table['device'].iloc[0]}"
    video = "a synthetic video of 10 s, 340 × 256, H.264"
    of = f"{where}, eager float32, {MODEL}"
    return {
        "decode": Figure(ms["decode"], "ms a clip", "measured", f"{where}; {video}"),
        "read": Figure(ms["read"], "ms a clip", "measured", f"{where}; clips in memory"),
        "augment": Figure(ms["augment"], "ms a clip", "measured", where),
        "step": Figure(ms["step"] / ms["forward"], "forwards", "measured", of),
    }


def _of_the_gpu(net: Dance, latency: pd.DataFrame) -> dict[str, Figure]:
    device = gpu_of(latency)
    found = {f"forward, {p}": forward(net, latency, device, p) for p in PRECISIONS}
    assert device.power_w is not None
    limit = f"{device.title}, {device.sources['power_w']}"
    return {**found, "power of a GPU": Figure(device.power_w, "W", "estimated", limit)}


def gpu_of(latency: pd.DataFrame) -> Device:
    """The GPU that the bench has rows of, where its figures are known; else the H100."""
    on_gpus = latency.loc[latency["threads"] == "cuda", "device"]
    return next((GPUS[name] for name in on_gpus if name in GPUS), GPU)


def forward(net: Dance, latency: pd.DataFrame, device: Device, precision: Precision) -> Figure:
    """Milliseconds of a clip, dense: of the bench on a GPU where its rows are there, else modelled.

    The rows of the largest batch that PyTorch ran, channels last as training does.
    """
    rows = latency[
        (latency["threads"] == "cuda")
        & (latency["model"] == MODEL)
        & (latency["clip_shape"] == "x".join(map(str, SHAPE)))
        & latency["precision"].isin(ALIKE[precision])
        & (latency["name"] == "channels_last")
        & (latency["kind"] == "measured")
    ]
    if len(rows):
        row = rows.sort_values("batch").iloc[-1]
        where = f"bench/latency.csv: PyTorch, channels last, batch {row['batch']}, {row['device']}"
        return Figure(row["ms_per_clip"], "ms a clip", "measured", where)
    costs = dance.count(net, dance.PruningPlan.full(net))
    ms = clip_times(costs, device, precision=precision)["dense_ms"].iloc[0]
    return Figure(ms, "ms a clip", "modelled", f"roofline of {device.title}, a clip by itself")


def _of_the_cluster() -> dict[str, Figure]:
    assumed = "assumed; no cluster was at hand"
    return {
        "link in a node": Figure(450, "GB/s", "estimated", f"{MLPERF}: NVLink, 900 both ways"),
        "link between nodes": Figure(50, "GB/s a GPU", "estimated", f"{MLPERF}: 400 Gb/s a GPU"),
        "a message": Figure(0.05, "ms", "estimated", assumed),
        "cores a GPU": Figure(14, "cores", "estimated", f"{MLPERF}: 2 × 56 for 8 GPUs"),
    }


@dataclass(frozen=True)
class Step:
    """Milliseconds of a training step on each GPU, one after the other; modelled.

    Attributes:
        compute: forward and backward. host: reading and changing clips, which nothing overlaps.
        gradients: their sum over all GPUs, as if nothing were hidden behind the backward pass.
        norms: messages that a forward and a backward pass wait for.
    """

    compute: float
    host: float
    gradients: float
    norms: float

    @property
    def total(self) -> float:
        """All of it."""
        return self.compute + self.host + self.gradients + self.norms


def step(given: Figures, gpus: int, batch: float, precision: Precision, cost: float = 1.0) -> Step:
    """A step on so many GPUs.

    Args:
        batch: clips on each GPU.
        cost: of a step of this stage, in dense steps.
    """
    value = {name: figure.value for name, figure in given.items()}
    link = value["link in a node" if gpus <= NODE else "link between nodes"]
    several = gpus > 1
    return Step(
        compute=batch * value["step"] * value[f"forward, {precision}"] * cost,
        host=batch * (value["read"] + value["augment"]),
        # A ring sends 2 (K − 1) / K of all bytes over each link, and no scheme sends less
        # (Patarasuk and Yuan: Bandwidth optimal all-reduce algorithms, 2009). MB over GB/s are ms.
        gradients=2 * (gpus - 1) / gpus * value["gradients"] / link,
        norms=several * 2 * value["norms"] * value["a message"],
    )


@dataclass(frozen=True)
class Cost:
    """Of the whole recipe, one arm and one seed; modelled."""

    gpus: int
    batch: float  # on each GPU
    hours: float
    megajoules: float  # of the GPUs alone
    efficiency: float  # time on one GPU over GPUs × time


def cost(given: Figures, gpus: int, batch: float, precision: Precision) -> Cost:
    """The recipe on so many GPUs, with so many clips on each."""
    hours = _hours(given, gpus, batch, precision)
    one = _hours(given, 1, given["batch"].value, precision)
    joules = gpus * given["power of a GPU"].value * hours * 3600
    return Cost(gpus, batch, hours, joules / 1e6, one / (gpus * hours))


def _hours(given: Figures, gpus: int, batch: float, precision: Precision) -> float:
    value = {name: figure.value for name, figure in given.items()}
    steps = value["training clips"] / (gpus * batch)
    trained = sum(
        value[f"{name} epochs"] * steps * step(given, gpus, batch, precision, of).total
        for name in STAGES.values()
        for of in [value[f"{name} step"]]
    )
    # Soft labels and norm statistics over the training clips; the dense and the pruned evaluation.
    looked_at = 2 * value["training clips"] + 2 * value["validation clips"]
    seen = looked_at / gpus * (value[f"forward, {precision}"] + value["read"])
    return (trained + seen) / 3.6e6


def table(given: Figures) -> pd.DataFrame:
    """A row a precision, a way to divide batches, and a number of GPUs.

    `recipe` keeps the batch of the recipe and divides it; `grown` gives each GPU as many clips as
    the recipe has, another training than the study's.

    Returns:
        precision, batches, the fields of `Cost`, kind. More GPUs than clips in a batch are left
        out: every GPU would compute all of it.
    """
    whole = given["batch"].value
    rows = []
    for precision in PRECISIONS:
        for batches in ("recipe", "grown"):
            for gpus in (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024):
                batch = whole / gpus if batches == "recipe" else whole
                if batch >= 1:
                    found = cost(given, gpus, batch, precision)
                    rows.append({"precision": precision, "batches": batches, **vars(found)})
    return pd.DataFrame(rows).assign(kind="modelled")


def disk(given: Figures) -> dict[str, float]:
    """Gigabytes of the videos, and of the cache of decoded clips."""
    clips = given["training clips"].value + given["validation clips"].value
    return {name: clips * given[name].value / 1e3 for name in ("a video", "a decoded clip")}


def decoding_hours(given: Figures, gpus: int) -> float:
    """To decode every video once: one machine does it, be there others or not."""
    clips = given["training clips"].value + given["validation clips"].value
    cores = min(gpus, NODE) * given["cores a GPU"].value
    return clips * given["decode"].value / cores / 3.6e6


def stops_at(costs: pd.DataFrame, precision: str, batches: str, least: float = 0.5) -> int | None:
    """The first number of GPUs of which less than `least` of the time is well spent."""
    rows = costs.query("precision == @precision and batches == @batches")
    below = rows.loc[rows["efficiency"] < least, "gpus"]
    return None if below.empty else int(below.iloc[0])
