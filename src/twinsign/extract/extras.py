"""Optional libraries: their versions, or an error that says how to install them."""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, version

from twinsign.errors import InputError


def version_of(package: str, extra: str) -> str:
    """The installed version of an optional package; InputError with the install command where it is missing."""
    try:
        return version(package)
    except PackageNotFoundError as error:
        missing, wanted, hint = f"no package {package}", f"the extra `{extra}`", f"pip install 'twinsign[{extra}]'"
        if package == "mediapipe" and sys.version_info >= (3, 13):  # MediaPipe 0.10.21 has no wheel for it
            python = f"Python {sys.version_info.major}.{sys.version_info.minor}"
            missing, wanted = f"{python}, for which MediaPipe has no wheel", "Python 3.11 or 3.12"
            hint = f"In a clone of twinsign and an environment with {wanted}: pip install '.[video]'. "
            hint += "Or use --estimator.name rtm, which needs pip install 'twinsign[rtm]'."
        raise InputError(missing, wanted, hint=hint) from error
