"""An engine opened on the stand-in, and what it finds."""

from streamd.infer import load


def open_engine(path, batch=1):
    return load(path, batch=batch, device="cuda:0")


def means(backend, slot, *values):
    """Run rows that are full of `values`, and return the first class of each."""
    for row, value in enumerate(values):
        backend.input(slot)[row] = value
    backend.run(slot, len(values))
    return backend.outputs(slot, len(values))[0][:, 0].tolist()
