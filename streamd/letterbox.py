"""Where a source picture lands in a model's input: the one geometry that preprocess applies and postprocess undoes."""

from dataclasses import dataclass

import numpy as np

from streamd.frames import F32
from streamd.manifest import Anchor, Fit


@dataclass(frozen=True, slots=True)
class Letterbox:
    """The source, resized to (`new_width`, `new_height`), with its corner at (`left`, `top`) of the input.

    For `crop` the resized picture is larger than the input and `left` or `top` is negative.
    All values are pixels.
    """

    src_width: int
    src_height: int
    new_width: int
    new_height: int
    left: int
    top: int

    @staticmethod
    def place(
        src_width: int, src_height: int, width: int, height: int, fit: Fit = "letterbox", anchor: Anchor = "center"
    ) -> "Letterbox":
        """Place a source of `src_width` x `src_height` pixels in an input of `width` x `height` pixels.

        The resized size is rounded to whole pixels and is at least 1; a centred picture with an odd
        remainder gets the larger half of it below and to the right. `anchor` says where a letterboxed
        picture stands; a crop is always centred.
        """
        if fit == "stretch":
            return Letterbox(src_width, src_height, width, height, 0, 0)
        choose = max if fit == "crop" else min
        scale = choose(width / src_width, height / src_height)
        new_width = max(1, round(src_width * scale))
        new_height = max(1, round(src_height * scale))
        if fit == "letterbox" and anchor == "top-left":
            return Letterbox(src_width, src_height, new_width, new_height, 0, 0)
        return Letterbox(
            src_width, src_height, new_width, new_height, (width - new_width) // 2, (height - new_height) // 2
        )

    def to_source(self, boxes: F32) -> F32:
        """Map boxes (N, 4) x1, y1, x2, y2 from input pixels to source pixels, clipped to the source."""
        source = np.empty(boxes.shape, np.float32)
        axes = ((self.left, self.new_width, self.src_width), (self.top, self.new_height, self.src_height))
        for axis, (offset, new_size, src_size) in enumerate(axes):
            along = source[:, axis::2]
            np.subtract(boxes[:, axis::2], offset, out=along)
            np.clip(along, 0, new_size, out=along)  # first, so that no coordinate is too large to scale
            along *= src_size / new_size
            np.minimum(along, src_size, out=along)
        return source

    def to_input(self, boxes: F32) -> F32:
        """Map boxes (N, 4) x1, y1, x2, y2 from source pixels to input pixels."""
        scale_x = self.new_width / self.src_width
        scale_y = self.new_height / self.src_height
        scale = np.array([scale_x, scale_y, scale_x, scale_y], np.float32)
        offset = np.array([self.left, self.top, self.left, self.top], np.float32)
        return boxes * scale + offset
