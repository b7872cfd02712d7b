"""Methods of one's own: ``FILE.py:NAME``, without a fork. Naming one runs the file's code."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from types import ModuleType

from reid_srdl.config import MethodOptions
from reid_srdl.errors import UserError
from reid_srdl.methods.method import Method
from reid_srdl.places import check_no_pipe
from reid_srdl.texts import shown

_HINT = "see docs/methods.md: NAME = Method(program, options, summary), in a file of Python"


def is_own(name: object) -> bool:
    """Says whether a method's name is of the form ``FILE.py:NAME``.

    >>> is_own("probes/mine.py:program"), is_own("srdl")
    (True, False)
    """
    return isinstance(name, str) and ".py:" in name


def placed(name: str) -> str:
    """Returns the name with its file as an absolute path, to mean the same from everywhere."""
    path, _, attribute = name.rpartition(":")
    return f"{Path(path).expanduser().resolve()}:{attribute}"


def short(name: str) -> str:
    """Returns the name without the folder of its file, as tables and fingerprints have it.

    >>> short("/home/me/probes/mine.py:program")
    'mine.py:program'
    """
    return Path(name).name


def digest_of(name: str) -> str:
    """Returns a hash of the file's text, so that another text is another experiment.

    Raises:
        UserError: there is no such file.
    """
    return hashlib.blake2b(_source(name), digest_size=16).hexdigest()


def load(name: str) -> Method:
    """Imports the file, which runs its code, and returns the method in it.

    Raises:
        UserError: the file is not there or does not import, or it holds no such method.
    """
    path, _, attribute = name.rpartition(":")
    module_name = f"reid_srdl_own_{digest_of(name)}"
    if module_name not in sys.modules:
        module = ModuleType(module_name)
        module.__file__ = path
        sys.modules[module_name] = module  # dataclasses look their module up
        try:
            # Not by importlib: its cache of bytecode may hold another text, and stands beside.
            exec(compile(_source(name), path, "exec"), vars(module))
        except (Exception, SystemExit) as error:  # whatever a stranger's file raises
            del sys.modules[module_name]
            told = f"{type(error).__name__}: {error}".partition("\n")[0]
            raise UserError(f"--method {path}: does not import ({told})", _HINT) from error
    found = getattr(sys.modules[module_name], attribute, None)
    if not isinstance(found, Method):
        kind = "nothing" if found is None else f"a {type(found).__name__}"
        raise UserError(f"--method {path}: {attribute} is {kind}, no Method", _HINT, usage=True)
    options: object = found.options
    if not isinstance(options, type) or not issubclass(options, MethodOptions):
        what = f"--method {path}: the options of {attribute} are no subclass of MethodOptions"
        raise UserError(what, _HINT, usage=True)
    return found


def _source(name: str) -> bytes:
    path = name.rpartition(":")[0]
    check_no_pipe(Path(path))
    try:
        return Path(path).read_bytes()
    except (OSError, ValueError) as error:  # a name with a NUL byte is none of a file
        told = getattr(error, "strerror", None) or error
        raise UserError(f"--method {shown(path)}: {told}", _HINT, usage=True) from None
