"""What the daemon counts and times, and the HTTP endpoint that tells it.

instruments.py   the counters themselves: plain numbers, each written by one thread, cheap on the hot path
health.py        what they say of cameras and models: live, ready, the status page
exposition.py    the same numbers for Prometheus
server.py        /metrics, /livez, /readyz and /status
"""

from streamd.metrics.instruments import CameraMetrics, Metrics, ModelMetrics
from streamd.metrics.server import MetricsServer

__all__ = ["CameraMetrics", "Metrics", "MetricsServer", "ModelMetrics"]
