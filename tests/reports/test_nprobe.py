"""Point 4: an index is not asked to look into more lists than it has."""

from __future__ import annotations

import pytest

from reid_srdl.by_faiss.building import build_index, check_name
from reid_srdl.config import parse_assignments, resolve
from reid_srdl.errors import UserError
from reid_srdl.methods import OPTIONS
from reid_srdl.retrieval.rows import rows_of
from tests.reports.test_zeros import DRAWN


@pytest.mark.parametrize(
    ("name", "probed", "lists"),
    [
        ("IVF4,Flat;nprobe=5", 5, 4),
        ("IVF8,SQ8;nprobe=100", 100, 8),
        ("PCA2,IVF4,Flat;nprobe=1e2", 0, 4),
        ("IVF16_HNSW32,Flat;quantizer_efSearch=4,nprobe=17", 17, 16),
    ],
)
def test_more_lists_than_there_are_are_refused(name: str, probed: int, lists: int) -> None:
    with pytest.raises(UserError) as caught:
        check_name(name)
    assert caught.value.exit_status == 2
    if probed:
        assert f"nprobe={probed} is more than its {lists} lists" in caught.value.what
        mended = name.replace(f"nprobe={probed}", caught.value.hint.split()[0])
        check_name(mended)


def test_it_is_refused_as_it_is_built_too() -> None:
    with pytest.raises(UserError, match="nprobe=3 is more than its 2 lists"):
        build_index("IVF2,Flat;nprobe=3", rows_of(DRAWN))
    assert build_index("IVF2,Flat;nprobe=2", rows_of(DRAWN)).index.nprobe == 2


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["eval.fpr=0.01"], "while eval.verification is false"),
        (["eval.rerank.k1=9"], "while eval.rerank.method is none"),
    ],
)
def test_a_switch_is_told_as_yaml_spells_it(given: list[str], told: str) -> None:
    with pytest.raises(UserError, match=told):
        resolve(parse_assignments(given), OPTIONS)
