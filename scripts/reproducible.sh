#!/usr/bin/env bash
# scripts/reproducible.sh [ARCH]: builds the package here and once more from a copy of the sources in another folder, with a
# cargo home of its own; the two must be the same, bit by bit.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/setup.sh
arch=${1:-arm64}
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

copy=$work/another/folder
mkdir -p "$copy"
git ls-files -z --cached --others --exclude-standard | tar -c --null --files-from=- | tar -x -C "$copy"
scripts/cross.sh "$arch" package
env -u CARGO_TARGET_DIR CARGO_HOME="$work/cargo" "$copy/scripts/cross.sh" "$arch" package

deb=$(cd "$copy/target/dist" && echo lunette_*_"$arch".deb)
first=${CARGO_TARGET_DIR:-target}/dist/$deb second=$copy/target/dist/$deb
sha256sum "$first" "$second"
if ! cmp "$first" "$second"; then
    dpkg-deb -R "$first" "$work/first"
    dpkg-deb -R "$second" "$work/second"
    diff -rq "$work/first" "$work/second" >&2 || true
    exit 1
fi
