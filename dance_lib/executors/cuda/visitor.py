"""What the rewritten graph of a network calls: its units, by the plans of one batch."""

from collections.abc import Collection, Mapping
from typing import Any

from torch import Tensor

from dance_lib.executors.cuda.convolution import Convolution, laid_out
from dance_lib.executors.cuda.layout import Layout, PackedPlan
from dance_lib.executors.cuda.neighbours import Neighbours
from dance_lib.executors.masked import Masked
from dance_lib.executors.steps import Record


class Skipping(Masked):
    """Computes what is kept; masks what PyTorch computed.

    Args:
        convolutions: by unit; the others are masked.
        readers: units that read one whose output is theirs alone: its kept channels side by side.
        layout: of the plan. neighbours: of the convolutions.
        packed: the plan.
        record: is given each unit's output, clip by clip. What nobody reads is computed then, too.
    """

    def __init__(
        self,
        convolutions: Mapping[str, Convolution],
        readers: Collection[str],
        layout: Layout,
        neighbours: Neighbours,
        packed: PackedPlan,
        record: Record | None = None,
    ) -> None:
        super().__init__(layout.masks(packed))
        self._convolutions, self._record = convolutions, record
        self._tight = readers if record is None else ()
        self._lists = layout.lists(packed, close=record is None)
        self._met = neighbours(self._lists)

    def unit(self, name: str, output: Tensor) -> Tensor:
        """M_u ⊙ y_u, recorded."""
        return self._recorded(name, super().unit(name, output))

    def pool(self, name: str, pooled: Tensor) -> Tensor:
        """Mean over all positions -> mean over kept ones; counted, since half precision can't."""
        masks = self.masks
        kept = masks.frames[name].sum(1) * masks.features[name].sum((1, 2))  # (N,)
        total = masks.frames[name].shape[1] * masks.features[name][0].numel()
        scale = (total / kept.clamp(min=1)).float()  # may be beyond what half precision holds
        scaled = pooled.float() * scale.reshape(-1, *[1] * (pooled.dim() - 1))
        return scaled.to(pooled.dtype)

    def convolve(self, name: str, x: Tensor, fill: bool, ends: bool) -> Tensor:
        """A unit's convolution, norm and ReLU.

        Args:
            fill: whether to write zeros where the plan drops; else what is kept lies side by side.
            ends: whether this is the unit's output; else `unit` is called with what becomes of it.
        """
        tight = not fill and self._record is None
        y = self._run(name, x, tight_out=tight)
        return self._recorded(name, y) if ends else y

    def add(
        self,
        name: str,
        x: Tensor,
        stream: Tensor,
        free: bool,
        relu: bool,
        positive: bool,
    ) -> Tensor:
        """The same of the last unit of a branch, added to the residual stream.

        Args:
            free: whether the stream may be overwritten.
            relu: whether a ReLU follows the sum.
            positive: whether that would change nothing of the stream itself.
        """
        if self._record is not None:
            self.convolve(name, x, fill=True, ends=True)
        total = laid_out(stream, copy=not free)
        self._run(name, x, onto=total, relu_sum=relu)
        return total.relu_() if relu and not positive else total  # where nothing was added

    def _run(self, name: str, x: Tensor, **how: Any) -> Tensor:
        convolution, tight = self._convolutions[name], name in self._tight
        return convolution(x, self._lists, self._met[name], tight_in=tight, **how)

    def _recorded(self, name: str, output: Tensor) -> Tensor:
        if self._record is not None:
            for n in range(len(output)):
                self._record(name, output[n : n + 1].clone())
        return output
