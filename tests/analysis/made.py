"""Tables as the computing notebooks write them, with numbers that are easy to add up."""

import itertools

import numpy as np
import pandas as pd

UNITS = ("layer1.conv1", "layer1.conv2", "layer2.conv1", "layer2.conv2")
TITLES = {"aap": "AAP", "dance": "AVA cv + AAP", "static": "static"}
BUDGETS = {"aap": 0.5, "dance": 0.5, "static": 0.5}
RIGHT = {  # of ten clips, by arm and whose plans were run
    ("aap", "controller"): 8, ("aap", "shuffled"): 6, ("aap", "inverted"): 1,
    ("aap", "majority"): 7, ("aap", "random"): 5, ("dance", "controller"): 9,
    ("dance", "shuffled"): 4, ("dance", "inverted"): 2, ("dance", "majority"): 6,
    ("dance", "random"): 3,
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
    parts = [clip_rows(right, plans=plans) for plans, right in (("start", 7), ("dense", 10))]
    return pd.concat(parts, ignore_index=True)


def amplified():
    """`clips` of 02_ava."""
    parts = [clip_rows(r, plans="dense", ava=a) for a, r in (("none", 8), ("cv", 6))]
    return pd.concat(parts, ignore_index=True)


def arms(shift=0.0):
    """`clips` of 03_aap; `shift` is added to R."""
    parts = [
        clip_rows(right, arm=arm, plans=plans,
                  mac_ratio=RATIOS + shift, byte_ratio=RATIOS + 0.1)
        for (arm, plans), right in RIGHT.items()
    ]  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def rivals():
    """`clips` of 04_rivals: five of ten right at half the MACs."""
    return clip_rows(5, rival="static", plans="static", mac_ratio=0.5, byte_ratio=0.7)


def shares():
    """`shares` of 03_aap: frames save 0.1, channels 0.1, features 0.3 of each clip's MACs."""
    return pd.DataFrame(
        [
            {"path": f"{i:02}.mp4", "axis": axis, "saved": saved, "arm": arm, "seed": 0}
            for arm, i, (axis, saved) in itertools.product(
                ("aap", "dance"), range(10),
                (("frames", 0.1), ("channels", 0.1), ("features", 0.3)))
        ]
    )  # fmt: skip


def units():
    """`units` of 03_aap: frames kept 0.5, channels 0.75, features 1; `dance` keeps 0.1 less."""
    kept = {"frames": 0.5, "channels": 0.75, "features": 1.0}
    return pd.DataFrame(
        [
            {"unit": unit, "branch": unit.split(".")[0], "axis": axis, "dense_share": 0.2,
             "mac_ratio": 0.5, "byte_ratio": 0.6, "keep_rate": rate - 0.1 * (arm == "dance"),
             "keep_sd": 0.1, "decision": 0.4, "arm": arm, "seed": 0}
            for arm, unit, (axis, rate) in itertools.product(
                ("aap", "dance"), UNITS, kept.items())
        ]
    )  # fmt: skip


def branches():
    """`branches` of 03_aap: in `aap` one branch carries all, in `dance` both carry the same."""
    rows = []
    for arm, (i, ratio) in itertools.product(("aap", "dance"), enumerate(RATIOS)):
        for branch in ("layer1", "layer2"):
            constant = arm == "aap" and branch == "layer2"
            rows.append(
                {"path": f"{i:02}.mp4", "branch": branch, "dense_share": 0.4, "arm": arm,
                 "mac_ratio": 0.3 if constant else ratio, "seed": 0}
            )  # fmt: skip
    return pd.DataFrame(rows)


def places():
    """`localisation` of 03_aap: recall 0.75 of frames and 1 of features, half of all kept."""
    return pd.DataFrame(
        [
            {"path": f"{i:02}.mp4", "branch": branch, "axis": axis, "precision": 0.5, "share": 0.3,
             "recall": (0.5 + 0.5 * (i % 2)) if axis == "frames" else 1.0, "kept": 0.5,
             "arm": arm, "seed": 0}
            for arm, i, branch, axis in itertools.product(
                ("aap", "dance"), range(10), ("layer1", "layer2"), ("frames", "features"))
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


def every_table():
    """What claims are decided by."""
    return {
        "dense": dense(), "arms": arms(), "rivals": rivals(), "branches": branches(),
        "shares": shares(), "variability": variability(),
    }  # fmt: skip


def magnitudes():
    """`magnitudes` of 02_ava: a triangle, three bins wide."""
    return pd.DataFrame(
        [
            {"unit": unit, "ava": ava, "stage": stage, "log10_low": low, "log10_high": low + 1,
             "share": share, "seed": 0}
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
