"""Where the files that ship with streamd are, in a wheel and in a checkout alike.

`assets` lies inside the package. The others stand at the top of a checkout; the wheel carries them
inside the package (pyproject.toml, `force-include`), and an editable install finds the checkout's.
"""

from pathlib import Path
from typing import Literal

Kind = Literal["assets", "kernels", "configs", "systemd"]


def folder(kind: Kind) -> Path:
    """Return the folder that holds the bundled files of one kind.

    Raises:
        FileNotFoundError: the installation lacks it.
    """
    package = Path(__file__).resolve().parent
    for candidate in (package / kind, package.parent / kind):
        if candidate.is_dir():
            return candidate
    raise FileNotFoundError(f"this installation of streamd has no folder {kind}: reinstall it")
