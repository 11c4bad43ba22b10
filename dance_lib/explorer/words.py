"""What a view says, in words."""

from collections.abc import Mapping

from dance_lib.explorer.view import View


def prediction(view: View) -> str:
    """What the pruned network says of the clip, and the dense one, and what it is."""
    row = view.row()
    label = "" if row["label"] is None else f"; the label is {row['label']}"
    return (
        f"Predicted {row['pruned']} with {_percent(row['pruned_confidence'])} (dense: "
        f"{row['dense']} with {_percent(row['dense_confidence'])}){label}."
    )


def work(view: View) -> str:
    """What the clip costs, and what of it is kept."""
    row = view.row()
    return (
        f"{row['path']}, {row['network']}, budget {row['budget']:.2f}: R {row['mac_ratio']:.2f}, "
        f"{view.macs}. Branch {view.branch.name} keeps {row['kept_frames']} of {row['frames']} "
        f"frames and {_percent(row['kept_area'])} of the area; {row['unit']} keeps "
        f"{row['kept_groups']} of {row['groups']} channel groups."
    )


def said(view: View) -> str:
    """Both, as Markdown."""
    return f"**{prediction(view)}** {work(view)}"


def answer(views: Mapping[str, View]) -> str:
    """What the views of `choose_views` say together."""
    least, most = views["least"], views["most"]
    parts = [
        f"Of the clips looked through, the cheapest costs R **{least.ratio:.2f}** and the dearest "
        f"**{most.ratio:.2f}** under one budget of {least.choice.budget:.2f}."
    ]
    for name, view in (("cheapest", views["least_lower"]), ("dearest", views["most_lower"])):
        row = view.row()
        verdict = "right" if row["pruned"] == row["label"] else "wrong"
        parts.append(
            f"Moved to {row['budget']:.2f} without training, the {name} costs "
            f"{row['mac_ratio']:.2f}, and its prediction is {verdict}, with "
            f"{_percent(row['pruned_confidence'])} confidence."
        )
    changed = _amplified(least)
    return " ".join([*parts, *([changed] if changed else [])])


def _amplified(view: View) -> str:
    """By how much variability differs between the first network and the one that is shown."""
    first, *others = view.activity
    if not others:
        return ""
    before, after = view.activity[first].cv, view.activity[others[-1]].cv
    higher = sum(after[unit] > before[unit] for unit in after)
    return (
        f"On the first of the two clips, activations vary more after {others[-1]} than "
        f"{first} in {higher} of {len(after)} units."
    )


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
