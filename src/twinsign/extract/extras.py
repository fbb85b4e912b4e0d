"""Optional libraries: there, or an error that says how to install them."""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, version

from twinsign.errors import InputError

_MEDIAPIPE_BEFORE = (3, 13)
"""MediaPipe 0.10.21 has no wheel for this Python or a later one."""


def version_of(package: str, extra: str) -> str:
    """The installed version of an optional package; InputError with the install command where there is none."""
    try:
        return version(package)
    except PackageNotFoundError as error:
        hint = f"Install it: pip install 'twinsign[{extra}]'"
        if package == "mediapipe" and sys.version_info >= _MEDIAPIPE_BEFORE:
            here = f"Python {sys.version_info.major}.{sys.version_info.minor}, for which MediaPipe has no wheel"
            hint = (
                "In an environment of Python 3.11 or 3.12: pip install 'twinsign[video]'. "
                "Or use --estimator.name rtm, which needs pip install 'twinsign[rtm]'."
            )
            raise InputError(here, "Python 3.11 or 3.12", hint=hint) from error
        raise InputError(f"no package {package}", f"the extra `{extra}`", hint=hint) from error
