"""Published ImageNet weights: in the library's own cache, or fetched into it, hash checked."""

from __future__ import annotations

import errno
import importlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import torch

from reid_srdl.errors import FileError, UserError
from reid_srdl.models import MODELS, split_name
from reid_srdl.models.offline import VARIABLE, offline
from reid_srdl.places import writing

_HOME = "https://download.pytorch.org/models"
_HASH = re.compile(r"-([0-9a-f]{8,})\.")  # in a file's name, as torch.hub checks it
_OF_DISKS = {
    *(errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS, errno.EIO, errno.ESTALE),
    *(errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.EMFILE),
}
_NAME_ONE = "or name a file with --set model.weights=FILE"


def imagenet_file(name: str) -> Path:
    """Returns the file of a network's ImageNet weights, as torchvision or timm keep it.

    Args:
        name: a network of the table, or ``library:NAME``.

    Raises:
        UserError: it is not there and cannot be fetched, or nobody publishes it for a program; the
            hint says which file to put where.
    """
    library, own = split_name(name) or ("", name)
    if library == "timm":
        return _of_timm(own)
    if library == "torchvision":
        return _by_url(name, _torchvision_url(own))
    if library:
        raise UserError(
            f"model.weights: no file with the ImageNet weights of {name}",
            f"fetch the state dictionary that {library} publishes (.pth or .safetensors) and name "
            "it with --set model.weights=FILE",
        )
    return _by_url(name, f"{_HOME}/{MODELS[own].weights_file}")


def _torchvision_url(name: str) -> str:
    import torchvision

    try:
        return str(torchvision.models.get_model_weights(name).DEFAULT.url)
    except (AttributeError, ValueError):
        raise UserError(
            f"model.init: torchvision publishes no ImageNet weights of {name}",
            "use --init random, or name a file with --set model.weights=FILE",
            usage=True,
        ) from None


def _by_url(name: str, url: str) -> Path:
    """Returns torch.hub's file of a URL."""
    file = Path(urlsplit(url).path).name
    path = Path(torch.hub.get_dir()) / "checkpoints" / file
    if path.is_file():
        return path

    def fetch() -> str:
        with writing(path, "the ImageNet weights"):
            path.parent.mkdir(parents=True, exist_ok=True)
        found = _HASH.search(file)
        torch.hub.download_url_to_file(url, str(path), found[1] if found else None)
        return str(path)

    return _fetched(name, str(path), f"fetch {url} and put it at {path}", fetch)


def _of_timm(name: str) -> Path:
    """Returns the hub's file of a network of timm."""
    from reid_srdl.models.adapters import adapter

    adapter("timm").check(name)
    timm: Any = importlib.import_module("timm")
    published = timm.models.get_pretrained_cfg(name)
    hub = getattr(published, "hf_hub_id", None)
    if hub is None:
        url = getattr(published, "url", None)
        if not url:
            raise UserError(
                f"model.init: timm publishes no ImageNet weights of {name}",
                "use --init random, or name a file with --set model.weights=FILE",
                usage=True,
            )
        return _by_url(f"timm:{name}", url)
    file = getattr(published, "hf_hub_filename", None) or "model.safetensors"
    hugging: Any = importlib.import_module("huggingface_hub")
    try:
        return Path(hugging.hf_hub_download(hub, file, local_files_only=True))
    except Exception:  # whatever its cache lacks
        page = f"https://huggingface.co/{hub}/resolve/main/{file}"
        hint = f"fetch {page} and name the file with --set model.weights=FILE"
        return _fetched(
            f"timm:{name}", f"{hub}/{file}", hint, lambda: hugging.hf_hub_download(hub, file)
        )


def _fetched(name: str, where: str, way: str, fetch: Callable[[], str]) -> Path:
    what = f"{where}: ImageNet weights of {name} are not there"
    hint = way if "--set" in way else f"{way}, {_NAME_ONE}"
    if offline():
        raise UserError(f"{what}, and nothing is fetched (--offline, or {VARIABLE})", hint)
    try:
        return Path(fetch())
    except FileError:
        raise
    except Exception as error:  # the network's and the libraries' own
        if isinstance(error, OSError) and error.errno in _OF_DISKS:
            raise FileError(error, Path(where), "write the ImageNet weights", hint) from error
        reason = f"{type(error).__name__}: {error}".partition("\n")[0]
        raise UserError(f"{what}, and cannot be fetched ({reason})", hint) from error
