"""Work that is put on a stream again and again, recorded once as a CUDA graph: one call in place of many.

Every call of CUDA gives up Python's lock and takes a lock of the driver, and decoding threads want both. So what counts
is how many calls there are.
"""

from collections.abc import Callable

import structlog

from streamd.errors import DeviceError
from streamd.gpu.arrays import Stream
from streamd.gpu.device import Gpu


def record(gpu: Gpu, work: Callable[[], None], stream: Stream, name: str) -> Callable[[], None]:
    """Do `work`, which puts something on `stream`, once; return what does it again, by a graph where there can be one.

    `name` is what the log calls it where there cannot. The stream has caught up afterwards.
    """
    work()
    stream.synchronize()
    try:
        return gpu.capture(work, stream)
    except DeviceError as error:
        structlog.get_logger().info("no CUDA graph", of=name, reason=str(error))
        return work
