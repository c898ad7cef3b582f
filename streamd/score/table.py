"""Rows of models as text, as Markdown and as JSON, each with its difference to the first."""

import dataclasses
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from streamd.score.evaluate import Row

Value = float | None
MOST_NAMED = 20  # classes in a note


@dataclass(frozen=True, slots=True)
class Column:
    """One figure. It is compared with the first row's by difference, or by ratio."""

    title: str
    get: Callable[[Row], Value]
    digits: int = 4
    ratio: bool = False

    def cell(self, row: Row, first: Row) -> str:
        """Return the figure, and how it compares where `row` is not the first."""
        value, base = self.get(row), self.get(first)
        if value is None:
            return "-"
        text = f"{value:.{self.digits}f}"
        if row is first or base is None:
            return text
        if self.ratio:
            return f"{text} (x{value / base:.2f})" if base else text
        return f"{text} ({value - base:+.{self.digits}f})"


def as_text(rows: Sequence[Row]) -> str:
    """Return the table aligned for a terminal, and below it the classes where there are any."""
    return "\n\n".join(_aligned(table) for table in _tables(rows)) + "".join(f"\n\n{note}" for note in _notes(rows))


def as_markdown(rows: Sequence[Row]) -> str:
    """Return the same tables in Markdown."""
    return "\n\n".join(_piped(table) for table in _tables(rows)) + "".join(f"\n\n{note}" for note in _notes(rows))


def as_json(rows: Sequence[Row]) -> str:
    """Return {"rows": [...]}: every field of every row, and `difference` to the first by column."""
    columns = _columns(rows)
    return json.dumps(
        {"rows": [dataclasses.asdict(row) | _difference(columns, row, rows[0]) for row in rows]}, indent=2
    )


def _columns(rows: Sequence[Row]) -> list[Column]:
    columns = [
        Column("size MB", lambda row: row.size_bytes / 1e6, 2, ratio=True),
        Column("mAP50-95", _of("detect", "map50_95")),
        Column("mAP50", _of("detect", "map50")),
        Column("Top-1", _of("classify", "top1")),
        Column("Top-5", _of("classify", "top5")),
        Column("matched@0.5", _of("agreement", "matched50")),
        Column("matched@0.9", _of("agreement", "matched90")),
        Column("strict@0.9", _of("agreement", "strict90")),
        Column("score drift", _of("agreement", "drift")),
        Column("|drift|", _of("agreement", "drift_abs")),
    ]
    for batch in sorted({one.batch for row in rows for one in row.latency}):
        columns.append(Column(f"ms @{batch}", _latency(batch, "median_ms"), 2, ratio=True))
        columns.append(Column(f"p95 @{batch}", _latency(batch, "p95_ms"), 2, ratio=True))
    return [column for column in columns if any(column.get(row) is not None for row in rows)]


def _of(part: str, name: str) -> Callable[[Row], Value]:
    return lambda row: getattr(getattr(row, part), name, None)


def _latency(batch: int, name: str) -> Callable[[Row], Value]:
    return lambda row: next((getattr(one, name) for one in row.latency if one.batch == batch), None)


def _tables(rows: Sequence[Row]) -> list[list[list[str]]]:
    columns = _columns(rows)
    names = _names(rows)
    main = [["model", "precision", *(column.title for column in columns)]]
    for row, name in zip(rows, names, strict=True):
        main.append([name, row.precision or "-", *(column.cell(row, rows[0]) for column in columns)])
    return [main, *_class_tables(rows, names)]


def _class_tables(rows: Sequence[Row], names: Sequence[str]) -> list[list[list[str]]]:
    if rows[0].detect is None:
        return []
    table = [["AP50-95 of", "objects", *names]]
    for index, kind in enumerate(rows[0].detect.classes):
        if kind.objects:
            column = Column(kind.label, _class_score(index))
            table.append([kind.label, str(kind.objects), *(column.cell(row, rows[0]) for row in rows)])
    return [table]


def _class_score(index: int) -> Callable[[Row], Value]:
    return lambda row: row.detect.classes[index].ap50_95 if row.detect else None


def _notes(rows: Sequence[Row]) -> list[str]:
    return [
        f"{name} has no class for {_few(row.unknown)}: counted as missed."
        for name, row in zip(_names(rows), rows, strict=True)
        if row.unknown
    ]


def _few(labels: Sequence[str]) -> str:
    more = len(labels) - MOST_NAMED
    return ", ".join(labels[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _names(rows: Sequence[Row]) -> list[str]:
    """Return file names, or paths where two are alike."""
    names = [Path(row.model).name for row in rows]
    return [name if names.count(name) == 1 else row.model for name, row in zip(names, rows, strict=True)]


def _aligned(table: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in table)


def _piped(table: Sequence[Sequence[str]]) -> str:
    head, *body = ("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in table)
    return "\n".join([head, "|" + " --- |" * len(table[0]), *body])


def _difference(columns: Sequence[Column], row: Row, first: Row) -> dict[str, dict[str, float]]:
    pairs = ((column.title, column.get(row), column.get(first)) for column in columns)
    return {"difference": {name: mine - base for name, mine, base in pairs if mine is not None and base is not None}}
