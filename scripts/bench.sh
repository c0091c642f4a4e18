#!/usr/bin/env bash
# ./dev bench: the figures of docs/performance.md.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/setup.sh
need_build
need_test
build_page
npm_ci tests/browser
cargo bench --locked --bench camera
cargo bench --locked --bench send
cargo build --locked --release
TEST_BINARY=$PWD/target/release/lunette node tests/browser/latency.mjs
TEST_BINARY=$PWD/target/release/lunette node tests/browser/idle.mjs
