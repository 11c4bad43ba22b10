import sys

import torch
from torch import nn

from dance_lib.bench import static
from dance_lib.bench.static import distinct, static_candidates


def test_ratios_that_are_close_share_a_rival():
    assert distinct([1.0005, 0.5, 0.505, 0.52, 0.25, 0.995]) == [0.52, 0.505, 0.25]


def test_each_ratio_has_a_pruned_and_a_narrower_rival(net, clip, monkeypatch):
    made = {}

    def stands_in(backbone, clip_shape, kind, ratio):
        made[kind, ratio] = nn.Sequential(nn.Flatten(), nn.LazyLinear(3))
        with torch.no_grad():
            made[kind, ratio](clip)
        return made[kind, ratio], ratio + 0.01

    monkeypatch.setattr(static, "smaller", stands_in)
    found = static_candidates(net, clip, 1, "float32", "eager", [1.0, 0.5, 0.25])
    assert [(c.name, c.group) for c in found] == [
        ("pruned @ 0.50", "pruned"), ("narrower @ 0.50", "narrower"),
        ("pruned @ 0.25", "pruned"), ("narrower @ 0.25", "narrower"),
    ]  # fmt: skip
    facts = found[0].facts
    assert (facts["target_mac_ratio"], facts["ideal_mac_ratio"]) == (0.5, 0.51)
    assert facts["engine"] == "eager"
    with torch.no_grad():  # the smaller network stands behind the same normalisation
        expected = made["pruned", 0.5]((clip - net.mean) / net.std)
    assert torch.allclose(found[0].run(), expected, atol=1e-5)


def test_without_torch_pruning_there_are_rows_with_the_remedy(net, clip, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch_pruning", None)  # as if it were absent
    found = static_candidates(net, clip, 1, "float32", "eager", [0.5])
    assert [c.run for c in found] == [None, None]
    for c in found:
        assert c.facts["reason"].startswith("torch_pruning is not installed: make bench")
