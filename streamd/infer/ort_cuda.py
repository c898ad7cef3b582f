"""The backend for `.onnx` on a GPU: ONNX Runtime's CUDA provider, bound to device memory, on a stream of ours.

A run is put on the stream and the thread goes on; nothing is copied, since inputs and outputs are bound by address.
The library plans kernels and memory by shape, and plans anew whenever that changes, for tens of milliseconds. So runs
have one of a few sizes, 1, 4, 16 ... rows up to the batch, each with a session of its own that has run beforehand,
and a CUDA graph of it for every slot, unless one cannot be captured: an operator that waits for the GPU, as NMS within
a model does, or one of the host's. After that nothing is allocated. Outputs whose shape hangs on what is seen are made
by the runtime on the host: a run with such has no graph, and waits for them.
"""

import io
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import onnxruntime as ort  # type: ignore[import-untyped]  # it ships no types
import structlog

from streamd.errors import DeviceError, ModelError
from streamd.gpu.device import Gpu, open_gpu
from streamd.infer import Array
from streamd.infer.bound import Bound
from streamd.infer.device import DeviceSlots
from streamd.infer.operators import refuse_fatal, ungraphed
from streamd.infer.session import FAILURES, SILENT, fetched, leave_open, open_session, reason
from streamd.infer.settle import Settled, settle
from streamd.manifest import Manifest

PROVIDER = "CUDAExecutionProvider"


@dataclass(frozen=True, slots=True)
class _Run:
    """One slot at one size: its bindings, and what puts it on the stream."""

    binding: ort.IOBinding
    launch: Callable[[], None]


class OrtCuda(Bound):
    """A DeviceBackend over the sessions of one model, and the bindings of its slots."""

    def __init__(
        self,
        path: Path,
        opened: Settled,
        slots: DeviceSlots,
        sessions: Mapping[int, ort.InferenceSession],
        *,
        graphs: bool,
    ) -> None:
        """Run `sessions`, one for each size of run, on `slots`; they run on the stream of their timeline.

        `graphs` tells whether it may be tried to record them.

        Raises:
            ModelError: a first run failed.
        """
        super().__init__(opened.manifest, opened.rows, slots)
        self._path = path
        self._names = [output.name for output in opened.manifest.outputs]
        self._sizes = sorted(sessions)
        self._sessions = dict(sessions)  # their memory is what graphs run in, and neither those nor bindings hold them
        self._graphs = graphs
        self._made: list[dict[str, Array]] = [{} for _ in slots.inputs]
        self._options = ort.RunOptions()
        self._options.add_run_config_entry("disable_synchronize_execution_providers", "1")
        self._runs = {
            (slot, rows): self._prepare(session, slot, rows)
            for rows, session in sessions.items()
            for slot in range(len(slots.inputs))
        }

    def close(self) -> None:
        """Wait for what runs, then let go of the sessions and the memory; safe twice."""
        self.slots.close()
        self._runs.clear()
        self._sessions.clear()

    def _launch(self, slot: int, rows: int) -> None:
        size = next(size for size in self._sizes if size >= rows)
        run, known = self._runs[slot, size], self.slots.outputs[slot]
        with self.slots.timeline.running(slot) as stream:
            run.launch()
            if len(known) < len(self._names):  # made on the host, by copies that are on the stream, too
                stream.synchronize()
        self._made[slot] = fetched(self._path, self._names, known, run.binding, size)

    def _on_host(self, slot: int) -> Mapping[str, Array]:
        return self._made[slot]

    def _prepare(self, session: ort.InferenceSession, slot: int, rows: int) -> _Run:
        """Bind one slot at one size, and run it: for its kernels to be chosen, and its memory taken."""
        binding = self._bind(session, slot, rows)
        unknown = [name for name in self._names if name not in self.slots.outputs[slot]]

        def launch() -> None:
            leave_open(binding, unknown)
            try:
                session.run_with_iobinding(binding, self._options)
            except FAILURES as error:
                raise ModelError(f"{self._path}: a run of {rows} rows failed: {reason(error)}") from error

        with self.slots.timeline.running(slot) as stream:
            launch()
            stream.synchronize()
            if not self._graphs or unknown:
                return _Run(binding, launch)
            try:
                return _Run(binding, self.slots.gpu.capture(launch, stream))
            except (DeviceError, ModelError) as error:
                self._graphs = False  # what one slot cannot, none can
                structlog.get_logger().info("no CUDA graphs", model=str(self._path), reason=str(error))
                launch()  # it is to be known here whether it still runs
                stream.synchronize()
                return _Run(binding, launch)

    def _bind(self, session: ort.InferenceSession, slot: int, rows: int) -> ort.IOBinding:
        binding = session.io_binding()
        gpu, image = self.slots.gpu, self.slots.inputs[slot]
        binding.bind_input(
            self.manifest.input.name,
            gpu.kind,
            gpu.index,
            image.dtype.type,
            (rows, *image.shape[1:]),
            gpu.address(image),
        )
        for output in self.manifest.outputs:
            array = self.slots.outputs[slot].get(output.name)
            if array is None:
                binding.bind_output(output.name, "cpu")
            else:
                shape = (rows, *array.shape[1:])
                binding.bind_output(output.name, gpu.kind, gpu.index, array.dtype.type, shape, gpu.address(array))
        return binding


def load(path: Path, sidecar: Manifest | None, *, batch: int, device: str) -> OrtCuda:
    """Open the model at `path` on `device` (`cuda:N`), describe it, and run every size of batch once.

    Raises:
        ModelError: the file or its manifest cannot be used, or is not for a GPU; or this ONNX Runtime has no working
            CUDA provider.
        DeviceError: there is no such GPU, or it has no memory left.
    """
    if PROVIDER not in ort.get_available_providers():
        raise ModelError(
            f"{path}: this ONNX Runtime runs on the CPU alone, not on '{device}'",
            mend="pip uninstall onnxruntime, pip install 'onnxruntime-gpu[cuda,cudnn]'; or build an engine of it "
            "(`streamd build`); or set device: cpu",
        )
    ort.set_default_logger_severity(SILENT)  # it warns of every session, by a logger that no session's options reach
    if hasattr(ort, "preload_dlls"):
        with redirect_stdout(io.StringIO()):  # it prints what it does not find; the provider may load all the same
            ort.preload_dlls()
    gpu = open_gpu(device)
    refuse_fatal(path)
    with TemporaryDirectory(prefix="streamd-") as folder:
        opened = settle(path, sidecar, batch, lambda sides: _open(path, sides, gpu, profile=f"{folder}/run"))
        unfit = ungraphed(opened.session, PROVIDER)
    opened = replace(opened, session=None)  # its memory is for those that follow
    if unfit:
        structlog.get_logger().info("no CUDA graphs", model=str(path), reason=unfit)
    rows = opened.manifest.batch or opened.rows
    known = {
        output.name: (opened.known[output.name].shape[1:], opened.known[output.name].dtype)
        for output in opened.manifest.outputs
        if output.name in opened.known
    }
    slots = DeviceSlots(gpu, opened.manifest, rows, known)
    try:
        try:
            return _bound(path, opened, slots, graphs=not unfit)
        except ModelError as error:
            if unfit:
                raise
            # A graph that is refused halfway may leave the library's handles of no use: once more, and without.
            structlog.get_logger().warning("no CUDA graphs", model=str(path), reason=str(error))
        # Only here: the error holds what was opened, and the GPU may have no room for both.
        return _bound(path, opened, slots, graphs=False)
    except BaseException:
        slots.close()
        raise


def _bound(path: Path, opened: Settled, slots: DeviceSlots, *, graphs: bool) -> OrtCuda:
    """Open a session for each size of run, on the stream that is there for them only now, and run them."""
    stream = slots.timeline.run_stream.ptr
    sessions = {
        size: _open(path, opened.sides, slots.gpu, stream=stream) for size in sizes(opened.manifest.batch, opened.rows)
    }
    return OrtCuda(path, opened, slots, sessions, graphs=graphs)


def sizes(fixed: int, most: int, base: int = 4) -> tuple[int, ...]:
    """Return the rows that runs have: `fixed` where the model has it so, else the powers of `base`, and `most`."""
    if fixed:
        return (fixed,)
    powers = (base**power for power in range(most.bit_length()))
    return (*(size for size in powers if size < most), most)


def _open(
    path: Path, sides: Mapping[str, int], gpu: Gpu, *, stream: int | None = None, profile: str = ""
) -> ort.InferenceSession:
    options: dict[str, str] = {"device_id": str(gpu.index), "cudnn_conv_algo_search": "HEURISTIC"}
    if stream is not None:
        options["user_compute_stream"] = str(stream)
    session = open_session(path, threads=1, spin="never", sides=sides, providers=[(PROVIDER, options)], profile=profile)
    if PROVIDER not in session.get_providers():
        raise ModelError(
            f"{path}: ONNX Runtime cannot load its CUDA provider",
            mend="pip install 'onnxruntime-gpu[cuda,cudnn]' for this driver; `streamd doctor` tells more",
        )
    return session
