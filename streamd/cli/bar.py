"""The progress bar of the commands that take long: on stderr, whether the end is known beforehand or not."""

import itertools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click


@contextmanager
def progress(length: int, label: str) -> Iterator[Callable[[int], None]]:
    """Give a function that moves a bar by so many of `length`; of 0, unknown, it counts without an end.

    `length` is the most there can be: a bar that ends well short of it ends full.
    """
    endless = None if length else itertools.count()
    with click.progressbar(endless, length=length or None, label=label, file=sys.stderr, show_pos=True) as bar:
        yield bar.update
        bar.length = bar.pos
        bar.finish()
        bar.render_progress()
