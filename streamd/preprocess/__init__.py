"""A picture becomes a row of a model's input. `reference` defines the sum, the others do it fast."""

from streamd.preprocess.host import HostPreprocess

PREPROCESS = {"host": HostPreprocess}
