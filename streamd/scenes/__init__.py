"""Procedural street scenes with their truth: a source, a data set, a clip. No camera and no licence needed."""

from streamd.scenes.colour import to_i420
from streamd.scenes.dataset import write_dataset
from streamd.scenes.gallery import nine
from streamd.scenes.scene import CLASSES, Scene, Truth

__all__ = ["CLASSES", "Scene", "Truth", "nine", "to_i420", "write_dataset"]
