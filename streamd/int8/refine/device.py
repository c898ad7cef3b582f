"""Which device torch trains on."""

import torch

from streamd.errors import DeviceError


def settle(device: str) -> None:
    """Let convolutions on a GPU be computed in float32, not TF32, whose 11 bits are coarser than what is learned here.

    Shapes are the same every step, so the fastest way to compute each is looked for once.
    """
    if device != "cpu":
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cudnn.benchmark = True


def named(name: str) -> str:
    """Return the device that `name` means: `auto` is the first GPU where there is one, else the CPU.

    Raises:
        DeviceError: there is no such device.
    """
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError) as error:  # AssertionError: torch was built without CUDA
        reason = str(error).splitlines()[0]
        raise DeviceError(f"--device {name}: {reason}", mend="name cpu, cuda or cuda:N, or leave it out") from error
    return name
