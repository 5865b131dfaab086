"""docs/reference/errors.md says what errors.CODES says."""

import re
from pathlib import Path

from hooknet.errors import CODES

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "errors.md"
ROW = re.compile(r"\| (\d+) \| `([a-z-]+)` \| (.+?) \| (.+?) \| (\d) \| (\d{3}) \|")


def rows():
    return [found.groups() for line in PAGE.read_text().splitlines() if (found := ROW.fullmatch(line))]


def test_every_kind_is_on_the_page_with_its_codes():
    documented = {kind: (int(cni), int(leave), int(http)) for cni, kind, _, _, leave, http in rows()}
    assert documented == {kind.value: (codes.cni, codes.exit, codes.http) for kind, codes in CODES.items()}


def test_each_row_is_understood_and_says_what_to_do():
    written = [line for line in PAGE.read_text().splitlines() if line.startswith("| ") and "`" in line]
    assert len(written) == len(rows()) == len(CODES)
    assert all(meaning and remedy for _, _, meaning, remedy, _, _ in rows())


def test_the_rows_are_in_the_order_of_their_codes():
    codes = [int(row[0]) for row in rows()]
    assert codes == sorted(codes)
