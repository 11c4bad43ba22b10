import multiprocessing

from dance_lib.data.lock import alone


def wait_for_the_end(pipe):
    pipe.recv()


def enter(folder, pipe):
    with alone(folder):
        pipe.send("in")


def test_a_worker_that_lives_longer_does_not_hold_the_lock(tmp_path):
    ours, theirs = multiprocessing.Pipe()
    fork = multiprocessing.get_context("fork")
    with alone(tmp_path / "set"):
        worker = fork.Process(target=wait_for_the_end, args=(theirs,))
        worker.start()
    here, there = multiprocessing.Pipe()
    other = fork.Process(target=enter, args=(tmp_path / "set", there))
    other.start()
    came_in = here.poll(30)
    ours.send("end")
    worker.join()
    other.join() if came_in else other.kill()
    assert came_in


def test_another_waits_until_it_is_released(tmp_path):
    here, there = multiprocessing.Pipe()
    with alone(tmp_path / "set"):
        other = multiprocessing.get_context("fork").Process(
            target=enter, args=(tmp_path / "set", there)
        )
        other.start()
        assert not here.poll(0.3)
    assert here.poll(30)
    other.join()
