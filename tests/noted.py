"""Rooms of the corridor that only write down, in `told`, what is asked of them; and a frame for them."""

import numpy as np

from streamd.frames import Frame, Picture


class Sink:
    """Writes down what is published; video is wanted while `watched`."""

    def __init__(self, told):
        self.told = told
        self.watched = False

    def detections(self, frames, found, labels, model):
        self.told += [("detections", frame.seq) for frame in frames]

    def event(self, notice):
        self.told.append(("event", notice.kind))

    def video(self, packet):
        self.told.append(("video", packet.seq))

    def wanted(self, camera):
        return self.watched


def frame(seq, infer=True):
    planes = (np.zeros(shape, np.uint8) for shape in ((2, 2), (1, 1), (1, 1)))
    return Frame("front", 1, seq, 0, 0, Picture(*planes), infer)
