"""Writes FLV of H.264, in which a stream may change amid: FFmpeg writes only one that goes on as it began."""

from pathlib import Path

import av

FRAME_MS = 40


def joined(paths, to: Path) -> Path:
    """Write clips of H.264 one after another, each behind its own parameter sets."""
    out, at_ms = b"FLV\x01\x01" + (9).to_bytes(4, "big") + bytes(4), 0
    for path in paths:
        with av.open(str(path)) as container:
            video = container.streams.video[0]
            out += _tag(at_ms, b"\x17\x00" + bytes(3) + video.codec_context.extradata)
            for packet in container.demux(video):
                if packet.size:
                    later_ms = round((packet.pts - packet.dts) * packet.time_base * 1000)
                    head = bytes([0x17 if packet.is_keyframe else 0x27, 1]) + later_ms.to_bytes(3, "big")
                    out += _tag(at_ms, head + bytes(packet))
                    at_ms += FRAME_MS
    to.write_bytes(out)
    return to


def _tag(at_ms, body):
    stamp = (at_ms & 0xFFFFFF).to_bytes(3, "big") + bytes([at_ms >> 24])
    return b"\x09" + len(body).to_bytes(3, "big") + stamp + bytes(3) + body + (11 + len(body)).to_bytes(4, "big")
