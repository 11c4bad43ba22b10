"""A device by a real sshd on the loopback, and by an adb that a test makes."""

import shlex
import sys

import pytest

from dance_lib.deploy.device.adb import Adb
from dance_lib.deploy.device.reach import reach
from dance_lib.deploy.device.remote import RemoteError, ask
from dance_lib.deploy.device.ssh import Ssh
from tests.deploy.sshd import sshd  # noqa: F401

ODD = 'a folder\'s "name" $HOME `id` * ü'

ADB = """#!{python}
import os, shutil, subprocess, sys
root, arguments = {root!r}, sys.argv[1:]
if arguments[:1] == ["-s"]:
    if arguments[1] != "emulator-5554":
        sys.exit("adb: device '%s' not found" % arguments[1])
    arguments = arguments[2:]
verb, *rest = arguments
os.chdir(root)
if verb == "shell":
    assert rest[0] == "-T"
    sys.exit(subprocess.run(["sh", "-c", rest[1]]).returncode)
if verb in ("push", "pull"):
    try:
        shutil.copyfile(*rest)
    except OSError as error:
        sys.exit("adb: error: %s" % error)
    print("1 file %sed" % verb)
"""


@pytest.fixture
def adb(tmp_path, monkeypatch):
    """A program of that name whose device is a folder."""
    root, programs = tmp_path / "phone", tmp_path / "programs"
    root.mkdir()
    programs.mkdir()
    (programs / "adb").write_text(ADB.format(python=sys.executable, root=str(root)))
    (programs / "adb").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    return root


def to_and_fro(remote, tmp_path, folder):
    """Files of odd names go there and come back as they were."""
    home, back = tmp_path / "home", tmp_path / "back"
    (home / "networks").mkdir(parents=True)
    back.mkdir()
    contents = {"run one's.py": b"1\n", "networks/b.onnx": bytes(range(256)) * 4096}
    for name, data in contents.items():
        (home / name).write_bytes(data)
    python = sys.executable
    found = ask(remote, python, "look", folder, list(contents))
    assert found["hashes"] == dict.fromkeys(contents)
    assert found["lacks"] == []
    assert found["free"] > 0
    remote.push(home, list(contents), folder, python)
    found = ask(remote, python, "look", folder, list(contents))
    assert all(found["hashes"].values())
    assert ask(remote, python, "names", folder) == ["run one's.py"]
    remote.pull(folder, ["run one's.py"], back, python)
    assert (back / "run one's.py").read_bytes() == b"1\n"
    assert ask(remote, python, "names", f"{folder}/nowhere") == []


# ------------------------------------------------------------------ ssh
@pytest.mark.sshd
def test_files_go_to_and_fro_by_ssh(sshd, tmp_path):  # noqa: F811
    to_and_fro(sshd.remote(), tmp_path, str(tmp_path / "there" / ODD))


@pytest.mark.sshd
def test_arguments_reach_a_command_as_they_are(sshd):  # noqa: F811
    odd = [ODD, "", "-n", "a\nb", "; exit 9", "$(exit 9)"]
    program = "import sys; print(ascii(sys.argv[1:]))"
    done = sshd.remote().run(["python3", "-c", program, *odd])
    assert (done.status, done.output.decode().strip()) == (0, ascii(odd))
    done = sshd.remote().run(["python3", "-c", "import sys; sys.exit(7)"])
    assert done.status == 7


@pytest.mark.sshd
def test_lines_are_told_as_they_come(sshd):  # noqa: F811
    told = []
    program = "print(1); print('two')"
    done = sshd.remote().run(["python3", "-c", program], say=told.append)
    assert (told, done.output) == (["1", "two"], b"")


@pytest.mark.sshd
@pytest.mark.parametrize(
    ("hosts", "reason"),
    [
        ("other hosts", "its host key is not the known one"),
        ("no hosts", "its host key is not known here"),
    ],
)
def test_an_unknown_or_wrong_host_key_is_refused(sshd, hosts, reason):  # noqa: F811
    with pytest.raises(RemoteError, match=reason):
        sshd.remote(known_hosts=sshd.folder / hosts).run(["true"])


@pytest.mark.sshd
def test_a_key_that_it_does_not_know_is_refused(sshd):  # noqa: F811
    with pytest.raises(RemoteError, match="it does not take our key"):
        sshd.remote(identity=sshd.folder / "stranger").run(["true"])


@pytest.mark.sshd
def test_no_server_and_no_python_there(sshd, tmp_path):  # noqa: F811
    with pytest.raises(RemoteError, match="no ssh server answers"):
        sshd.remote(port=1).run(["true"])
    with pytest.raises(RemoteError, match=r"no python9 there .* name it by --python"):
        ask(sshd.remote(), "python9", "look", str(tmp_path), [])
    (tmp_path / "file").write_text("")
    with pytest.raises(RemoteError, match="choose another --remote-folder"):
        ask(sshd.remote(), "python3", "look", str(tmp_path / "file" / "x"), ["a"])


@pytest.mark.parametrize("host", ["-oProxyCommand=id", "a b", "", "user@", "host;id", "$(id)"])
def test_a_host_is_never_an_option_or_a_command(host):
    with pytest.raises(RemoteError, match="is no user@host"):
        Ssh(host)


def test_ssh_checks_host_keys_and_never_asks():
    line = shlex.join(Ssh("board")._client())
    assert "StrictHostKeyChecking=yes" in line
    assert "BatchMode=yes" in line


# ------------------------------------------------------------------ adb
def test_files_go_to_and_fro_by_adb(adb, tmp_path):
    (adb / ODD).mkdir()
    to_and_fro(Adb("emulator-5554"), tmp_path, ODD)


def test_what_adb_says_becomes_a_reason(adb, monkeypatch, tmp_path):
    with pytest.raises(RemoteError, match="no such device; `adb devices` lists those"):
        Adb("other").run(["true"])
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RemoteError, match="install Android's platform tools"):
        Adb().run(["true"])


@pytest.mark.parametrize("serial", ["-s", "", "a b", "$(id)"])
def test_a_serial_is_never_an_option(serial):
    with pytest.raises(RemoteError, match="is no serial number"):
        Adb(serial)


# ------------------------------------------------------------------ which way
def test_a_device_is_named_by_one_way(tmp_path):
    assert reach(host="board", adb=False) == Ssh("board")
    assert reach(host=None, adb=True) == Adb()
    assert reach(host=None, adb=False, serial="x") == Adb("x")
    for host, way in ((None, False), ("board", True)):
        with pytest.raises(RemoteError, match="one of them"):
            reach(host=host, adb=way)
    with pytest.raises(RemoteError, match="go with --host"):
        reach(host=None, adb=True, port=22)
    with pytest.raises(RemoteError, match=r"--identity .*: no such file"):
        reach(host="board", adb=False, identity=tmp_path / "none")
