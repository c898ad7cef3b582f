"""streamd: a video-analytics daemon, and the workshop that makes its INT8 engines."""

import os

__version__ = "0.1.0"

# From 1.29 on ONNX Runtime sends its maker names and hashes of the models that a process loads, and keeps an identifier
# of the machine for it. What is seen here is nobody else's affair. It looks once, when it is loaded: so this stands
# where every way into the house begins.
os.putenv("ORT_DISABLE_TELEMETRY", "1")
