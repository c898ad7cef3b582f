"""A status page as a table for a terminal: plain text, with the colours of ANSI where they are wanted."""

from collections.abc import Mapping
from typing import Any

COLUMNS = ("CAMERA", "STATE", "FPS", "AGE", "LATENCY", "DECODED", "DROPPED", "TRIES", "VIDEO", "")
RIGHT = {"FPS", "AGE", "LATENCY", "DECODED", "DROPPED", "TRIES"}
COLOURS = {"online": "32", "ended": "2", "connecting": "33", "stalled": "33", "reconnecting": "33"}  # others: red


def lines(status: Mapping[str, Any], width: int, height: int = 0, *, colour: bool = False) -> list[str]:
    """Return the table, no line wider than `width`; of more than `height` lines the last tells how many are left out.

    0 is no limit.
    """
    rows = [_row(name, camera) for name, camera in status["cameras"].items()]
    widths = [max(map(len, cells)) for cells in zip(COLUMNS, *rows, strict=True)]
    table = [head(status), "", _line(COLUMNS, widths), *(_line(row, widths) for row in rows)]
    for name, model in status.get("models", {}).items():
        times = "  ".join(f"{stage} {ms:.1f} ms" for stage, ms in model["stage_mean_ms"].items())
        table.append(f"model {name}: {model['frames']} frames, {model['rows_mean']:.1f} a run  {times}")
    shown = [_plain(line)[:width] for line in table]
    if colour:
        for number, row in enumerate(rows, 3):
            state = row[1].ljust(widths[1])
            shown[number] = shown[number].replace(state, f"\x1b[{COLOURS.get(row[1], '31')}m{state}\x1b[0m", 1)
    if height and len(shown) > height:
        shown = [*shown[: height - 1], f"and {len(shown) - height + 1} lines more; --json has them all"]
    return shown


def head(status: Mapping[str, Any]) -> str:
    """Return the daemon itself in one line."""
    config = status.get("config", {})
    said = [
        f"streamd {status.get('version', '?')}",
        f"up {_span(status.get('uptime_s', 0))}",
        "ready" if status.get("ready") else "not ready",
        *([] if status.get("live", True) else ["NOT LIVE"]),
        f"configuration {config.get('generation', '?')}",
        *(f"{count} reading {name}" for name, count in status.get("subscriptions", {}).items()),
        *(f"{device} {used / 2**30:.1f} GiB" for device, used in status.get("gpu_memory_bytes", {}).items()),
    ]
    refused = str(config.get("refused_because") or "").partition("\n")[0]
    return ", ".join(said) + (f"; last reload refused: {refused}" if refused else "")


def _row(name: str, camera: Mapping[str, Any]) -> tuple[str, ...]:
    age_s = camera["last_frame_age_s"]
    return (
        name,
        camera["state"],
        f"{camera['fps']:.1f}",
        "-" if age_s is None else f"{age_s:.1f} s",
        f"{camera['latency_mean_ms']:.0f} ms",
        str(camera["decoded"]),
        str(sum(camera["dropped"].values()) + camera["corrupt"]),
        str(sum(camera["reconnects"].values())),
        "watched" if camera["video"]["wanted"] else "-",
        camera["reason"],
    )


def _line(cells: tuple[str, ...], widths: list[int]) -> str:
    padded = (
        cell.rjust(width) if name in RIGHT else cell.ljust(width)
        for name, cell, width in zip(COLUMNS, cells, widths, strict=True)
    )
    return "  ".join(padded).rstrip()


def _span(seconds: float) -> str:
    whole = int(seconds)
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if whole >= 2 * size:
            return f"{whole // size} {unit}"
    return f"{whole} s"


def _plain(text: str) -> str:
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)
