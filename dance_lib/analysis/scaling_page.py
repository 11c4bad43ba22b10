"""`SCALING.md`: the words and tables around what `scaling` models.

python -m dance_lib.analysis.scaling_page results/reference > SCALING.md
"""

import sys
import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from dance_lib.analysis import scaling
from dance_lib.analysis.scaling import Figures

COUNTS = (1, 8, 64)
NAMED = {"float32": "float32", "float16": "half precision"}

HEAD = """# What Kinetics-400 would cost

How training runs on several GPUs, and what the study's recipe would take on Kinetics-400: hours,
joules, disk, and where it stops scaling. **Nothing here has been run on several GPUs or on
Kinetics-400: not tested.** It is a model of one arm and one seed, made by
`dance_lib/analysis/scaling.py` from the figures below; a test holds this page to it. What is tested
is that two processes end with the evaluation of one, on the CPU, by gloo: in float64, to 10⁻⁶. In
float32 rounding differs by the number of processes, and training makes more of it with every step.

## In several processes

```
pip install 'dance-lib[study,cluster]'
torchrun --nproc-per-node 8 -m dance_lib train videos
ACCELERATE_USE_CPU=true torchrun --nproc-per-node 2 -m dance_lib train videos    # on the CPU
```

[accelerate](https://huggingface.co/docs/accelerate) gives each process its device and averages
gradients; `accelerate launch --multi_gpu` starts them as well. (`accelerate launch --cpu` starts
one process whatever number it is given; hence torchrun.) Several machines: torchrun's `--nnodes`
and `--rdzv-endpoint`. One process reads and writes what a run that was killed goes on from, so the
others need not see its disk; each machine decodes the videos into a cache of its own.

- The batch is that of one process, divided: every process reads its own clips of it, none twice.
  A batch of fewer clips than processes is computed by all of them.
- Norms, the statistics of AVA and the means of the budget are of the whole batch, whatever process
  has the clips. Gates and augmentation draw the numbers that one process would draw.
- Evaluation is divided and put together in the order of the clips; one process writes and speaks. A
  stage goes on in another number of processes than it was begun in.
- A process that nobody launched trains alone, on a GPU where there is one, without accelerate.
  `CUDA_VISIBLE_DEVICES=` (empty) keeps it on the CPU.
- Dropout draws its own numbers in each process: networks that have it end near one process, not on
  it.

## What the model starts from

"""

FORMULAS = """
## Formulas

With K GPUs and b clips on each, of N training and V validation clips:

- compute of a step = b × (forwards a step) × (forward) × (dense steps of the stage)
- host of a step = b × (read + augment): nothing overlaps it today
- gradients of a step = 2 (K − 1)/K × bytes / link, as in a ring (Patarasuk and Yuan, Bandwidth
  optimal all-reduce algorithms, 2009); as if DistributedDataParallel hid none of it behind the
  backward pass
- norms of a step = 2 × norms × message: a forward and a backward pass wait for each
- hours = Σ over stages of epochs × N / (K b) × step, and 2 (N + V) × (forward + read) / K for soft
  labels, norm statistics and two evaluations
- joules = K × power × hours, of the GPUs alone: hosts, switches and cooling come on top
- efficiency = hours on one GPU / (K × hours on K)
- roofline: the longer of arithmetic and traffic, unit by unit (`devices/roofline.py`), of a clip by
  itself; a batch, which reads its weights once, may be quicker. That of float32 is of CUDA cores.
  PyTorch lets convolutions round to TF32 and run on tensor cores unless told not to, and training
  does not: it may be faster

"""


def page(given: Figures) -> str:
    """The whole page, as Markdown."""
    costs = scaling.table(given)
    parts = [
        HEAD,
        _inputs(given),
        FORMULAS,
        "## Hours, joules, disk\n\n",
        _main_table(given, costs),
        _disk(given),
        "\n## Where it stops scaling\n\n",
        _efficiencies(given, costs),
        _why(given, costs),
    ]
    return "".join(parts)


def _inputs(given: Figures) -> str:
    rows = [
        (name, f"{f.value:,{'.4g' if f.value < 1e4 else '.0f'}} {f.unit}", f.kind, f.source)
        for name, f in given.items()
    ]
    return _table(("figure", "value", "kind", "source"), rows)


def _main_table(given: Figures, costs: pd.DataFrame) -> str:
    """Both ways to divide batches, on 1, 8 and 64 GPUs."""
    rows = []
    for precision in scaling.PRECISIONS:
        for gpus in COUNTS:
            for batches in ("recipe", "grown") if gpus > 1 else ("recipe",):
                found = costs.query(
                    "precision == @precision and batches == @batches and gpus == @gpus"
                )
                whole = gpus * given["batch"].value if batches == "grown" else given["batch"].value
                about = (NAMED[precision], str(gpus), f"{whole:.0f}")
                if found.empty:
                    most = costs.query("precision == @precision and batches == @batches").iloc[-1]
                    hours = f"{most['hours']:.2g}, as on {most['gpus']:.0f}"
                    rows.append((*about, hours, "", "", "modelled"))
                    continue
                row = found.iloc[0]
                numbers = (f"{row['hours']:.2g}", f"{row['megajoules']:.3g}")
                rows.append((*about, *numbers, f"{row['efficiency']:.0%}", "modelled"))
    names = ("precision", "GPUs", "batch", "hours", "MJ", "efficiency", "kind")
    return _table(names, rows)


def _disk(given: Figures) -> str:
    disk = scaling.disk(given)
    batch = given["batch"].value
    rate = 64 * batch / scaling.step(given, 64, batch, "float32").total
    return _filled(
        """
        Half precision is `accelerate launch --mixed_precision bf16`, and not tested. The joules
        are those of the power limit: estimated. The hours leave out what a roofline does: launches,
        caches, and all that keeps a chip from its peak.
        """,
        f"""
        Disk (estimated): {disk["a video"]:.0f} GB of videos, and {disk["a decoded clip"]:.0f} GB of
        the cache of decoded clips, one of each video, on every machine. To decode them once
        (estimated): {60 * scaling.decoding_hours(given, 1):.2g} minutes on the cores of one GPU,
        {60 * scaling.decoding_hours(given, 8):.2g} on those of a machine of eight. More machines do
        not help: each fills a cache of its own. 64 GPUs with {batch:.0f} clips each read
        {rate:.1f} thousand clips a second, {rate * given["a decoded clip"].value:.1f} GB/s in all
        (modelled): from the memory of eight machines with room for the cache, not from one shared
        disk.
        """,
    )


def _efficiencies(given: Figures, costs: pd.DataFrame) -> str:
    clips = f"{given['batch'].value:.0f}"
    counts = sorted(costs["gpus"].unique())
    rows = []
    for (precision, batches), some in costs.groupby(["precision", "batches"], sort=False):
        by = some.set_index("gpus")["efficiency"]
        what = f"batch {clips}, divided" if batches == "recipe" else f"{clips} clips on each GPU"
        shown = [f"{by[k]:.0%}" if k in by else "" for k in counts]
        rows.append((NAMED[str(precision)], what, *shown))
    return _table(("efficiency (modelled)", "GPUs:", *map(str, counts)), rows)


def _why(given: Figures, costs: pd.DataFrame) -> str:
    batch = given["batch"].value
    most = int(batch)
    lost = {
        precision: scaling.stops_at(costs, precision, "recipe") or f"more than {most}"
        for precision in scaling.PRECISIONS
    }
    alone = scaling.step(given, 1, batch, "float32")
    halved = scaling.step(given, 1, batch, "float16")
    few = scaling.step(given, most, 1, "float32")
    many = scaling.step(given, 64, batch, "float32")
    steps = given["training clips"].value / (64 * batch)
    return _filled(
        f"""
        **The batch** stops it first. The recipe's {batch:.0f} clips are divided: on {most} GPUs
        each
        has one, and more GPUs gain nothing. Half of the time is lost from {lost["float32"]} GPUs
        on in
        float32, from {lost["float16"]} in half precision. With {batch:.0f} clips on each GPU it
        goes on,
        but 64 GPUs then take {steps:.0f} steps an epoch, of {64 * batch:.0f} clips: other learning
        rates would have to be found, and whether any reach the accuracy is **not tested**.
        """,
        f"""
        **The host** is what a single GPU waits for. Reading and changing clips takes
        {alone.host:.0f} ms of a step of {alone.total:.0f} ms ({alone.host / alone.total:.0%}), and
        {halved.host / halved.total:.0%} of one in half precision. It is divided like the rest, so
        it
        costs no efficiency above. Clips are read in the training process, which is right on a CPU;
        to keep a GPU busy they would have to be read ahead, which is not done.
        """,
        f"""
        **Gradients**: {given["gradients"].value:.0f} MB take {few.gradients:.1f} ms between
        machines
        on {most} GPUs, beside {few.compute:.1f} ms that one clip takes to compute, and
        {many.gradients / many.total:.0%} of a step on 64 GPUs with {batch:.0f} clips each.
        """,
        f"""
        **Norms**: {given["norms"].value:.0f} of them wait for {few.norms:.1f} ms of messages a
        step,
        which no wider link shortens: {few.norms / few.total:.0%} of a step of one clip,
        {many.norms / many.total:.0%} of one of {batch:.0f}. The time of a message is assumed. AVA
        adds
        a few messages a unit and the budget five a step: not modelled.
        """,
        f"""
        The forward is {given["forward, float32"].kind} in float32 and
        {given["forward, float16"].kind} in half precision. A GPU that needs longer than that for a
        clip scales further, since the waits are the same.
        """,
    )


def _filled(*paragraphs: str) -> str:
    """Paragraphs of running text, in lines of one width."""
    return "".join(f"\n{textwrap.fill(' '.join(p.split()), 100)}\n" for p in paragraphs)


def _table(names: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [names, ["---"] * len(names), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    sys.stdout.write(page(scaling.figures(Path(sys.argv[1]))))
