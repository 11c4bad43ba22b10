import os
import time

import psutil
import pytest

from dance_lib.data.errors import DataError
from dance_lib.data.parallel import in_parallel


def double(item):
    return 2 * item


def refuse_three(item):
    if item == 3:
        raise DataError("three is not wanted")
    return item


def workers():
    return [
        child
        for child in psutil.Process().children()
        if child.status() != psutil.STATUS_ZOMBIE and "resource_tracker" not in str(child.cmdline())
    ]


@pytest.mark.parametrize("count", [0, 1, 2])
def test_results_come_in_order_whatever_the_workers(count):
    results = in_parallel(double, range(7), workers=count, title="t")
    assert list(results) == [0, 2, 4, 6, 8, 10, 12]


def test_as_many_workers_as_asked_for_and_none_is_left_over(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
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


@pytest.mark.parametrize("count", [0, 2])
def test_a_declared_error_arrives_as_it_was_raised(count):
    got = []
    with pytest.raises(DataError) as caught:  # noqa: PT012
        for result in in_parallel(refuse_three, range(7), workers=count, title="t"):
            got.append(result)
    assert str(caught.value) == "three is not wanted"
    assert got == [0, 1, 2]
