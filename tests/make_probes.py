"""Encodes the tiny videos that `streamd doctor` decodes: streamd/assets/probe/{h264,hevc,av1}.mp4.

    python tests/make_probes.py

256x256 is more than the least that NVDEC takes of any codec. Each frame is flat; the brightness of each tells that it
was decoded.
"""

import av
import numpy as np

from streamd import bundled
from streamd.decode.probe import LUMA

SIDE, CHROMA = 256, (90, 160)
ENCODERS = {
    "h264": ("libx264", {"preset": "veryslow", "crf": "30"}),
    "hevc": ("libx265", {"x265-params": "log-level=error:info=0"}),
    "av1": ("libsvtav1", {"preset": "8", "crf": "50"}),
}


def main() -> None:
    folder = bundled.folder("assets") / "probe"
    folder.mkdir(exist_ok=True)
    for name, (encoder, options) in ENCODERS.items():
        with av.open(str(folder / f"{name}.mp4"), "w") as container:
            stream = container.add_stream(encoder, 25, options=options)
            stream.width, stream.height, stream.pix_fmt = SIDE, SIDE, "yuv420p"
            for pts, luma in enumerate(LUMA):
                frame = av.VideoFrame(SIDE, SIDE, "yuv420p")
                for plane, value in zip(frame.planes, (luma, *CHROMA), strict=True):
                    plane.update(np.full((plane.height, plane.line_size), value, np.uint8).tobytes())
                frame.pts = pts
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))


if __name__ == "__main__":
    main()
