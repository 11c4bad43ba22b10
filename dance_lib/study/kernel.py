"""The kernel notebooks run in: this very interpreter, whatever kernels are installed elsewhere."""

import sys
from typing import ClassVar

from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager

NAME = "python3"


class OwnKernelManager(AsyncKernelManager):
    """Starts ipykernel under `sys.executable`.

    Looking the name up would take the first `python3` of JUPYTER_PATH and the home folder, which
    may belong to another environment, and would fail where none was ever registered.

    `ended_with` is the exit status of this process's kernel once it has died, negative for a
    signal: the manager itself is gone by the time that anybody could ask it.
    """

    ended_with: ClassVar[int | None] = None

    async def is_alive(self) -> bool:  # type: ignore[override]  # a coroutine there, too
        """Whether the kernel runs; remembers how it ended."""
        if self.provisioner is not None and self.provisioner.has_process:
            OwnKernelManager.ended_with = await self.provisioner.poll()
        return await super().is_alive()

    @property
    def kernel_spec(self) -> KernelSpec:
        """The command line of the kernel."""
        command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        # What goes wrong stands in the notebook; its own log has but warnings about local sockets.
        command.append("--log-level=CRITICAL")
        return KernelSpec(argv=command, language="python", display_name=NAME)
