"""The other end of the wire: subscribe to what a daemon sees, record what it films."""

from streamd.client.gaps import Gap
from streamd.client.recorder import Recorder
from streamd.client.subscriber import DETECTIONS_ENDPOINT, VIDEO_ENDPOINT, Message, Subscriber, Video

__all__ = ["DETECTIONS_ENDPOINT", "VIDEO_ENDPOINT", "Gap", "Message", "Recorder", "Subscriber", "Video"]
