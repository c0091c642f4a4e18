#!/usr/bin/env python3
"""notices.py TARGET: the licenses of what is inside the binary, as they want to be passed on: crates and the page's packages."""

import json
import re
import subprocess
import sys
from pathlib import Path

LICENSE = re.compile(r"(un)?licen[cs]e|copying|copyright|notice", re.IGNORECASE)
TEXTS = {"", ".md", ".txt", ".mit", ".apache", ".bsd"}


def linked(target):
    """Names and versions of all that the binary is made of. Cargo's metadata say more: there, what tests want of a crate's
    features is wanted always."""
    command = ["cargo", "tree", "--locked", "--edges", "normal", "--target", target, "--prefix", "none", "--format", "{p}"]
    lines = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    return {(name, version.removeprefix("v")) for name, version, *_ in map(str.split, lines)}


def crates(target):
    """Those that are linked: neither tests' nor build scripts'."""
    command = ["cargo", "metadata", "--locked", "--format-version", "1", "--filter-platform", target]
    data = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    packages = {package["id"]: package for package in data["packages"]}
    nodes = {node["id"]: node for node in data["resolve"]["nodes"]}
    found, waiting = set(), [data["resolve"]["root"]]
    while waiting:
        node = waiting.pop()
        if node in found:
            continue
        found.add(node)
        for dep in nodes[node]["deps"]:
            if any(kind["kind"] is None for kind in dep["dep_kinds"]):
                waiting.append(dep["pkg"])
    found.remove(data["resolve"]["root"])
    inside = linked(target)
    for package in (packages[id] for id in found):
        if (package["name"], package["version"]) in inside:
            yield package["name"], package["version"], package["license"], Path(package["manifest_path"]).parent


def npm_packages():
    lock = json.loads(Path("web/package-lock.json").read_text())
    for path, package in lock["packages"].items():
        if path and not package.get("dev") and not package.get("optional"):
            yield path.split("node_modules/")[-1], package["version"], package.get("license"), Path("web") / path


def texts(folder):
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder).parts
        if LICENSE.match(path.stem) and path.suffix.lower() in TEXTS and path.is_file() and "node_modules" not in inside:
            yield path.read_text(errors="replace").strip()


def main():
    same = {}
    print("Lunette contains these, each under its own license. Below: their texts, each with those it came with.\n")
    for name, version, license, folder in sorted({*crates(sys.argv[1]), *npm_packages()}):
        if not license:
            sys.exit(f"notices.py: {name} states no license")
        print(f"{name} {version}: {license}")
        for text in texts(folder):
            same.setdefault(text, []).append(f"{name} {version}")
    print("\nThe standard library of Rust: MIT OR Apache-2.0")
    for text, names in sorted(same.items(), key=lambda item: sorted(item[1])):
        print(f"\n{'=' * 80}\n{', '.join(sorted(set(names)))}\n{'-' * 80}\n{text}")


if __name__ == "__main__":
    main()
