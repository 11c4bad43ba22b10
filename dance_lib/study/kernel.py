"""The kernel notebooks run in: this very interpreter, whatever kernels are installed elsewhere."""

import sys

from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager

NAME = "python3"


class OwnKernelManager(AsyncKernelManager):
    """Starts ipykernel under `sys.executable`.

    Looking the name up would take the first `python3` of JUPYTER_PATH and the home folder, which
    may belong to another environment, and would fail where none was ever registered.
    """

    @property
    def kernel_spec(self) -> KernelSpec:
        """The command line of the kernel."""
        command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        # What goes wrong stands in the notebook; its own log has but warnings about local sockets.
        command.append("--log-level=CRITICAL")
        return KernelSpec(argv=command, language="python", display_name=NAME)
