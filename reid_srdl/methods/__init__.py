"""The training strategies by name; a new one is a file and a row here.

Importing this loads no torch: losses import it when they compute.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from reid_srdl.config import MethodOptions, UnreadOptions
from reid_srdl.errors import UserError
from reid_srdl.methods import own
from reid_srdl.methods.at import ATOptions, at
from reid_srdl.methods.ban import BANOptions, ban
from reid_srdl.methods.byot import BYOTOptions, DSNOptions, byot, dsn
from reid_srdl.methods.cwtm import CWTMOptions, cwtm
from reid_srdl.methods.dkd import DKDOptions, dkd
from reid_srdl.methods.dkpp import DKPPOptions, dkpp
from reid_srdl.methods.dml import DMLOptions, dml
from reid_srdl.methods.entropy import EntropyOptions, entropy
from reid_srdl.methods.fitnet import FitNetOptions, fitnet
from reid_srdl.methods.imported import NAME as IMPORTED
from reid_srdl.methods.imported import ImportedOptions
from reid_srdl.methods.kd import KDOptions, kd
from reid_srdl.methods.label_refinery import LabelRefineryOptions, label_refinery
from reid_srdl.methods.method import Method
from reid_srdl.methods.rkd import RKDOptions, rkd
from reid_srdl.methods.srdl import SRDLOptions, srdl
from reid_srdl.methods.transfer import TransferOptions, transfer
from reid_srdl.methods.vanilla import VanillaOptions, vanilla

__all__ = ["IMPORTED", "KNOWN", "METHODS", "OPTIONS", "Method", "method_of"]

METHODS: dict[str, Method] = {
    "vanilla": Method(vanilla, VanillaOptions, "cross-entropy in one stage"),
    "srdl": Method(srdl, SRDLOptions, "Self-Referenced Deep Learning, the paper's Algorithm 1"),
    "kd": Method(kd, KDOptions, "knowledge distillation from a teacher network or finished runs"),
    "fitnet": Method(fitnet, FitNetOptions, "hints of a teacher's middle stage, then KD"),
    "at": Method(at, ATOptions, "KD and a teacher's attention maps at every stage"),
    "rkd": Method(rkd, RKDOptions, "distances and angles of a teacher's features"),
    "dkd": Method(dkd, DKDOptions, "KD, the target class's and the others' parts weighed apart"),
    "byot": Method(
        byot, BYOTOptions, "Be Your Own Teacher: shallow classifiers learn from the deepest"
    ),
    "dsn": Method(dsn, DSNOptions, "deeply supervised: a classifier at each stage"),
    "dml": Method(dml, DMLOptions, "Deep Mutual Learning: networks that teach each other"),
    "entropy": Method(entropy, EntropyOptions, "cross-entropy less beta times the entropy"),
    "transfer": Method(
        transfer, TransferOptions, "first stages from another network, frozen or tuned"
    ),
    "ban": Method(ban, BANOptions, "born-again networks: each generation learns from the last"),
    "cwtm": Method(cwtm, CWTMOptions, "labels, weighted by how sure the last generation is"),
    "dkpp": Method(
        dkpp, DKPPOptions, "born-again networks whose teachers' wrong classes are permuted"
    ),
    "label-refinery": Method(
        label_refinery, LabelRefineryOptions, "each crop is labelled by the generation before"
    ),
}


def method_of(name: str) -> Method:
    """Returns a method by its name: a row of METHODS, or ``FILE.py:NAME``.

    Raises:
        UserError: a file that does not import, or holds no such method.
    """
    return own.load(name) if own.is_own(name) else METHODS[name]


class _Options(Mapping[str, type[MethodOptions]]):
    """The options of each method: the rows of METHODS, and any ``FILE.py:NAME``."""

    def __getitem__(self, name: str) -> type[MethodOptions]:
        if name == IMPORTED:
            raise UserError(
                "method.name: this network was imported, it was not trained here",
                "train from its file: --set model.weights=FILE; or evaluate it: reid-srdl eval RUN "
                "--dataset NAME",
                usage=True,
            )
        if name not in self:
            raise KeyError(name)
        return method_of(name).options

    def __contains__(self, name: object) -> bool:
        return name in METHODS or own.is_own(name)

    def __iter__(self) -> Iterator[str]:
        return iter(METHODS)

    def __len__(self) -> int:
        return len(METHODS)


class _Known(_Options):
    """The same without running a file, and of what others trained.

    What a method of one's own has for options stays open.
    """

    def __getitem__(self, name: str) -> type[MethodOptions]:
        if name == IMPORTED:
            return ImportedOptions
        return UnreadOptions if own.is_own(name) else super().__getitem__(name)

    def __contains__(self, name: object) -> bool:
        return name == IMPORTED or super().__contains__(name)


OPTIONS: Mapping[str, type[MethodOptions]] = _Options()  # to train by
KNOWN: Mapping[str, type[MethodOptions]] = _Known()  # to read what somebody trained
