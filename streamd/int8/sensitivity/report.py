"""The findings of a study as JSON and as a table for a terminal."""

from collections.abc import Mapping, Sequence

import msgspec

from streamd.int8.groups import Group
from streamd.int8.sensitivity.metrics import METRICS, Measure, correlations, ranks

MODES = {"alone": "alone in INT8", "all-but": "won back by leaving it in float", "one-by-one": "with all before it"}
RANKED = ("alone", "all-but")  # the third is a running total
WIDTH = 52  # of a name; the middle of a longer one is left out


class GroupReport(msgspec.Struct, frozen=True):
    """One group: what it is, and for each mode its metrics, over all parts and for each, and its ranks from 1."""

    name: str
    layers: tuple[str, ...]
    tensors: tuple[str, ...]
    macs: int
    values: dict[str, dict[str, float]]  # mode -> metric -> value
    parts: dict[str, dict[str, dict[str, float]]]  # mode -> part -> metric -> value
    ranks: dict[str, dict[str, int]]  # mode -> metric -> rank


class Report(msgspec.Struct, frozen=True):
    """Everything that was found, the groups by depth.

    `quality` is the float model's, by `outcome`; `correlation` is that of each metric's ranks with those of `drop`.
    """

    model: str
    model_sha256: str
    pictures: int
    method: str
    outcome: str
    quality: float
    minutes: float
    correlation: dict[str, dict[str, float | None]]
    groups: tuple[GroupReport, ...]
    higher_is: str = "more sensitive"
    v: int = 1


def grouped(
    groups: Sequence[Group], found: Mapping[str, Sequence[Measure]], ranges: Sequence[float]
) -> tuple[GroupReport, ...]:
    """Return a report for each group; `found` has a measure for each of them by mode, `ranges` what screen.py says."""
    columns = {mode: columned(measures, ranges) for mode, measures in found.items()}
    order = {mode: {name: ranks(values) for name, values in table.items()} for mode, table in columns.items()}
    return tuple(
        GroupReport(
            group.name,
            group.layers,
            group.tensors,
            group.macs,
            {mode: {name: values[i] for name, values in table.items()} for mode, table in columns.items()},
            {mode: measures[i].parts for mode, measures in found.items()},
            {mode: {name: of[i] for name, of in table.items()} for mode, table in order.items() if mode in RANKED},
        )
        for i, group in enumerate(groups)
    )


def columned(measures: Sequence[Measure], ranges: Sequence[float]) -> dict[str, list[float]]:
    """Return a column of values for every metric that all `measures` have."""
    names = [name for name in METRICS if all(name in measure.whole for measure in measures)]
    columns = {name: [measure.whole[name] for measure in measures] for name in names}
    return columns | {"range": list(ranges)}


def correlated(found: Mapping[str, Sequence[Measure]], ranges: Sequence[float]) -> dict[str, dict[str, float | None]]:
    """Return for each ranked mode the rank correlation of every metric with the drop."""
    tables = {mode: columned(measures, ranges) for mode, measures in found.items() if mode in RANKED}
    return {mode: correlations(table, "drop") for mode, table in tables.items() if "drop" in table}


def as_json(report: Report) -> bytes:
    """Return the report as JSON, indented."""
    return msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n"


def as_text(report: Report, metric: str) -> str:
    """Return a table for each mode: the ranked ones most sensitive first by `metric`, the running total by depth."""
    tables = [_table(report, mode, metric) for mode in report.groups[0].values]
    head = (
        f"{report.model}: {report.outcome} {report.quality:.4f} in float, {report.pictures} pictures, {report.method}"
    )
    return "\n\n".join([head, *tables])


def _table(report: Report, mode: str, metric: str) -> str:
    names = list(report.groups[0].values[mode])
    total = sum(group.macs for group in report.groups) or 1
    rows = list(report.groups)
    if mode in RANKED:
        rows.sort(key=lambda group: group.ranks[mode].get(metric, 0))
    lines = [f"{mode}: {MODES[mode]}; higher is more sensitive", _row("group", ["MACs", *map(_title, names)])]
    for group in rows:
        cells = [f"{value:.4g}" if abs(value) < 1e-3 else f"{value:.4f}" for value in group.values[mode].values()]
        lines.append(_row(_short(group.name), [f"{group.macs / total:.1%}", *cells]))
    if mode in report.correlation:
        known = {"drop": None} | report.correlation[mode]
        cells = ["-" if known.get(name) is None else f"{known[name]:+.2f}" for name in names]
        lines.append(_row(f"rank correlation with the drop of {report.outcome}", ["", *cells]))
    return "\n".join(lines)


def _title(metric: str) -> str:
    return {"sqnr": "-SQNR dB", "cosine": "1-cos", "range": "w. ranges"}.get(metric, metric)


def _row(name: str, cells: Sequence[str]) -> str:
    return f"{name:{WIDTH}} " + " ".join(f"{cell:>10}" for cell in cells)


def _short(name: str) -> str:
    half = WIDTH // 2 - 1
    return name if len(name) <= WIDTH else f"{name[:half]}..{name[-half:]}"
