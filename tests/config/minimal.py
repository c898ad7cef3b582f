"""The smallest configuration, and one with a line more."""

MINIMAL = """\
models:
  street:
    path: street.onnx
cameras:
  front:
    uri: clip.mp4
    model: street
"""


def front(line):
    """MINIMAL with one line more in its camera, which stands on line 8."""
    return f"{MINIMAL}    {line}\n"


def street(line):
    """MINIMAL with one line more in its model, which stands on line 4."""
    return MINIMAL.replace("street.onnx\n", f"street.onnx\n    {line}\n", 1)
