"""streamd: a video-analytics daemon, and the workshop that makes its INT8 engines."""

__version__ = "0.1.0"
