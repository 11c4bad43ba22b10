from tests.data.conftest import grey, shared_data, write_video  # noqa: F401
from tests.threads import one_thread  # noqa: F401
