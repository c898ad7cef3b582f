"""Room 2 of the corridor: pictures become rows of a model's input.

reference.py   defines the sum; bgr.py the same from BGR pictures     colour.py   Y, U, V -> R, G, B
host.py        does it fast on the CPU
modes.py       fills slots from the CPU, wholly or half way           device.py   fills slots on the GPU

Three modes, `preprocess: host | hybrid | device`; each is called with pictures and a slot, and says where they stand.
"""

from streamd.preprocess.device import DevicePreprocess
from streamd.preprocess.host import HostPreprocess
from streamd.preprocess.modes import HostFill, HybridFill

__all__ = ["DevicePreprocess", "HostFill", "HostPreprocess", "HybridFill"]
