"""The findings as a picture: for each metric a row of bars, one a group, over the network's depth. Plain SVG."""

import math
from collections.abc import Sequence
from xml.sax.saxutils import escape

from streamd.int8.sensitivity.report import MODES, RANKED, GroupReport, Report

TITLES = {
    "mse": "mean squared error",
    "sqnr": "noise over signal, dB",
    "cosine": "1 - cosine",
    "kl": "KL divergence of scores, nats",
    "range": "ratio of weight ranges",
    "drop": "drop of",
}
LOGARITHMIC = {"mse", "cosine", "kl", "range"}
LEFT, RIGHT, BAR, ROW, GAP = 70, 20, 14, 90, 34  # pixels
NAMES = 190  # pixels below the last row, for names written upwards
WORST, OTHER, RULE = "#c0392b", "#4a7fb5", "#cccccc"
DECADES = 6.0  # shown of what spans more
MARKED = 3  # so many of a row stand out, fewer where more are equal


def draw(report: Report) -> str:
    """Return an SVG of every mode and metric of `report`."""
    charts = [(mode, metric) for mode, values in report.groups[0].values.items() for metric in values]
    charts = [(mode, metric) for mode, metric in charts if metric != "range" or mode == charts[0][0]]
    width = LEFT + BAR * len(report.groups) + RIGHT
    height = GAP + (ROW + GAP) * len(charts) + NAMES
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{max(width, 520)}" height="{height}" '
        f'font-family="sans-serif" font-size="11">',
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="8" y="16" font-size="13">{escape(report.model)}, {report.pictures} pictures, {report.method}: '
        "higher is more sensitive</text>",
    ]
    for row, (mode, metric) in enumerate(charts):
        parts.append(_chart(report, mode, metric, GAP + row * (ROW + GAP)))
    parts.append(_names(report.groups, GAP + (ROW + GAP) * len(charts)))
    return "\n".join([*parts, "</svg>", ""])


def _chart(report: Report, mode: str, metric: str, top: int) -> str:
    values = [group.values[mode][metric] for group in report.groups]
    heights, low, high = _heights(values, metric)
    marked = _marked(report.groups, mode, metric)
    title = f"{TITLES[metric]} {report.outcome}" if metric == "drop" else TITLES[metric]
    where = "" if metric == "range" else f", {MODES[mode]}"
    where += " (logarithmic)" if metric in LOGARITHMIC and min(values) >= 0 else ""
    base = top + GAP - 16 + ROW
    lines = [
        f'<text x="{LEFT}" y="{top + 14}">{escape(title + where)}</text>',
        f'<text x="{LEFT - 6}" y="{base - ROW + 8}" text-anchor="end" fill="#666">{high:.3g}</text>',
        f'<text x="{LEFT - 6}" y="{base}" text-anchor="end" fill="#666">{low:.3g}</text>',
        f'<path d="M{LEFT} {base}H{LEFT + BAR * len(values)}" stroke="{RULE}"/>',
    ]
    for i, (value, part) in enumerate(zip(values, heights, strict=True)):
        tall = max(part * ROW, 0.5)
        colour = WORST if i in marked else OTHER
        lines.append(
            f'<rect x="{LEFT + i * BAR + 1}" y="{base - tall:.1f}" width="{BAR - 3}" height="{tall:.1f}" '
            f'fill="{colour}"><title>{escape(report.groups[i].name)}: {value:.4g}</title></rect>'
        )
    return "\n".join(lines)


def _heights(values: Sequence[float], metric: str) -> tuple[list[float], float, float]:
    """Return the height of each bar from 0 to 1, and what the foot and the top of the row stand for."""
    low, high = min(values), max(values)
    if metric in LOGARITHMIC and low >= 0 and high > 0:
        foot = max(min(value for value in values if value > 0), high * 10**-DECADES)
        span = math.log(high / foot) or 1.0
        return [math.log(max(value, foot) / foot) / span for value in values], foot, high
    low = min(low, 0.0) if metric == "drop" else low
    span = (high - low) or 1.0
    return [(value - low) / span for value in values], low, high


def _marked(groups: Sequence[GroupReport], mode: str, metric: str) -> set[int]:
    if mode not in RANKED:
        return set()
    values = [group.values[mode][metric] for group in groups]
    return {i for i, value in enumerate(values) if sum(other >= value for other in values) <= MARKED}


def _names(groups: Sequence[GroupReport], top: int) -> str:
    lines = []
    for i, group in enumerate(groups):
        x = LEFT + i * BAR + BAR // 2 + 3
        lines.append(
            f'<text transform="translate({x} {top + 10}) rotate(-90)" text-anchor="end" font-size="9">'
            f"{escape(group.name[-36:])}</text>"
        )
    return "\n".join(lines)
