#!/usr/bin/env python3
"""sbom.py FILE TARGET: what cargo-cyclonedx wrote, without crates that only tests want and without this folder's path."""

import json
import sys
from pathlib import Path

sys.dont_write_bytecode = True
from notices import linked

path, target = Path(sys.argv[1]), sys.argv[2]
bom = json.loads(path.read_text().replace(f"path+file://{Path.cwd()}", "path+file:///lunette"))
inside = linked(target)
bom["components"] = [it for it in bom["components"] if (it["name"], it["version"]) in inside]
refs = {it["bom-ref"] for it in bom["components"]} | {bom["metadata"]["component"]["bom-ref"]}
bom["dependencies"] = [
    it | {"dependsOn": [ref for ref in it.get("dependsOn", []) if ref in refs]}
    for it in bom["dependencies"]
    if it["ref"] in refs
]
path.write_text(json.dumps(bom, indent=2, ensure_ascii=False) + "\n")
