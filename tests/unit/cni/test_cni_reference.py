"""docs/reference/cni.md names everything that is understood."""

from pathlib import Path

import pytest

from hooknet.cni.dialects import IPAM_KEYS, MAIN_KEYS
from hooknet.cni.options import OPTION_NAMES
from hooknet.cni.versions import SUPPORTED_VERSIONS, Verb
from hooknet.model import MacvlanMode

PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "cni.md").read_text()


@pytest.mark.parametrize("key", [*MAIN_KEYS, *IPAM_KEYS, *MacvlanMode, *OPTION_NAMES])
def test_every_key_and_value_is_documented(key):
    assert f"`{key}`" in PAGE or f'"{key}"' in PAGE


@pytest.mark.parametrize("verb", list(Verb))
def test_every_verb_has_a_row(verb):
    assert f"\n| {verb} " in PAGE


@pytest.mark.parametrize("version", SUPPORTED_VERSIONS)
def test_every_version_has_its_shape(version):
    assert version in PAGE.partition("## The result")[2].partition("\n## ")[0]
