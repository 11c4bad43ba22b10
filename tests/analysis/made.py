"""Tables as the computing notebooks write them, with numbers that are easy to add up."""

import itertools

import numpy as np
import pandas as pd

UNITS = ("layer1.conv1", "layer1.conv2", "layer2.conv1", "layer2.conv2")
RIGHT = {  # of ten clips, by AVA and whose plans were run
    ("none", "controller"): 8, ("none", "shuffled"): 6, ("none", "majority"): 7,
    ("none", "random"): 5, ("cv", "controller"): 9, ("cv", "shuffled"): 4,
    ("cv", "majority"): 6, ("cv", "random"): 3,
}  # fmt: skip
RATIOS = np.linspace(0.4, 0.6, 10)  # R of the ten clips, 0.5 on average


def clip_rows(right, *, clips=10, seed=0, **columns):
    """Ten clips, the first `right` of them right."""
    return pd.DataFrame(
        {
            "path": [f"{i:02}.mp4" for i in range(clips)],
            "difficulty": [("easy", "medium", "hard")[i * 3 // clips] for i in range(clips)],
            "correct": [int(i < right) for i in range(clips)],
            "mac_ratio": 1.0,
            "byte_ratio": 1.0,
            "seed": seed,
            **columns,
        }
    )


def dense():
    """`clips` of 01_dense: seven clips right at the start, all in the end."""
    parts = [
        clip_rows(right, arm=arm, plans="dense") for arm, right in (("start", 7), ("dense", 10))
    ]
    return pd.concat(parts, ignore_index=True)


def amplified():
    """`clips` of 02_ava."""
    parts = [clip_rows(r, arm="ava", plans="dense", ava=a) for a, r in (("none", 8), ("cv", 6))]
    return pd.concat(parts, ignore_index=True)


def aap(shift=0.0):
    """`clips` of 03_aap; `shift` is added to R."""
    parts = [
        clip_rows(right, arm="aap", plans=plans, ava=ava,
                  mac_ratio=RATIOS + shift, byte_ratio=RATIOS + 0.1)
        for (ava, plans), right in RIGHT.items()
    ]  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def units():
    """`units` of 03_aap: frames kept 0.5, channels 0.75, features 1; `cv` keeps 0.1 less."""
    kept = {"frames": 0.5, "channels": 0.75, "features": 1.0}
    return pd.DataFrame(
        [
            {"unit": unit, "branch": unit.split(".")[0], "axis": axis, "dense_share": 0.2,
             "mac_ratio": 0.5, "byte_ratio": 0.6, "keep_rate": rate - 0.1 * (ava == "cv"),
             "keep_sd": 0.1, "decision": 0.4, "ava": ava, "seed": 0}
            for ava, unit, (axis, rate) in itertools.product(("none", "cv"), UNITS, kept.items())
        ]
    )  # fmt: skip


def branches():
    """`branches` of 03_aap: without AVA one branch carries all, with it both carry the same."""
    rows = []
    for ava, (i, ratio) in itertools.product(("none", "cv"), enumerate(RATIOS)):
        for branch in ("layer1", "layer2"):
            constant = ava == "none" and branch == "layer2"
            rows.append(
                {"path": f"{i:02}.mp4", "branch": branch, "dense_share": 0.4, "ava": ava,
                 "mac_ratio": 0.3 if constant else ratio, "seed": 0}
            )  # fmt: skip
    return pd.DataFrame(rows)


def places():
    """`localisation` of 03_aap: recall 0.75 of frames and 1 of features, half of all kept."""
    return pd.DataFrame(
        [
            {"path": f"{i:02}.mp4", "branch": branch, "axis": axis, "precision": 0.5, "share": 0.3,
             "recall": (0.5 + 0.5 * (i % 2)) if axis == "frames" else 1.0, "kept": 0.5,
             "ava": ava, "seed": 0}
            for ava, i, branch, axis in itertools.product(
                ("none", "cv"), range(10), ("layer1", "layer2"), ("frames", "features"))
        ]
    )  # fmt: skip


def variability():
    """`variability` of 02_ava: 1, 2, 3, 4 before; after `none` as much, after `cv` twice that."""
    return pd.DataFrame(
        [
            {"unit": unit, "branch": unit.split(".")[0], "ava": ava, "stage": stage, "seed": 0,
             "mean": 1.0, "variance": 1.0, "active": 0.5, "clips": 270,
             "cv": (i + 1.0) * (1 + (ava == "cv") * (stage == "after")),
             "interaction": (i + 1.0) * (1 + (ava == "cv") * (stage == "after"))}
            for ava, stage, (i, unit) in itertools.product(
                ("none", "cv"), ("before", "after"), enumerate(UNITS))
        ]
    )  # fmt: skip


def magnitudes():
    """`magnitudes` of 02_ava: a triangle, three bins wide."""
    return pd.DataFrame(
        [
            {"unit": unit, "ava": ava, "stage": stage, "log10_low": low, "log10_high": low + 1,
             "share": share}
            for ava, stage, unit, (low, share) in itertools.product(
                ("none", "cv"), ("before", "after"), UNITS, ((-2, 0.2), (-1, 0.5), (0, 0.3)))
        ]
    )  # fmt: skip


def norms():
    """`norms` of 02_ava: scales of 1, of 3 after `cv`."""
    return pd.DataFrame(
        [
            {"norm": norm, "ava": ava, "stage": stage, "shift": 0.5,
             "scale": 3.0 if (ava, stage) == ("cv", "after") else 1.0}
            for ava, stage, norm in itertools.product(
                ("none", "cv"), ("before", "after"), ("stem.1", "layer1.norm"))
        ]
    )  # fmt: skip


def reread(table, path):
    """The table as another notebook gets it: through a CSV file, read as `study.read` does."""
    table.to_csv(path, index=False)
    return pd.read_csv(path, keep_default_na=False, na_values=[""])
