"""What is said of a view whose numbers are known by hand."""

from dataclasses import replace

from dance_lib.explorer.words import answer, prediction, said, work
from tests.explorer import made


def test_a_view_in_words(networks):
    view = made.by_hand(networks)
    assert prediction(view) == (
        "Predicted class 2 with 45 % (dense: class 1 with 60 %); the label is class 1."
    )
    total = view.structure.dense_macs / 1e6  # less than ten: told to the thousandth
    assert work(view) == (
        f"001.mp4, AVA cv, budget 0.50: R {view.ratio:.2f}, {view.ratio * total:.3f} of "
        f"{total:.3f} million MACs. Branch {view.branch.name} keeps 2 of 4 frames and 50 % of the "
        "area; a.0 keeps 1 of 2 channel groups."
    )
    assert said(view) == f"**{prediction(view)}** {work(view)}"


def test_a_clip_without_a_label_is_not_judged(networks):
    view = made.by_hand(networks)
    unknown = replace(view, clip=replace(view.clip, label=None))
    assert prediction(unknown) == "Predicted class 2 with 45 % (dense: class 1 with 60 %)."


def test_the_answer_tells_ratios_verdicts_and_how_many_units_vary_more(networks):
    view = made.by_hand(networks)
    without, amplified = view.activity
    cv = {unit: i for i, unit in enumerate(view.structure.units)}  # 0, 1, 2, 3
    more = {unit: value + (value > 1) for unit, value in cv.items()}  # two of the four
    activity = {
        without: replace(view.activity[without], cv=cv),
        amplified: replace(view.activity[amplified], cv=more),
    }
    least = replace(view, ratio=0.25, activity=activity)
    right = replace(view, pruned=view.dense, ratio=0.125)
    text = answer(
        {
            "least": least,
            "most": replace(view, ratio=0.75),
            "least_lower": right,
            "most_lower": view,
        }
    )
    assert "the cheapest costs R **0.25** and the dearest **0.75** under one budget of 0.50" in text
    assert "the cheapest costs 0.12, and its prediction is right, with 60 % confidence" in text
    assert f"the dearest costs {view.ratio:.2f}, and its prediction is wrong" in text
    assert text.endswith("vary more after AVA cv than without AVA in 2 of 4 units.")
