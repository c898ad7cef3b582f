"""The builder's configuration, by what this version of TensorRT has."""

from typing import Any

from streamd.engine.ask import Ask
from streamd.engine.network import Network
from streamd.engine.source import Source
from streamd.errors import ModelError
from streamd.infer.library import Library

USUAL_BATCH = (1, 4, 8)


def configure(library: Library, config: Any, ask: Ask, source: Source) -> None:  # noqa: ANN401 - an IBuilderConfig
    """Set everything but the profile, the calibrator and the timing cache.

    Raises:
        ModelError: something is asked for that this version has not.
    """
    config.profiling_verbosity = _needed(library, "ProfilingVerbosity", "DETAILED", "layer information")
    if ask.workspace is not None:
        pool = _needed(library, "MemoryPoolType", "WORKSPACE", "--workspace")
        config.set_memory_pool_limit(pool, ask.workspace)
    if ask.level is not None:
        config.builder_optimization_level = ask.level
    if ask.version_compatible:
        config.set_flag(_needed(library, "BuilderFlag", "VERSION_COMPATIBLE", "--version-compatible"))
    if ask.hardware_compatible:
        _check_hardware_compatible(library)
        level = _needed(library, "HardwareCompatibilityLevel", "AMPERE_PLUS", "--hardware-compatible")
        config.hardware_compatibility_level = level
    shared = library.member("PreviewFeature", "PROFILE_SHARING_0806")
    if shared is not None and not config.get_preview_feature(shared):
        config.set_preview_feature(shared, True)  # 8.6: else one context alone could use the profile
    lent = library.member("BuilderFlag", "REQUIRE_USER_ALLOCATION")
    if lent is not None:
        config.set_flag(lent)  # TensorRT-RTX: else a run allocates by itself, which no CUDA graph can hold
    for name in precisions(library, ask, source):
        config.set_flag(_needed(library, "BuilderFlag", name, f"{name} without strong typing"))


def precisions(library: Library, ask: Ask, source: Source) -> list[str]:
    """Return the precisions that the builder must be allowed.

    None in a strongly typed network: its file says them. In any other, those that the file has, and FP16 where it is
    asked for: the builder then chooses it layer by layer. Where TensorRT itself chooses what runs in INT8, FP16 too,
    for what it leaves over.
    """
    if ask.implicit:
        return ["INT8", "FP16"]
    if library.strongly_typed:
        return []
    return [name for name, there in (("INT8", source.quantized), ("FP16", source.half or ask.fp16)) if there]


def profile(builder: Any, config: Any, network: Network, ask: Ask) -> tuple[int, ...]:  # noqa: ANN401
    """Add the profile of a model that leaves its batch open, and return its frames of a run; none where it is fixed.

    Raises:
        ModelError: --batch is asked of a model whose batch is fixed, or TensorRT refuses the profile.
    """
    image = network.inputs[0]
    fixed = image.shape[0]
    if fixed >= 0:
        if ask.batch is not None and ask.batch != (fixed,) * 3:
            raise ModelError(
                f"{ask.model}: its batch is fixed at {fixed}, --batch says {','.join(map(str, ask.batch))}",
                mend="export it with a dynamic batch, or leave --batch out",
            )
        return ()
    rows = ask.batch or USUAL_BATCH
    made = builder.create_optimization_profile()
    made.set_shape(image.name, *((count, *image.shape[1:]) for count in rows))
    if config.add_optimization_profile(made) < 0:
        raise ModelError(f"{ask.model}: TensorRT refuses the batches {','.join(map(str, rows))}", mend="give others")
    if ask.implicit and ask.int8 == "calibrator" and not config.set_calibration_profile(made):
        raise ModelError(f"{ask.model}: TensorRT refuses to calibrate at these batches", mend="give another --batch")
    return rows


def _needed(library: Library, enumeration: str, name: str, what: str) -> Any:  # noqa: ANN401
    member = library.member(enumeration, name)
    if member is None:
        raise ModelError(f"{library} has no {enumeration}.{name}, which {what} needs", mend="leave it out, or update")
    return member


def _check_hardware_compatible(library: Library) -> None:
    if library.name == "tensorrt_rtx":
        raise ModelError(
            f"--hardware-compatible is not for {library}: its engines are compiled where they are loaded",
            mend="leave it out",
        )
