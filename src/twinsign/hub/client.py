"""Pushing a RUN to a Hugging Face Hub and pulling one, through huggingface_hub; every failure is an InputError."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx2
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, get_token
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.hf_api import RepoSibling

from twinsign import __version__
from twinsign.errors import InputError
from twinsign.files import atomic_folder
from twinsign.hub.bundle import is_inert, is_shared, load_checked_run, shared_files
from twinsign.runs.run import CONFIG, REPORT, WEIGHTS

LOG_IN = "`hf auth login`, or a token in the environment variable HF_TOKEN."
NAMES = "OWNER/NAME of letters, digits, '-', '_' and '.'"


class Pushed(NamedTuple):
    """A pushed RUN: the repository, its commit's address, and the files that it now has."""

    repo: str
    url: str
    files: list[str]


class Pulled(NamedTuple):
    """A pulled RUN: the commit, the files that were downloaded, and those that were left in the repository."""

    commit: str
    files: list[str]
    left: list[str]


def push(folder: Path, repo: str, *, private: bool = False) -> Pushed:
    """Push a finished RUN's shared files to a model repository, in one commit; creates the repository if needed.

    Files of an earlier push that this RUN lacks are deleted there. InputError where the RUN is unfinished, there is
    no token, or the repository is public although `private` is set.
    """
    run = load_checked_run(folder)
    names = shared_files(folder)
    if repo.count("/") != 1:
        raise InputError(f"repository {repo!r}", NAMES)
    if get_token() is None:
        raise InputError("no token for the Hub", "one that may write", hint=LOG_IN)
    with _hub_errors(repo):
        api = _api()
        try:
            info = api.model_info(repo)
        except RepositoryNotFoundError:
            api.create_repo(repo, private=private or None)
            info = api.model_info(repo)
        if private and not info.private:
            raise InputError(f"a public repository {repo}", "a private one, or no --private", file=folder)
        listed = (sibling.rfilename for sibling in info.siblings or [])
        stale = [CommitOperationDelete(name) for name in listed if is_shared(name) and name not in names]
        added = [CommitOperationAdd(name, folder / name) for name in names]
        commit = api.create_commit(repo, [*added, *stale], commit_message=f"twinsign {__version__}: a {run.kind} run")
    return Pushed(repo, commit.commit_url, names)


def pull(repo: str, out: Path, revision: str | None = None) -> Pulled:
    """Download a RUN from a model repository into a new folder, atomically.

    Only files that a push shares are downloaded, and a report page is kept only if it is inert. Hashes are compared
    with the repository's, and the weights must fit the config and the labels; otherwise InputError.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError("something there already", "a new or empty folder", file=out)
    with _hub_errors(repo, revision):
        info = _api().model_info(repo, revision=revision, files_metadata=True)
    listed = {sibling.rfilename: sibling for sibling in info.siblings or []}
    commit, names = str(info.sha), sorted(filter(is_shared, listed))
    for needed in (CONFIG, WEIGHTS):
        if needed not in listed:
            raise InputError(f"no {needed}", "a repository that `twinsign push` wrote", file=repo)
    with atomic_folder(out) as folder:
        for name in names:
            with _hub_errors(repo, revision):
                _api().hf_hub_download(repo, name, revision=commit, local_dir=folder)
            _check_hash(folder / name, listed[name], repo)
        shutil.rmtree(folder / ".cache", ignore_errors=True)  # left by downloads
        if REPORT in names and not is_inert(folder / REPORT):
            (folder / REPORT).unlink()
            names.remove(REPORT)
        try:
            load_checked_run(folder)
        except InputError as error:
            place = Path(error.file).name if error.file else ""
            raise InputError(error.found, error.wanted, file=f"{repo} {place}".rstrip(), hint=error.hint) from error
    return Pulled(commit, names, sorted(listed.keys() - set(names)))


def _api() -> HfApi:
    # The address is read at each call: a program may set it after huggingface_hub was imported.
    return HfApi(os.environ.get("HF_ENDPOINT"), library_name="twinsign", library_version=__version__)


def _check_hash(file: Path, listed: RepoSibling, repo: str) -> None:
    """Compare a file's hash with the repository's: SHA-256 of large files, git's of the others."""
    if listed.lfs is None:
        header = f"blob {file.stat().st_size}\0".encode()
        hasher, wanted = hashlib.sha1(header, usedforsecurity=False), listed.blob_id
    else:
        hasher, wanted = hashlib.sha256(), listed.lfs.sha256
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, lambda: hasher).hexdigest()
    if digest != wanted:
        raise InputError(f"bytes of hash {digest}", f"{wanted}, as listed", file=f"{repo} {file.name}")


@contextmanager
def _hub_errors(repo: str, revision: str | None = None) -> Iterator[None]:
    """Turn errors of the Hub, and of the network, into InputErrors with a hint."""
    try:
        yield
    except InputError:
        raise
    except HFValidationError as error:
        raise InputError(f"repository {repo!r}", NAMES) from error
    except GatedRepoError as error:
        hint = f"Request access on its page, then: {LOG_IN}"
        raise InputError(f"a gated repository {repo}", "access to it", hint=hint) from error
    except RepositoryNotFoundError as error:
        hint = f"Check the name; a private repository needs a token that may read it: {LOG_IN}"
        raise InputError(f"no repository {repo}", "one that exists", hint=hint) from error
    except RevisionNotFoundError as error:
        raise InputError(f"no revision {revision!r} of {repo}", "a branch, tag or commit of it") from error
    except HfHubHTTPError as error:
        status = error.response.status_code
        problem = f"status {status} ({error.server_message or error.response.reason_phrase}) from the Hub"
        if status in (401, 403):
            raise InputError(problem, f"a token that may do this to {repo}", hint=LOG_IN) from error
        raise InputError(problem, "another answer", hint="Nothing was changed; try again.") from error
    except (httpx2.HTTPError, ConnectionError) as error:
        hint = "Check the network; HF_HUB_OFFLINE disables it, HF_ENDPOINT names another Hub."
        raise InputError(f"no way to the Hub ({error})", "an answer", hint=hint) from error
    except (OSError, RuntimeError, ValueError) as error:  # transfers also fail with these
        problem = f"a transfer that failed ({error.__cause__ or error})"
        raise InputError(problem, f"all files of {repo}", hint="Try again.") from error
