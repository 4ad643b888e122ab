"""Every shipped scenario, and what `faas-lab init` writes, is valid by the published schema. Editors judge by it too."""

import json
import pathlib
import sys
import tomllib

import jsonschema

ROOT = pathlib.Path(__file__).parent.parent
SCHEMA = jsonschema.Draft202012Validator(json.loads((ROOT / "scenarios/scenario.schema.json").read_text()))

wrong = 0
for file in [*sorted(ROOT.glob("scenarios/*.toml")), ROOT / "sim/model/src/scenario/template.toml"]:
    for error in SCHEMA.iter_errors(tomllib.loads(file.read_text())):
        wrong += 1
        print(f"{file.relative_to(ROOT)}: {'.'.join(map(str, error.absolute_path))}: {error.message[:200]}")
sys.exit(1 if wrong else 0)
