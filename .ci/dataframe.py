#!/usr/bin/env python3
"""Runs the Python of docs/dataframe.md as it stands, each block where its file is. Needs pandas and pyarrow.

    .ci/dataframe.py FOLDER     FOLDER holds result.json, comparison.csv and sweep.parquet
"""

import os
import pathlib
import re
import sys

page = pathlib.Path(__file__).resolve().parent.parent / "docs" / "dataframe.md"
blocks = re.findall(r"<!-- python: (\w+) -->\n```python\n(.*?)```", page.read_text(encoding="utf-8"), re.S)
assert [name for name, _ in blocks] == ["result", "timeline", "comparison", "sweep"], "a block is missing"
os.chdir(sys.argv[1])
known = {}
for name, code in blocks:
    exec(compile(code, f"docs/dataframe.md, {name}", "exec"), known)

runs, timeline, p95, points = (known[name] for name in ("runs", "timeline", "p95", "points"))
assert len(runs) == len(known["result"]["replications"]) and runs["metrics.response_p95"].mean() > 0
assert len(timeline) > 1 and timeline["all in flight"].min() >= 0
assert len(p95) > 1 and (p95["mean"] > 0).all()
assert len(points) > 1 and points["point"].is_unique and (points["response_p95"] > 0).any()
print(f"{len(runs)} replications, {len(timeline)} steps, {len(p95)} entries, {len(points)} points")
