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
_PAYLOAD = "h264parse config-interval=-1 ! rtph264pay name=pay0 pt=96"

_UNITS = "video/x-h264,stream-format=byte-stream,alignment=au"

_H264 = f"openh264enc gop-size=10 ! {_PAYLOAD}"
_LIVE = {
    "pattern": _H264,
    "jpeg": "jpegenc ! rtpjpegpay name=pay0 pt=26",
    "loud": f"{_H264} audiotestsrc is-live=true ! audio/x-raw,rate=8000 ! alawenc ! rtppcmapay name=pay1 pt=8",
}


class _Factory(GstRtspServer.RTSPMediaFactory):  # type: ignore[misc] # gi has no types
    """One mount; a looped MP4 is read once and fed to each client lap after lap."""

    def __init__(self, launch: str, looped: "list[Any] | None" = None) -> None:
        super().__init__()
        self.set_launch(launch)
        self.set_shared(False)
        self._looped = looped

    def do_configure(self, media: Any) -> None:
        """Begin to feed a client."""
        if self._looped:
            film = media.get_element().get_by_name("film")
            film.connect("need-data", _Feed(self._looped))


class _Feed:
    """What a client of a looped file is fed, one access unit at a time.

    Looping by a seek would do with less; but a seek either flushes, and throws away what of a lap's last picture
    waits to be sent, or does not, and an MP4 that has ended once stays ended.
    """

    def __init__(self, units: "list[Any]") -> None:
        self._units = units
        first = min(unit.pts for unit in units)
        self._lap_ns = max(unit.pts + unit.duration for unit in units) - first
        self._next = 0

    def __call__(self, source: Any, _wanted: int) -> None:
        lap, index = divmod(self._next, len(self._units))
        unit = self._units[index].copy_deep()  # `copy` is but another reference to it
        unit.pts += lap * self._lap_ns
        unit.dts += lap * self._lap_ns
        self._next += 1
        source.emit("push-buffer", unit)


def _read(file: Path) -> "list[Any]":
    """Return the access units of an MP4, each a buffer with the times to decode and to show it at."""
    player = Gst.parse_launch(
        f'filesrc location="{file}" ! qtdemux ! h264parse ! {_UNITS} ! appsink name=out sync=false'
    )
    player.set_state(Gst.State.PLAYING)
    out = player.get_by_name("out")
    units = [sample.get_buffer() for sample in iter(lambda: out.emit("pull-sample"), None)]
    player.set_state(Gst.State.NULL)
    return units


def _factory(source: str, loop: bool, secured: bool) -> "_Factory":
    kind, _, shape = source.partition(":")
    looped = None
    if kind in _LIVE:
        size, _, fps = (shape or "320x240").partition(":")
        width, height = size.split("x")
        launch = (
            f"( videotestsrc is-live=true pattern=ball ! video/x-raw,format=I420,width={width},height={height},"
            f"framerate={fps or 25}/1 ! {_LIVE[kind]} )"
        )
    elif loop:
        looped = _read(Path(source).resolve())
        launch = f"( appsrc name=film format=time caps={_UNITS} ! {_PAYLOAD} )"
    else:
        launch = f'( filesrc location="{Path(source).resolve()}" ! qtdemux ! {_PAYLOAD} )'
    factory = _Factory(launch, looped)
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
