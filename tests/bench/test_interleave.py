import gc

from dance_lib.bench.interleave import interleave


class Clock:
    """Seconds that pass only where somebody says so."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now

    def takes(self, *ms):
        left = list(ms)

        def run():
            self.now += left.pop(0) / 1e3

        return run


def take_times(runs, clock, rounds, **options):
    return interleave(runs, rounds, clock=clock, settle=lambda: None, **options)


def test_times_are_those_of_the_clock_without_the_warm_up():
    clock = Clock()
    runs = {"a": clock.takes(99, 1, 2), "b": clock.takes(88, 10, 20)}
    table = take_times(runs, clock, rounds=2, warmup=1)
    wide = table.pivot(index="name", columns="round", values="ms").round(9)
    assert wide.loc["a"].tolist() == [1, 2]
    assert wide.loc["b"].tolist() == [10, 20]
    assert list(table.columns) == ["name", "round", "ms"]


def test_every_round_runs_each_once_in_an_order_of_its_own():
    clock = Clock()
    runs = {name: clock.takes(*[1] * 10) for name in "abcdef"}
    table = take_times(runs, clock, rounds=8)
    orders = ["".join(names) for _, names in table.groupby("round", sort=False)["name"]]
    assert all(sorted(order) == list("abcdef") for order in orders)
    assert len(set(orders)) > 1
    again = {name: clock.takes(*[1] * 10) for name in "abcdef"}
    assert take_times(again, clock, rounds=8)["name"].tolist() == table["name"].tolist()
    other = {name: clock.takes(*[1] * 10) for name in "abcdef"}
    assert take_times(other, clock, rounds=8, seed=1)["name"].tolist() != table["name"].tolist()


def test_settling_is_off_the_clock():
    clock = Clock()

    def settle():
        clock.now += 5

    table = interleave({"a": clock.takes(3)}, 1, warmup=0, clock=clock, settle=settle)
    assert round(table["ms"].item(), 9) == 3


def test_nothing_is_collected_while_a_run_is_timed():
    seen = []
    interleave({"a": lambda: seen.append(gc.isenabled())}, 2, settle=lambda: None)
    assert seen == [False] * 4
    assert gc.isenabled()


def test_nothing_to_time_is_an_empty_table():
    assert interleave({}, 3).empty
