"""What each fusion group costs in INT8: `streamd sensitivity`, and what `streamd quantize --partial` goes by.

feed.py      pictures as the model takes them, held in memory
outcome.py   how good answers are: mean average precision, Top-1, or agreement with the float model
parts.py     the raw answers of the head, boxes apart from scores
metrics.py   METRICS: how far two sets of raw answers lie apart; and rank correlation
screen.py    the ratio of weight ranges, which needs no run at all
study.py     the run: one group alone, all but one, one after the other
report.py    the findings as a table and as JSON       chart.py   as a picture

The smallest program:

    feed = Feed.of(manifest.input, pictures)
    study = Study(graph, placement, scales, feed, Outcome(manifest, feed.geometries))
    for group, measure in study.alone():
        ...

Every metric is higher where a group is more sensitive, and a rank of 1 is the most sensitive group.
"""
