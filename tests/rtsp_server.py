"""A real RTSP server for tests, run by the system's Python, which has GStreamer's bindings.

    /usr/bin/python3 tests/rtsp_server.py --port 8554 /street=clip.mp4 /test=pattern --loop --user viewer:secret

Each mount is PATH=SOURCE: an MP4 with H.264 in it, `pattern[:WIDTHxHEIGHT[:FPS]]`, the same in Motion JPEG by `jpeg`,
or with sound beside it by `loud`. One line `ready PORT` on standard output says that it listens; port 0 takes any.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402 - only after the versions are chosen


def main(arguments: list[str]) -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("mounts", nargs="+", metavar="PATH=SOURCE")
    parser.add_argument("--port", type=int, default=8554)
    parser.add_argument("--loop", action="store_true", help="begin an MP4 anew at its end")
    parser.add_argument("--user", default="", help="NAME:PASSWORD, asked of everyone")
    parser.add_argument("--auth", choices=("digest", "basic"), default="digest")
    options = parser.parse_args(arguments)

    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(str(options.port))
    if options.user:
        server.set_auth(_auth(*options.user.split(":", 1), options.auth))
    for mount in options.mounts:
        path, _, source = mount.partition("=")
        server.get_mount_points().add_factory(path, _factory(source, options.loop, bool(options.user)))
    if not server.attach(None):
        sys.exit(f"port {options.port} is in use")
    print(f"ready {server.get_bound_port()}", flush=True)  # noqa: T201 - what the test waits for
    GLib.MainLoop().run()


# The parser repeats SPS and PPS before each IDR picture; the payloader would do so before each IDR *slice*, which tears
# pictures of several slices.
_PAYLOAD = "h264parse name=parse config-interval=-1 ! rtph264pay name=pay0 pt=96"

_H264 = f"openh264enc gop-size=10 ! {_PAYLOAD}"
_LIVE = {
    "pattern": _H264,
    "jpeg": "jpegenc ! rtpjpegpay name=pay0 pt=26",
    "loud": f"{_H264} audiotestsrc is-live=true ! audio/x-raw,rate=8000 ! alawenc ! rtppcmapay name=pay1 pt=8",
}


class _Factory(GstRtspServer.RTSPMediaFactory):  # type: ignore[misc] # gi has no types
    """One mount; an MP4 is looped by seeking to its start when its segment is done."""

    def __init__(self, launch: str, loop: bool) -> None:
        super().__init__()
        self.set_launch(launch)
        self.set_shared(False)
        self._loop = loop

    def do_configure(self, media: Any) -> None:
        """Watch a looped MP4 for its end."""
        if self._loop:
            parse = media.get_element().get_by_name("parse")
            parse.get_static_pad("src").add_probe(Gst.PadProbeType.EVENT_DOWNSTREAM, _rewind, media)


def _rewind(pad: Any, info: Any, media: Any) -> Any:
    if info.get_event().type != Gst.EventType.EOS:
        return Gst.PadProbeReturn.OK
    GLib.idle_add(_seek, media)
    return Gst.PadProbeReturn.DROP


def _seek(media: Any) -> bool:
    media.get_element().seek_simple(Gst.Format.TIME, Gst.SeekFlags.FLUSH | Gst.SeekFlags.KEY_UNIT, 0)
    return False


def _factory(source: str, loop: bool, secured: bool) -> "_Factory":
    kind, _, shape = source.partition(":")
    if kind in _LIVE:
        size, _, fps = (shape or "320x240").partition(":")
        width, height = size.split("x")
        launch = (
            f"( videotestsrc is-live=true pattern=ball ! video/x-raw,format=I420,width={width},height={height},"
            f"framerate={fps or 25}/1 ! {_LIVE[kind]} )"
        )
        loop = False
    else:
        file = Path(source).resolve()
        launch = f'( filesrc location="{file}" ! qtdemux ! {_PAYLOAD} )'
    factory = _Factory(launch, loop)
    if secured:
        role = GstRtspServer.RTSPPermissions()
        role.add_role("viewer")
        for permission in ("media.factory.access", "media.factory.construct"):
            role.add_permission_for_role("viewer", permission, True)
        factory.set_permissions(role)
    return factory


def _auth(name: str, password: str, method: str) -> Any:
    auth = GstRtspServer.RTSPAuth()
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "viewer")
    if method == "digest":
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        auth.add_digest(name, password, token)
    else:
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic(name, password), token)
    return auth


if __name__ == "__main__":
    main(sys.argv[1:])
