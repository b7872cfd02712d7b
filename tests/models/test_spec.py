"""Specs as values: hashable, to JSON and back, a key for each; no torch is needed for any."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from reid_srdl.errors import UserError
from reid_srdl.models.changes.branches import Branches
from reid_srdl.models.changes.part import Part
from reid_srdl.models.spec import NetworkSpec

SPECS = (
    NetworkSpec("resnet32", 10),
    NetworkSpec("resnet18", 10),
    NetworkSpec("resnet32", 11),
    NetworkSpec("resnet32", 10, (32, 16)),
    NetworkSpec("resnet32", 10, channels=1),
    NetworkSpec("resnet32", 10, changes=(Branches(),)),
    NetworkSpec("resnet32", 10, changes=(Branches(), Part("branch1"))),
    NetworkSpec("resnet32", 10, changes=(Branches(), Part("branch2"))),
    NetworkSpec("timm:resnet18", 10),
)


def test_specs_are_values() -> None:
    assert len(set(SPECS)) == len({spec.key for spec in SPECS}) == len(SPECS)
    for spec in SPECS:
        back = NetworkSpec.from_json(json.loads(json.dumps(spec.to_json())))
        assert back == spec
        assert (hash(back), back.key) == (hash(spec), spec.key)
    assert NetworkSpec("resnet32", 10, [32, 16]) == SPECS[3]  # type: ignore[arg-type]


def test_keys_stay_as_they_are() -> None:
    assert SPECS[0].key == '{"classes":10,"name":"resnet32"}'
    assert SPECS[6].key == (
        '{"changes":[{"change":"branches"},{"change":"part","of":"branch1"}],'
        '"classes":10,"name":"resnet32"}'
    )


def test_what_cannot_be_is_told() -> None:
    with pytest.raises(UserError, match="no network 'resnet33'") as caught:
        NetworkSpec("resnet33", 10)
    assert "resnet32" in caught.value.hint
    with pytest.raises(UserError, match="0 classes"):
        NetworkSpec("resnet32", 0)
    with pytest.raises(UserError, match="4 channels"):
        NetworkSpec("resnet32", 10, channels=4)


def test_specs_need_no_torch() -> None:
    code = (
        "import sys\nsys.modules['torch'] = None\n"
        "from reid_srdl.models.spec import NetworkSpec\n"
        "from reid_srdl.models.changes import CHANGES\n"
        "plain = {'name': 'resnet18', 'classes': 3, 'changes': [{'change': 'branches'}]}\n"
        "print(NetworkSpec.from_json(plain).changes[0] == CHANGES['branches']())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "True\n", done.stderr
