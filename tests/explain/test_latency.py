import pytest
import torch

from dance_lib.explain import latency as module
from dance_lib.explain.latency import latency


class Backbone:
    def __init__(self):
        self.seen = []

    def dense(self, clip):
        self.seen.append(tuple(clip.shape))


def test_both_forms_run_clip_by_clip_and_the_median_is_a_clips(monkeypatch):
    given = {}
    take = module.interleave

    def with_a_known_clock(runs, rounds):
        given.update(rounds=rounds)
        ticks = {"dense": iter([1, 3, 2] * 9), "sparse": iter([0.5, 0.1, 0.3] * 9)}
        now = [0.0]

        def ticking(name):
            def run():
                runs[name]()
                now[0] += next(ticks[name])

            return run

        timed = {name: ticking(name) for name in runs}
        return take(timed, rounds, warmup=0, clock=lambda: now[0], settle=lambda: None)

    monkeypatch.setattr(module, "interleave", with_a_known_clock)
    net, sparse = Backbone(), []
    times = latency(
        net, lambda clip: sparse.append(tuple(clip.shape)), torch.rand(2, 3, 4, 5, 6), 3
    )
    assert given == {"rounds": 3}
    assert net.seen == sparse == [(1, 3, 4, 5, 6)] * 6
    assert times == pytest.approx({"dense": 1000.0, "sparse": 150.0})  # medians 2 and 0.3 s, halved


def test_without_an_executor_or_rounds_there_is_less_to_tell():
    net = Backbone()
    assert list(latency(net, None, torch.rand(1, 3, 4, 5, 6), 1)) == ["dense"]
    assert latency(net, None, torch.rand(1, 3, 4, 5, 6), 0) == {}
