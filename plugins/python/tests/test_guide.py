"""The code of the guide works as it stands there."""

import dataclasses
import os
import re

import pyarrow as pa
import pytest

from millrace_plugin import testing

GUIDE = os.path.join(os.path.dirname(__file__), "..", "..", "..", "docs", "plugins-python.md")


def test_guide():
    with open(GUIDE, encoding="utf-8") as f:
        blocks = re.findall(r"```python\n(.*?)```", f.read(), re.S)
    names = {"__name__": "guide", "dataclass": dataclasses.dataclass}
    for block in blocks:
        exec(block, names)
    assert len(blocks) == 3
    names["test_total"]()
    rows = pa.table({"event_type": ["view", "purchase", None], "price": [1.0, 2.0, 30.0]})
    assert testing.check(names["purchases"], rows).column("price").to_pylist() == [2.0]
    assert testing.check(names["affordable"], rows, config={"highest": 2}).column("price").to_pylist() == [1.0, 2.0]
    assert testing.run_scalar(names["words"], pa.array(["a b", None])).to_pylist() == [2, None]


@pytest.mark.parametrize("name", ["README.md"])
def test_readme(name):
    with open(os.path.join(os.path.dirname(__file__), "..", name), encoding="utf-8") as f:
        (block,) = re.findall(r"```python\n(.*?)```", f.read(), re.S)
    names = {"__name__": "readme"}
    exec(block, names)
    assert testing.run(names["total"], pa.table({"price": [2.0], "amount": [3.0]})).column("total").to_pylist() == [6.0]
