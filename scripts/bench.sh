#!/usr/bin/env bash
# ./dev bench [net]: the figures of docs/performance.md; `net` those on weak networks alone.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/setup.sh
need_build
need_test
build_page
npm_ci tests/browser

weak() {
    need_lab
    apt_need gstreamer1.0-nice gir1.2-gst-plugins-bad-1.0 gir1.2-gst-plugins-base-1.0 python3-gi python3-gst-1.0
    cargo build --locked --release
    TEST_BINARY=$PWD/target/release/lunette tests/nat/lab run -- node tests/nat/weak.mjs "$@"
}

case "${1:-}" in
    '') ;;
    net)
        shift
        weak "$@"
        exit
        ;;
    *)
        echo "./dev bench: unknown option $1; there is net" >&2
        exit 2
        ;;
esac
cargo bench --locked --bench camera
cargo bench --locked --bench send
cargo bench --locked --bench door
cargo build --locked --release
TEST_BINARY=$PWD/target/release/lunette node tests/browser/latency.mjs
TEST_BINARY=$PWD/target/release/lunette node tests/browser/idle.mjs
weak
