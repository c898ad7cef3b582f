"""What `streamd build` is asked for, and what stands in its way: told before the work of minutes."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from streamd.engine.ask import Ask
    from streamd.infer.library import Library


def engine(model: Path, given: dict[str, Any]) -> Path:
    """Return where the engine goes."""
    out: Path = given["out"] or model.with_suffix(".engine")
    return out


def check_places(model: Path, given: dict[str, Any]) -> None:
    """Check that every file can be written, and replaces neither another nor one that is read; and that of `--check`.

    Raises:
        ModelError: the engine is not called one.
        DataError: one of them cannot be written, is another's, or there is nothing to compare on.
    """
    from streamd import manifest, output  # noqa: PLC0415 - they take longer to import than `streamd --help` may
    from streamd.errors import DataError, ModelError  # noqa: PLC0415
    from streamd.int8 import data  # noqa: PLC0415

    out = engine(model, given)
    if out.suffix.lower() != ".engine":
        raise ModelError(f"--out {out}: `streamd serve` knows an engine by its ending", mend="name it NAME.engine")
    taken = {os.path.realpath(path) for path in (model, manifest.beside(model), given["calibration"]) if path}
    written = {"--out": out, "--log": given["log_file"], "--audit": given["audit_file"], "--cache": given["cache"]}
    for option, path in written.items():
        if path is None:
            continue
        if option != "--cache" or not path.exists():
            output.check_file(path, option=option)
        places = (path, manifest.beside(path)) if option == "--out" else (path,)
        names = {os.path.realpath(place) for place in places}
        if names & taken:
            raise DataError(f"{option} {path}: is another file of this work", mend="name a file of its own")
        taken |= names
    output.check_file(manifest.beside(out))
    if given["check"]:
        data.find(given["check"])


def asked(model: Path, given: dict[str, Any], *, open_batch: bool) -> "Ask":
    """Return what the options ask for of `model`, which leaves its batch open or not."""
    from streamd.engine.ask import Ask  # noqa: PLC0415 - as above

    most = given["batch_up_to"]
    batch = (1, most, most) if most and open_batch and not given["batch"] else given["batch"]
    same = ("size", "fp16", "int8", "calibrator", "workspace", "level", "strict")
    facts: list[str] = []
    if given["int8"] == "calibrator":
        facts += [word for path in given["data"] for word in ("--data", str(path.absolute()))]
        facts += ["--frames", str(given["frames"])]
    if given["int8"] != "qdq" and given["cache"] is not None:
        facts += ["--cache", str(given["cache"].absolute())]
    if given["int8"] == "dynamic-range" and given["calibration"] is not None:
        facts += ["--calibration", str(given["calibration"].absolute()), "--method", given["method"]]
    return Ask(
        model,
        engine(model, given),
        batch=batch,
        **{name: given[name] for name in same},
        version_compatible=given["version_compatible"],
        hardware_compatible=given["hardware_compatible"],
        facts=tuple(facts),
    )


def check_implicit(library: "Library", ask: "Ask") -> None:
    """Refuse implicit INT8 where this TensorRT has none, and say what to use instead."""
    from streamd.errors import ModelError  # noqa: PLC0415

    has = {"qdq": True, "calibrator": library.calibrates, "dynamic-range": library.takes_ranges}
    if not has[ask.int8]:
        raise ModelError(
            f"{library} has no --int8 {ask.int8}: it ended with TensorRT 10",
            mend=f"streamd quantize {ask.model} --data PICTURES --out int8/, then streamd build "
            f"int8/{ask.model.stem}.trt.onnx",
        )
