"""Procedural street scenes with their truth: a source, a data set, a clip. No camera and no licence needed."""

from streamd.scenes.scene import CLASSES, Scene, Truth

__all__ = ["CLASSES", "Scene", "Truth"]
