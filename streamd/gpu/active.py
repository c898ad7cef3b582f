"""Which GPU is a thread's current one, and what CUDA refuses there, told as an error of that GPU."""

from threading import local
from types import ModuleType

from streamd.errors import DeviceError

NO_MEMORY = 2  # cudaErrorMemoryAllocation, CUDA_ERROR_OUT_OF_MEMORY
LESS = "lower batch, or use fewer models"


class Active:
    """A GPU as a thread's current one. A thread that was on none stays on it: most serve one GPU all their life.

    CUDA is asked each time which one is current: ONNX Runtime, too, changes that, and does not change it back.
    """

    _thread = local()

    def __init__(self, cupy: ModuleType, index: int) -> None:
        self._cuda = cupy.cuda
        self._index = index
        self._refused = (cupy.cuda.runtime.CUDARuntimeError, cupy.cuda.driver.CUDADriverError)

    def __enter__(self) -> None:
        before: list[int | None] | None = self._thread.__dict__.get("before")
        if before is None:
            before, now = self._thread.__dict__.setdefault("before", []), None
        else:
            now = self._cuda.runtime.getDevice()
        if now != self._index:
            try:
                self._cuda.Device(self._index).use()
            except self._refused as error:
                raise self._told(error) from error
        before.append(now)

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        before = self._thread.before.pop()
        if before is not None and before != self._index:
            try:
                self._cuda.Device(before).use()
            except self._refused as lost:
                error = error or lost
        if isinstance(error, self._refused):
            raise self._told(error) from error

    def _told(self, error: Exception) -> DeviceError:
        full = getattr(error, "status", 0) == NO_MEMORY
        mend = LESS if full else "see `nvidia-smi` and `dmesg`, and start streamd again"
        return DeviceError(f"cuda:{self._index}: {error}", mend=mend)
