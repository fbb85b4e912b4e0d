"""Pushing a RUN to a Hugging Face Hub and pulling one, through huggingface_hub; every failure is an InputError."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, get_token
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.hf_api import ModelInfo, RepoSibling

from twinsign import __version__
from twinsign.errors import InputError
from twinsign.files import atomic_folder
from twinsign.hub.bundle import checked, is_inert, is_shared, shared_files
from twinsign.runs.run import CONFIG, REPORT, WEIGHTS

LOG_IN = "`hf auth login`, or a token in the environment variable HF_TOKEN."
NAMES = "OWNER/NAME of letters, digits, '-', '_' and '.'"
_LEFT_BY_DOWNLOADS = ".cache"
_FORBIDDEN = (401, 403)
_AT_ONCE = 1 << 20


@dataclass(frozen=True)
class Pushed:
    """Where a RUN went: the repository, its commit, and the files that it now has."""

    repo: str
    url: str
    files: list[str]


@dataclass(frozen=True)
class Pulled:
    """What was pulled: the commit, the files that were taken, and those that were left where they are."""

    commit: str
    files: list[str]
    left: list[str]


def push(folder: Path, repo: str, *, private: bool = False) -> Pushed:
    """Put a finished RUN's shared files into a model repository, in one commit; it is made where there is none.

    Files of an earlier push that this RUN has not are deleted there. InputError where the RUN is unfinished, there is
    no token, or the repository is public although `private` is asked.
    """
    run = checked(folder)
    names = shared_files(folder)
    if repo.count("/") != 1:
        raise InputError(f"repository {repo!r}", NAMES)
    if get_token() is None:
        raise InputError("no token for the Hub", "one that may write", hint=LOG_IN)
    with _asking(repo):
        api = _api()
        there = _there_or_made(api, repo, private)
        if private and not there.private:
            raise InputError(f"a public repository {repo}", "a private one, or no --private", file=folder)
        stale = [
            one.rfilename for one in there.siblings or [] if is_shared(one.rfilename) and one.rfilename not in names
        ]
        operations = [CommitOperationAdd(one, folder / one) for one in names]
        message = f"twinsign {__version__}: a {run.kind} run"
        done = api.create_commit(repo, [*operations, *map(CommitOperationDelete, stale)], commit_message=message)
    return Pushed(repo, done.commit_url, names)


def pull(repo: str, out: Path, revision: str | None = None) -> Pulled:
    """Fetch a RUN from a model repository into a new folder, whole or not at all.

    Only files that a push shares are taken, a report page only if a browser runs nothing of it. Hashes are compared
    with the repository's, and the weights must fit the config and the labels. InputError says what does not.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError("something there already", "a new or empty folder", file=out)
    with _asking(repo, revision):
        there = _api().model_info(repo, revision=revision, files_metadata=True)
    listed = {one.rfilename: one for one in there.siblings or []}
    commit, taken = str(there.sha), sorted(name for name in listed if is_shared(name))
    for needed in (CONFIG, WEIGHTS):
        if needed not in listed:
            raise InputError(f"no {needed}", "a repository that `twinsign push` wrote", file=repo)
    with atomic_folder(out) as folder:
        for name in taken:
            with _asking(repo, revision):
                _api().hf_hub_download(repo, name, revision=commit, local_dir=folder)
            _check_bytes(folder / name, listed[name], repo)
        shutil.rmtree(folder / _LEFT_BY_DOWNLOADS, ignore_errors=True)
        if REPORT in taken and not is_inert(folder / REPORT):
            (folder / REPORT).unlink()
            taken.remove(REPORT)
        try:
            checked(folder)
        except InputError as error:
            place = Path(error.file).name if error.file else ""
            raise InputError(error.found, error.wanted, file=f"{repo} {place}".rstrip(), hint=error.hint) from error
    return Pulled(commit, taken, sorted(listed.keys() - set(taken)))


def _api() -> HfApi:
    # Read now, not when huggingface_hub was imported: a program may set it in between.
    return HfApi(os.environ.get("HF_ENDPOINT"), library_name="twinsign", library_version=__version__)


def _there_or_made(api: HfApi, repo: str, private: bool) -> ModelInfo:
    try:
        return api.model_info(repo)
    except RepositoryNotFoundError:
        api.create_repo(repo, private=private or None)
        return api.model_info(repo)


def _check_bytes(file: Path, said: RepoSibling, repo: str) -> None:
    """Compare a file's hash with what the repository lists: SHA-256 of large files, git's of the others."""
    git = hashlib.sha1(f"blob {file.stat().st_size}\0".encode(), usedforsecurity=False)
    digest, wanted = (git, said.blob_id) if said.lfs is None else (hashlib.sha256(), said.lfs.sha256)
    with file.open("rb") as stream:
        while block := stream.read(_AT_ONCE):
            digest.update(block)
    if digest.hexdigest() != wanted:
        raise InputError(f"bytes of hash {digest.hexdigest()}", f"{wanted}, as listed", file=f"{repo} {file.name}")


@contextmanager
def _asking(repo: str, revision: str | None = None) -> Iterator[None]:
    """Turn what the Hub, or the way to it, answers into an InputError with a hint."""
    try:
        yield
    except InputError:
        raise
    except HFValidationError as error:
        raise InputError(f"repository {repo!r}", NAMES) from error
    except GatedRepoError as error:
        hint = f"Ask for access on its page, then: {LOG_IN}"
        raise InputError(f"a gated repository {repo}", "access to it", hint=hint) from error
    except RepositoryNotFoundError as error:
        hint = f"Is the name right? A private one needs a token that may see it: {LOG_IN}"
        raise InputError(f"no repository {repo}", "one that exists", hint=hint) from error
    except RevisionNotFoundError as error:
        raise InputError(f"no revision {revision!r} of {repo}", "a branch, tag or commit of it") from error
    except HfHubHTTPError as error:
        status = error.response.status_code
        said = f"status {status} ({error.server_message or error.response.reason_phrase})"
        if status in _FORBIDDEN:
            raise InputError(f"{said} from the Hub", f"a token that may do this to {repo}", hint=LOG_IN) from error
        raise InputError(f"{said} from the Hub", "another answer", hint="Nothing was changed; try again.") from error
    except (httpx2.HTTPError, ConnectionError) as error:
        hint = "Is there a network? HF_HUB_OFFLINE forbids it, HF_ENDPOINT names another Hub."
        raise InputError(f"no way to the Hub ({error})", "an answer", hint=hint) from error
    except (OSError, RuntimeError, ValueError) as error:  # uploads and downloads fail in as many ways as they go
        raise InputError(
            f"a transfer that failed ({error.__cause__ or error})", f"all files of {repo}", hint="Try again."
        ) from error
