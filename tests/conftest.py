"""What a test may be skipped for, and `--no-skips`, by which nothing else counts as a skip."""

import importlib.util
import os
import shutil
import subprocess

import pytest

MAY_SKIP = {"bench", "gpu", "mount", "shared_data"}
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def pytest_addoption(parser):
    parser.addoption(
        "--no-skips",
        action="store_true",
        help=f"a skip is a failure, but for tests marked {' or '.join(sorted(MAY_SKIP))}",
    )


def pytest_collection_modifyitems(items):
    wanting = {
        "bench": (_has_openvino, "the extra `bench` is not installed"),
        "sshd": (_has_sshd, "no sshd here: install openssh-server"),
        "slurm": (_has_slurm, "no Slurm here: install slurmctld slurmd slurm-client munge"),
        "browser": (_find_browser, "no Chromium here: install chromium"),
        "gpu": (_has_gpu, "no CUDA device here"),
        "mount": (_may_mount, "no leave to mount a disk here"),
        "shared_data": (lambda: "DANCE_DATA" in os.environ, "DANCE_DATA names no folder"),
    }
    for marker, (is_there, reason) in wanting.items():
        marked = [item for item in items if item.get_closest_marker(marker)]
        if marked and not is_there():
            for item in marked:
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    allowed = any(item.get_closest_marker(marker) for marker in MAY_SKIP)
    return report if allowed else _refuse_skip(report, item.config)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    report = yield
    return _refuse_skip(report, collector.config)


def _refuse_skip(report, config):
    if report.skipped and config.getoption("--no-skips") and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, which --no-skips does not allow: {report.longrepr}"
    return report


def _has_openvino():
    return importlib.util.find_spec("openvino") is not None


def _has_sshd():
    return shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/usr/bin") is not None


def _has_slurm():
    path = f"{os.environ.get('PATH')}:/usr/sbin"
    return all(shutil.which(name, path=path) for name in ("munged", "slurmctld", "slurmd", "srun"))


def _find_browser():
    return next(filter(None, map(shutil.which, BROWSERS)), None)


@pytest.fixture(scope="session")
def browser():
    """Headless Chromium, the machine's own."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(
            executable_path=_find_browser(), args=["--no-sandbox", "--disable-gpu"]
        )
        yield opened
        opened.close()


def _has_gpu():
    import torch

    return torch.cuda.is_available()


def _may_mount():
    """Tried in a name space that vanishes at once."""
    command = ["unshare", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"]
    return shutil.which("unshare") and not subprocess.run(command, capture_output=True).returncode
