"""The tables that kernels read and write, as numpy sees them: byte for byte the structs in kernels/*.cuh and *.cu."""

import numpy as np

from streamd.letterbox import Letterbox

# letterbox.cuh, Surface. Addresses are of device memory; pitches are bytes.
SURFACE = np.dtype(
    [
        ("pixels", np.uint64),
        ("chroma", np.uint64),
        ("pitch", np.int32),
        ("chroma_pitch", np.int32),
        ("width", np.int32),
        ("height", np.int32),
        ("new_width", np.int32),
        ("new_height", np.int32),
        ("left", np.int32),
        ("top", np.int32),
        ("sample_bytes", np.int32),
        ("share_across", np.float32),
        ("share_down", np.float32),
        ("whole", np.int32),
        ("weights", np.float32, (3, 4)),
    ]
)

# suppress.cuh, Geometry.
GEOMETRY = np.dtype(
    [(name, np.float32) for name in ("left", "top", "new_width", "new_height", "width", "height", "scale_x", "scale_y")]
)

# suppress.cuh, Found.
FOUND = np.dtype(
    [
        ("box", np.float32, (4,)),
        ("score", np.float32),
        ("class_id", np.int32),
        ("row", np.int32),
        ("angle", np.float32),
    ]
)

# draw_nv12.cu, Canvas and Mark.
CANVAS = np.dtype(
    [
        ("luma", np.uint64),
        ("chroma", np.uint64),
        ("pitch", np.int32),
        ("chroma_pitch", np.int32),
        ("width", np.int32),
        ("height", np.int32),
        ("first", np.int32),
        ("count", np.int32),
    ]
)
MARK = np.dtype(
    [
        ("left", np.int32),
        ("top", np.int32),
        ("right", np.int32),
        ("bottom", np.int32),
        ("mask", np.int32),
        ("mask_pitch", np.int32),
        ("y", np.uint8),
        ("u", np.uint8),
        ("v", np.uint8),
        ("alpha", np.uint8),
        ("centre_x", np.int32),
        ("centre_y", np.int32),
        ("along", np.int32),
        ("across", np.int32),
        ("line", np.int32),
        ("cosine", np.int32),
        ("sine", np.int32),
    ]
)
WHOLE, OUTLINE = -1, -2  # masks of a Mark that are no place in the atlas
SUBPIXELS, UNIT = 16, 16384  # of a Mark's turned box: its lengths are in pixels / 16, its cosine and sine times 16384


def geometry_row(place: Letterbox) -> tuple[float, ...]:
    """Return a row of GEOMETRY, to map boxes to source pixels as `Letterbox.to_source` does."""
    return (
        place.left,
        place.top,
        place.new_width,
        place.new_height,
        place.src_width,
        place.src_height,
        place.src_width / place.new_width,
        place.src_height / place.new_height,
    )
