"""What a notebook needs of the study: a run to write by, and the tables of the others.

```python
from dance_lib import study

run = study.Run("03_aap", **study.parameters(globals(), "03_aap"))
dense = study.read(results, "01_dense", "clips", seed=seed)
run.write(table, "clips")
run.finish(data_hash=clips.hash)
```
"""

from dance_lib.study.inside import paper_file, parameter, parameter_by, parameters, titles
from dance_lib.study.products import MissingProductError, find, read, runs
from dance_lib.study.run import KINDS, Run

__all__ = [
    "KINDS",
    "MissingProductError",
    "Run",
    "find",
    "paper_file",
    "parameter",
    "parameter_by",
    "parameters",
    "read",
    "runs",
    "titles",
]
