"""The way to a device, as the command line names it."""

from pathlib import Path

from dance_lib.deploy.device.adb import Adb
from dance_lib.deploy.device.remote import Remote, RemoteError
from dance_lib.deploy.device.ssh import Ssh


def reach(
    *,
    host: str | None,
    adb: bool,
    serial: str | None = None,
    port: int | None = None,
    identity: Path | None = None,
    known_hosts: Path | None = None,
    config: Path | None = None,
) -> Remote:
    """A device by ssh, or by adb.

    Raises:
        RemoteError: neither or both are named, or an option of the other.
    """
    adb = adb or serial is not None
    if (host is not None) == adb:
        raise RemoteError("name the device by --host USER@HOST, or by --adb; one of them")
    if host is None:
        if any(option is not None for option in (port, identity, known_hosts, config)):
            raise RemoteError("--port, --identity, --known-hosts and --ssh-config go with --host")
        return Adb(serial)
    return Ssh(host, port, identity, known_hosts, config)
