"""What can be wrong with the dictionary's folder, told without its place, its holder or its machine."""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from twinsign.errors import InputError, InUseError
from twinsign.serve.refusals import RefusedError

log = logging.getLogger("twinsign")
LATER = 2
"""Seconds after which a dictionary that another process was changing may be asked again."""
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def kept_safe() -> Iterator[None]:
    """RefusedError for what is wrong with the folder; the log has the rest. Errors of a recording's own pass.

    409 where another process holds the folder, 507 where the disk is full, 503 where it cannot be read or written.
    """
    try:
        yield
    except InUseError as error:
        raise RefusedError(409, "a dictionary that is being changed", "another try", retry=LATER) from error
    except InputError as error:
        cause = error.__cause__
        if isinstance(cause, OSError):
            raise _of_disk(cause) from error
        if error.file is not None and error.clip is None and "empty dictionary" not in error.found:
            log.error("the dictionary cannot be read: %s", error)
            raise RefusedError(503, "a dictionary that cannot be read", "one that is whole", retry=LATER) from error
        raise
    except OSError as error:
        raise _of_disk(error) from error


def unknown(name: str) -> RefusedError:
    """The refusal where no sign of that name or id is enrolled."""
    return RefusedError(404, f"no sign {name[:40]!r}", "a gloss or an id of GET /dictionary")


def _of_disk(error: OSError) -> RefusedError:
    log.error("the dictionary: %s", error)
    if error.errno in FULL:
        return RefusedError(507, "no room on the server's disk", "a disk with room", retry=LATER)
    return RefusedError(503, "a dictionary that cannot be read or written", "one that can", retry=LATER)
