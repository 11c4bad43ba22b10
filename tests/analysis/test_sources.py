"""What the controller costs and has to see, by hand."""

import pandas as pd
import pytest

from dance_lib.analysis import sources
from tests.analysis import made

CONTROLLER = pd.DataFrame(
    [{"reads": "stem", "parameters": 10, "macs": 5, "bytes": 30, "dense_parameters": 1000,
      "dense_macs": 10_000, "dense_bytes": 300}]
)  # fmt: skip
PARTS = pd.DataFrame(
    [{"model": model, "precision": "float32", "threads": "one", "batch": 8, "share": share,
      "part": "statistics, controller, planning"}
     for model, share in (("m", 0.014), ("small", 0.2))]
)  # fmt: skip


def test_costs_by_hand():
    costs = sources.cost_table(CONTROLLER, PARTS)
    assert costs["share"].tolist() == [0.01, 0.0005, 0.1, 0.014, 0.2]
    assert costs["kind"].tolist() == ["counted"] * 3 + ["measured"] * 2
    assert costs["network"].iloc[-1] == "small, float32, one core, batch 8"


def test_sources_by_hand():
    reads = {"aap": "stem", "dance": "pixels", "reads_layer1": "layer1"}  # the last has not run
    table = sources.sources_table(made.arms(), reads, "aap", made.TITLES)
    assert table["reads"].tolist() == ["stem", "pixels"]
    assert table["equal_macs"].all()
    row = table.set_index("reads").loc["pixels"]
    assert row["against"] == pytest.approx(0.1)
    assert row["shuffled_loss"] == pytest.approx(0.5)
    text = sources.sources_answer(sources.cost_table(CONTROLLER, PARTS), table)
    assert "**0.050 %** of the dense network's MACs and **10.0 %** of its bytes" in text
    assert "1.4 % (m, float32, one core, batch 8) to 20.0 % (small, float32" in text
    assert "AVA cv + AAP +10.0 points [" in text
    untimed = sources.sources_answer(sources.cost_table(CONTROLLER, PARTS[:0]), table)
    assert "engine's time deciding takes what is not tested." in untimed
    alone = sources.sources_table(made.arms(), {"aap": "stem"}, "aap", made.TITLES)
    assert "no other source was run" in sources.sources_answer(
        sources.cost_table(CONTROLLER, PARTS), alone
    )


def test_what_runs_at_other_macs_is_told():
    arms = made.arms()
    arms["mac_ratio"] += 0.03 * (arms["arm"] == "dance")
    table = sources.sources_table(arms, {"aap": "stem", "dance": "pixels"}, "aap", made.TITLES)
    assert table["equal_macs"].tolist() == [True, False]
    text = sources.sources_answer(sources.cost_table(CONTROLLER, PARTS), table)
    assert "(**not at equal MACs**: R 0.53)" in text
