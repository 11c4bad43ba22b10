"""One thread for tests of small tensors, and the network and clips that they train on."""

from tests.threads import one_thread  # noqa: F401
from tests.train.fixtures import clips, net  # noqa: F401
