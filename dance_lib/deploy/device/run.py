"""A bundle runs on a device elsewhere, and what it measured comes home into `runs.yml`."""

import tempfile
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from dance_lib.deploy.device.read import folder_name, read_into
from dance_lib.deploy.device.remote import (
    INTERRUPTED,
    NOT_FOUND,
    ConnectionLostError,
    Done,
    Remote,
    RemoteError,
    Say,
    ask,
)
from dance_lib.deploy.device.results import ABOUT, KEPT, ResultsError, read_results, take
from dance_lib.deploy.device.runs_file import check_runs
from dance_lib.deploy.device.sent_bundle import MANIFEST, RUNNER, SentBundle, read_sent_bundle
from dance_lib.errors import DanceError

OLDEST = (3, 6)
ROOM = 1.1  # for logs, and for the file that is replaced
TRIES = 10  # a second apart: so long a runner may take to end after its connection broke
ERROR = "run.py: error: "


@dataclass(frozen=True)
class RunRequest:
    """What `dance device run` is asked for.

    Attributes:
        out: folder of the device logs, with `runs.yml`.
        forms: by default dense and the first pruned one.
        options: for run.py as they are: --seconds, --repeats, --logger, ...
        remote_folder: for the bundle; by default one named after it.
        device, rail: as for `read_into`.
    """

    bundle: Path
    out: Path
    forms: list[str] = field(default_factory=list)
    options: tuple[str, ...] = ()
    python: str = "python3"
    remote_folder: str | None = None
    device: str | None = None
    rail: str | None = None


def run_on_device(request: RunRequest, remote: Remote, say: Say, complain: Say) -> bool:
    """Copy the bundle there, run it, bring its results home, and add them to `runs.yml`.

    Returns:
        Whether every new run supports a figure.

    Raises:
        DanceError: the bundle, the device, the way to it, or the runner. What was measured until
            then is in `out` all the same, and the message names the place.
    """
    bundle = read_sent_bundle(request.bundle)
    forms = bundle.choose(request.forms)
    folder = folder_there(request.remote_folder, remote, bundle)
    check_runs(request.out)
    copy_bundle(request, remote, bundle, forms, folder, say)
    results = f"{folder}/results/{datetime.now(UTC):%Y%m%dT%H%M%S.%f}"
    command = [request.python, "-u", f"{folder}/{RUNNER}", "--end-with-input", "--out", results]
    command += [part for form in forms for part in ("--form", form)]
    with tempfile.TemporaryDirectory(prefix="dance-") as temporary:
        home = Path(temporary)
        try:
            done = remote.run([*command, *request.options], say=lambda line: say(f"  {line}"))
        except BaseException as error:  # Ctrl-C too: the device has worked for it
            saved = _rescue(request, remote, results, home)
            if not isinstance(error, DanceError):
                complain(saved or "nothing was measured yet")
                raise
            if saved:
                raise type(error)(f"{error}; {saved}") from error
            if isinstance(error, ConnectionLostError):
                raise ConnectionLostError(
                    f"{error}; the runner ends by itself, with its logger; what it measured stays "
                    f"there in {results}: bring it home, and `dance device read` it"
                ) from error
            raise
        _fetch(request, remote, results, home)
        if done.status:
            saved = _keep(request, home)
            failure = _failure(remote, request.python, done)
            raise RemoteError(failure + (f"; {saved}" if saved else ""))
        return read_into(home, request.out, say, complain, device=request.device, rail=request.rail)


def folder_there(asked: str | None, remote: Remote, bundle: SentBundle) -> str:
    """Where the bundle goes: a path that is never taken for an option.

    Raises:
        RemoteError: it can't be a folder of its own.
    """
    if asked is None:
        return f"{remote.home}/{bundle.short_name}"
    path = PurePosixPath(asked.removeprefix("~/"))  # commands begin at home
    if not asked.isprintable() or path == PurePosixPath(".") or path == PurePosixPath("/"):
        raise RemoteError(f"--remote-folder {asked!r}: name a folder that is the bundle's alone")
    return f"./{path}" if str(path).startswith(("-", "~")) else str(path)


def copy_bundle(
    request: RunRequest,
    remote: Remote,
    bundle: SentBundle,
    forms: list[str],
    folder: str,
    say: Say,
) -> None:
    """Copy what is not there yet.

    Raises:
        RemoteError: an old Python, a library that is missing, no room, or the device refuses.
    """
    files = bundle.files(forms)
    found = ask(remote, request.python, "look", folder, list(files))
    there = f"{remote.name}: {request.python}"
    if tuple(found["python"]) < OLDEST:
        version = ".".join(map(str, found["python"]))
        raise RemoteError(f"{there} is {version}; 3.6 or later is needed: name it by --python")
    if found["lacks"]:
        raise RemoteError(
            f"{there} has no {' and no '.join(found['lacks'])}; install there what "
            f"{request.bundle / 'README.md'} says, or name another by --python"
        )
    missing = [name for name, digest in files.items() if found["hashes"].get(name) != digest]
    size = sum((request.bundle / name).stat().st_size for name in missing)
    if size * ROOM > found["free"]:
        raise RemoteError(
            f"{remote.name}: no space left in {folder}: {size / 1e6:.1f} MB are to come and "
            f"{found['free'] / 1e6:.1f} are free; make room, or choose another --remote-folder"
        )
    same = len(files) - len(missing)
    say(f"{remote.name}: {len(missing)} files to copy ({size / 1e6:.1f} MB), {same} there already")
    # The manifest last: until then the folder is no bundle.
    remote.push(request.bundle, [*missing, MANIFEST], folder, request.python)


def _fetch(request: RunRequest, remote: Remote, results: str, home: Path) -> None:
    there = ask(remote, request.python, "names", results)
    remote.pull(results, [name for name in KEPT if name in there], home, request.python)


def _rescue(request: RunRequest, remote: Remote, results: str, home: Path) -> str:
    """Bring home what there is, once the runner has ended; where it is, or nothing."""
    for _ in range(TRIES):
        try:
            _fetch(request, remote, results, home)
            if not (home / ABOUT).exists() or read_results(home).about.ended:
                break
        except DanceError:  # not reachable, or not yet
            pass
        time.sleep(1)
    return _keep(request, home)


def _keep(request: RunRequest, home: Path) -> str:
    """Keep results of a runner that did not come to its end, and say where."""
    try:
        results = read_results(home)
        if not results.loops:
            return ""
        name = folder_name(results, request.device or results.device)
        place = take(home, request.out, name)
    except ResultsError:
        return ""
    return (
        f"{len(results.loops)} loops were finished and are in {place}: `dance device read {place}` "
        "adds them"
    )


def _failure(remote: Remote, python: str, done: Done) -> str:
    """Why the runner ended as it did."""
    if done.status in NOT_FOUND:
        return f"{remote.name}: no {python} there; name it by --python"
    if done.status == INTERRUPTED:
        return f"{remote.name}: the runner was interrupted there"
    _, found, said = done.errors.rpartition(ERROR)
    if found:
        return f"{remote.name}: the runner stopped: {said}"
    said = done.complaint or "it said nothing"
    return f"{remote.name}: the runner failed with status {done.status}: {said}"
