"""Windows marked in a log of tegrastats by lines `# begin NAME` and `# end NAME`."""

import re
from dataclasses import dataclass, field

import numpy as np

from dance_lib.devices.power import LogError, Window

_MARK = re.compile(r"#\s*(begin|end)\b\s*(.*)", re.IGNORECASE)


@dataclass
class Marks:
    """Marks of one log, noted line by line.

    Attributes:
        source: the log's name.
        begins: by name the line of its begin, and the number of the first sample after it.
        ends: by name the line of its end, and the number of the last sample before it.
    """

    source: str
    begins: dict[str, tuple[int, int]] = field(default_factory=dict)
    ends: dict[str, tuple[int, int]] = field(default_factory=dict)

    def note(self, line: int, text: str, samples: int) -> None:
        """Take a line that begins with `#`, before which there were so many samples.

        Raises:
            LogError: a mark without a name, a second one of that name, or an end without a begin.
        """
        found = _MARK.fullmatch(text)
        if not found:
            return  # a remark
        kind, name, where = found[1].lower(), found[2].strip(), f"{self.source}, line {line}"
        if not name:
            raise LogError(f"{where}: a mark needs a name: # {kind} NAME")
        if name in (self.begins if kind == "begin" else self.ends):
            raise LogError(f"{where}: '{name}' {kind}s a second time; give each its own name")
        if kind == "begin":
            self.begins[name] = line, samples
        elif name not in self.begins:
            raise LogError(f"{where}: '{name}' ends and has not begun; add # begin {name} before")
        else:
            self.ends[name] = line, samples - 1

    def windows(self, times: np.ndarray) -> tuple[Window, ...]:
        """The windows, by the times of all samples, in the order in which they begin.

        Raises:
            LogError: a begin without an end, or a window with fewer than two samples.
        """
        windows = []
        for name, (line, first) in self.begins.items():
            if name not in self.ends:
                raise LogError(
                    f"{self.source}, line {line}: '{name}' begins and never ends; add # end {name}"
                )
            end, last = self.ends[name]
            if last <= first:
                raise LogError(
                    f"{self.source}, line {end}: '{name}' holds fewer than two samples, and energy "
                    "needs two or more"
                )
            windows.append(Window(name, float(times[first]), float(times[last])))
        return tuple(windows)
