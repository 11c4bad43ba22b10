import os
import signal
import time

import psutil
import pytest

from dance_lib.data.errors import DataError
from dance_lib.data.parallel import in_parallel, lost_worker_told


def double(item):
    return 2 * item


def refuse_three(item):
    if item == 3:
        raise DataError("three is not wanted")
    return item


def die_at_three(item):
    if item == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return item


def fail(item):
    raise RuntimeError(f"no {item}")


def workers():
    return [
        child
        for child in psutil.Process().children()
        if child.status() != psutil.STATUS_ZOMBIE and "resource_tracker" not in str(child.cmdline())
    ]


@pytest.mark.usefixtures("two_cores")
@pytest.mark.parametrize("count", [0, 1, 2])
def test_results_come_in_order_whatever_the_workers(count):
    results = in_parallel(double, range(7), workers=count, title="t")
    assert list(results) == [0, 2, 4, 6, 8, 10, 12]


@pytest.mark.usefixtures("two_cores")
def test_as_many_workers_as_asked_for_and_none_is_left_over():
    before = len(workers())
    results = in_parallel(double, range(7), workers=2, title="t")
    next(results)
    assert len(workers()) == before + 2
    list(results)
    deadline = time.monotonic() + 30
    while len(workers()) > before:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_no_more_workers_than_cores(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})
    before = len(workers())
    results = in_parallel(double, range(7), workers=2, title="t")
    next(results)
    assert len(workers()) == before
    assert list(results) == [2, 4, 6, 8, 10, 12]


@pytest.mark.usefixtures("two_cores")
@pytest.mark.parametrize("count", [0, 2])
def test_a_declared_error_arrives_as_it_was_raised(count):
    got = []
    with pytest.raises(DataError) as caught:  # noqa: PT012
        for result in in_parallel(refuse_three, range(7), workers=count, title="t"):
            got.append(result)
    assert str(caught.value) == "three is not wanted"
    assert got == [0, 1, 2]


LOST = r"^DataLoader worker \(pid.*\) .*for want of memory; .*`taskset -c 0` .*workers=1\)$"


@pytest.mark.usefixtures("two_cores")
def test_a_worker_that_is_killed_is_told_with_a_remedy():
    with pytest.raises(DataError, match=LOST):
        list(in_parallel(die_at_three, range(7), workers=2, title="t"))


@pytest.mark.usefixtures("two_cores")
def test_so_is_one_that_is_killed_while_a_result_is_worked_on():
    """PyTorch raises from a signal's handler, here in the sleep."""
    before = {child.pid for child in workers()}
    with pytest.raises(DataError, match=LOST), lost_worker_told():  # noqa: PT012
        for _ in in_parallel(double, range(100), workers=2, title="t"):
            next(child for child in workers() if child.pid not in before).kill()
            time.sleep(60)


@pytest.mark.usefixtures("two_cores")
@pytest.mark.parametrize("count", [0, 2])
def test_a_fault_of_the_function_stays_what_it_is(count):
    with pytest.raises(RuntimeError, match="no 0") as caught:
        list(in_parallel(fail, range(7), workers=count, title="t"))
    assert not isinstance(caught.value, DataError)
