"""The build: ONNX file, network, configuration, engine. One attempt as it was asked for, and FP16 where INT8 cannot be.

TensorRT runs in the calling thread, and calls back into it (watch.py). Nothing is written but the timing cache.
"""

import dataclasses
import hashlib
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import structlog
from msgspec.structs import replace

from streamd import manifest
from streamd.engine import network, ranges, source
from streamd.engine.ask import Ask
from streamd.engine.audit import Audit, audit
from streamd.engine.calibrators import Feed, calibrator
from streamd.engine.configure import configure, profile
from streamd.engine.inspector import inspect
from streamd.engine.layers import Layer, of_log
from streamd.engine.source import Source
from streamd.engine.target import Target
from streamd.engine.timing import TimingCache
from streamd.engine.watch import Watch, monitor
from streamd.errors import ModelError
from streamd.infer.describe import describe
from streamd.infer.library import Library
from streamd.infer.tensors import Tensor
from streamd.manifest import Built, Manifest

Precision = Literal["fp32", "fp16", "int8"]


class Cancelled(Exception):
    """The build was asked to stop, and did: a signal, no error."""


class CannotBuild(Exception):
    """TensorRT took the network and made no engine of it: a signal, for another precision may still be built."""


@dataclass(slots=True)
class Implicit:
    """What implicit INT8 needs: pictures for a calibrator, or scales for ranges."""

    feed: Feed | None = None
    scales: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Made:
    """An engine that was built: its plan, its manifest, the audit of its layers (None where TensorRT tells nothing)."""

    plan: bytes
    manifest: Manifest
    audit: Audit | None
    seconds: float
    notes: tuple[str, ...]


def built(library: Library, ask: Ask, read: Source, target: Target | None) -> Built:
    """Return what an engine that is asked for would be built by, for, from and how."""
    return Built(
        tensorrt=library.version,
        gpu=target.name if target else "",
        compute_capability=target.compute_capability if target else "",
        onnx_sha256=read.sha256,
        sidecar_sha256=hashlib.sha256(manifest.encoded(read.sidecar)).hexdigest() if read.sidecar else "",
        library=library.name,
        onnx=_from(ask.model, ask.out.parent),
        options=ask.options(),
    )


def build(
    library: Library,
    ask: Ask,
    read: Source,
    target: Target | None,
    watch: Watch,
    timing: TimingCache | None = None,
    implicit: Implicit | None = None,
) -> Made:
    """Build what is asked for. Where INT8 cannot be built, build FP16 and say so in `notes`, unless `strict`.

    Raises:
        ModelError: the file cannot be built, or not as asked for.
        Cancelled: `watch` asked to stop.
    """
    begun = time.monotonic()
    attempt = _Attempt(library, ask, target, watch, timing, implicit or Implicit())
    if ask.implicit and read.quantized:
        raise ModelError(f"{ask.model}: its Q and DQ nodes say what is INT8", mend=f"leave out --int8 {ask.int8}")
    wanted = source.settled(read, ask.size)
    if ask.fp16 and not ask.implicit and library.strongly_typed:
        wanted = source.halved(wanted)
    integer = wanted.quantized or ask.implicit
    reason = f"{target} has no INT8" if integer and target is not None and not target.has_int8 else ""
    try:
        if reason:
            raise CannotBuild(reason)
        plan, described = attempt(wanted)
        notes: tuple[str, ...] = ()
    except CannotBuild as error:
        if not integer or ask.strict:
            raise ModelError(f"{ask.model}: {error}", mend=_mend(integer)) from error
        watch.clear()
        wanted = source.without_int8(wanted) if wanted.quantized else source.halved(wanted)
        plan, described = attempt(wanted, fallback=True)
        notes = (f"INT8 cannot be built ({error}): this is FP16",)
    precision: Precision = "fp16" if notes else "int8" if integer else "fp16" if wanted.half or ask.fp16 else "fp32"
    facts = replace(built(library, ask, read, target), profile=attempt.profile)
    layers = attempt.layers(plan, facts)
    told = audit(layers) if layers else None
    described = replace(described, precision=precision, built=replace(facts, verdict=told.verdict if told else ""))
    return Made(plan, described, told, time.monotonic() - begun, notes)


class _Attempt:
    """One run of the builder after the other; `profile` is the last one's."""

    def __init__(
        self,
        library: Library,
        ask: Ask,
        target: Target | None,
        watch: Watch,
        timing: TimingCache | None,
        implicit: Implicit,
    ) -> None:
        self._library = library
        self._ask = ask
        self._target = target
        self._watch = watch
        self._timing = timing
        self._implicit = implicit
        self._logger = library.logger(watch)  # outlives everything that was made with it
        self.profile: tuple[int, ...] = ()

    def __call__(self, wanted: Source, *, fallback: bool = False) -> tuple[bytes, Manifest]:
        library, watch, logger = self._library, self._watch, self._logger
        ask = dataclasses.replace(self._ask, int8="qdq") if fallback else self._ask
        builder = network.open_builder(library, logger, watch)
        parsed = network.parse(library, builder, logger, wanted, typed=not ask.implicit)
        described = _described(ask, wanted, parsed)
        config = builder.create_builder_config()
        configure(library, config, ask, wanted)
        self.profile = profile(builder, config, parsed, ask)
        held = self._make_int8(ask, parsed, config)
        if library.reports_progress:
            held.append(monitor(library, watch))
            config.progress_monitor = held[-1]
        said = len(watch.warnings)
        if self._timing is not None:
            self._timing.load(config)
        watch.errors.clear()  # of a cache that TensorRT did not take: the build goes on without it
        del watch.warnings[said:]
        made = builder.build_serialized_network(parsed.definition, config)
        if self._implicit.feed is not None:
            self._implicit.feed.check()
        if watch.stopped():
            raise Cancelled
        if made is None:
            raise CannotBuild(f"{library} made no engine: {watch.reason()}")
        if self._timing is not None:
            self._timing.save(config)
        return bytes(made), described

    def layers(self, plan: bytes, facts: Built) -> list[Layer]:
        """Return what became of each layer: from the inspector where there is a GPU, else from the build's log.

        Nothing where neither tells: an audit is worth no engine.
        """
        if self._target is None:
            return of_log(self._watch.layers)
        try:
            return inspect(self._library, self._logger, plan, facts)
        except ModelError as error:
            structlog.get_logger().warning("engine not audited", reason=str(error))
            return of_log(self._watch.layers)

    def _make_int8(self, ask: Ask, parsed: network.Network, config: Any) -> list[Any]:  # noqa: ANN401
        """Set what implicit INT8 needs, and return what must live as long as the build."""
        if ask.int8 == "calibrator" and self._implicit.feed is not None:
            fed = calibrator(self._library, ask.calibrator, self._implicit.feed)
            config.int8_calibrator = fed
            return [fed]
        if ask.int8 == "dynamic-range":
            ranges.apply(self._library, parsed, self._implicit.scales)
        return []


def _described(ask: Ask, wanted: Source, parsed: network.Network) -> Manifest:
    """Return the manifest by which the engine runs: the ONNX file's, held against the network, or a guess."""
    sidecar = wanted.sidecar
    if sidecar is not None and ask.size is not None:
        sidecar = replace(sidecar, input=replace(sidecar.input, width=ask.size[0], height=ask.size[1]), outputs=())
    outputs = [_batched(tensor, parsed.inputs[0]) for tensor in parsed.outputs]
    return describe(wanted.path, sidecar, parsed.inputs, outputs, wanted.metadata)


def _batched(tensor: Tensor, image: Tensor) -> Tensor:
    """Return an output whose first side, where TensorRT cannot tell it, is the batch."""
    known = tensor.shape[:1] not in ((-1,), ())
    return tensor if known else Tensor(tensor.name, tensor.dtype, (image.shape[0], *tensor.shape[1:]))


def _mend(integer: bool) -> str:
    return "leave --strict out to get FP16 instead" if integer else "see the log: --log FILE"


def _from(model: Path, folder: Path) -> str:
    """Return where the ONNX file is, from the folder of the engine."""
    return os.path.relpath(model.resolve(), folder.resolve())
