"""A copy of the notebooks with a run folder that took seconds to train, and JupyterLab over it."""

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dance_lib.analysis import setup
from dance_lib.checkpoint import save
from dance_lib.study.notebook import declared_parameters
from dance_lib.study.paths import NOTEBOOKS, with_values
from dance_lib.train import Recipe, predict, train_ava, train_dense, train_gates

ROOT = Path(__file__).parents[2]
NOTEBOOK = "90_explore_activation_variance"
SIZES = {"frames": 8, "size": 32, "train_clips": 72, "test_clips": 36}
RECIPE = Recipe(dense_epochs=1, ava_epochs=1, controller_epochs=1, joint_epochs=1)
START = 60  # seconds that the server may take


def make_study(root: Path) -> Path:
    """Train what the notebook shows, a step or two of each stage; return the notebook's copy."""
    shutil.copytree(ROOT / NOTEBOOKS, root / NOTEBOOKS)
    train, _ = setup.open_sets("digits", None, fold="own", cache=str(root / "data"), **SIZES)
    net = setup.build_network("r2plus1d_narrow", train, seed=0)
    train_dense(net, train, RECIPE, seed=0)
    teacher = predict(net, train, "dense").logits
    _save(root, "01_dense", net, {})
    for ava, arm in (("none", "aap"), ("cv", "dance")):
        train_ava(net, train, RECIPE, variant=ava, teacher=teacher, seed=0)
        _save(root, "02_ava", net, {"ava": ava})
        pruned = setup.with_controller(net, ("frames", "channels", "features"), seed=0)
        train_gates(pruned, train, RECIPE, teacher=teacher, seed=0)
        _save(root, "03_aap", pruned, {"arm": arm})
    notebook = root / NOTEBOOKS / f"{NOTEBOOK}.ipynb"
    _set_parameters(notebook, {"results": "results/tiny", **SIZES})
    return notebook


def _save(root, notebook, net, values):
    template = f"results/tiny/checkpoints/{notebook}/net.safetensors"
    file = root / with_values(template, {"seed": 0, "fold": "own", **values})
    file.parent.mkdir(parents=True, exist_ok=True)
    save(net, file)


def _set_parameters(notebook, chosen):
    """Write other literals into the notebook, as its reader would."""
    content = json.loads(notebook.read_text())
    values = {**declared_parameters(notebook), **chosen}
    (cell,) = (c for c in content["cells"] if "parameters" in c["metadata"].get("tags", []))
    cell["source"] = "\n".join(f"{name} = {value!r}" for name, value in values.items())
    notebook.write_text(json.dumps(content))


@contextmanager
def jupyterlab(root: Path, home: Path) -> Iterator[str]:
    """Serve a folder on the loopback; yields the address of JupyterLab with its token.

    Args:
        home: for settings and state, so that those of the user are neither read nor written.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token = secrets.token_hex(16)
    folders = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR",
               "JUPYTERLAB_SETTINGS_DIR", "JUPYTERLAB_WORKSPACES_DIR")  # fmt: skip
    command = [
        sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1",
        f"--port={port}", "--ServerApp.port_retries=0", f"--ServerApp.root_dir={root}",
        "--LabApp.news_url=", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    ]  # fmt: skip
    environment = os.environ | {name: str(home / name.lower()) for name in folders}
    environment |= {"JUPYTER_TOKEN": token, "OMP_NUM_THREADS": "1"}
    home.mkdir(parents=True, exist_ok=True)
    with (home / "log").open("w") as log:
        server = subprocess.Popen(
            command, env=environment, stdout=log, stderr=log, start_new_session=True
        )
        try:
            _wait_for(server, port, home / "log")
            yield f"http://127.0.0.1:{port}/lab/tree/{{}}?token={token}"
        finally:
            _end(server)


def _wait_for(server, port, log):
    give_up = time.monotonic() + START
    while time.monotonic() < give_up and server.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise RuntimeError(f"JupyterLab did not start: {log.read_text()[-2000:]}")


def _end(server):
    """Ask, so that it ends its kernels; then end whatever is left of its group."""
    server.send_signal(signal.SIGTERM)
    try:
        server.wait(timeout=20)
    except subprocess.TimeoutExpired:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()
