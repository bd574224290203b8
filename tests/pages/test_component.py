"""The label page's sources are joined into one module: what that asks of them."""

from __future__ import annotations

import re
from collections import Counter

from pages.components.labeller import ENTRY, FOLDER, source

DECLARED = re.compile(
    r"^(?:export default )?(?:async )?(?:class|const|let|function\*?) (\w+)", re.M
)


def test_every_top_level_name_is_declared_once():
    script, _ = source()
    names = Counter(DECLARED.findall(script))
    assert len(names) > 40
    assert [name for name, count in names.items() if count > 1] == []


def test_every_part_is_in_the_bundle_and_only_the_entry_exports():
    script, style = source()
    for path in FOLDER.iterdir():
        text = path.read_text(encoding="utf-8")
        assert text in (script if path.suffix == ".js" else style), path.name
        assert re.search(r"^import ", text, re.M) is None, path.name
        assert ("export " in text) == (path.name == ENTRY), path.name


def test_nothing_is_set_as_html():
    script, _ = source()
    assert re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write", script) == []
