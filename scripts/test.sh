#!/usr/bin/env bash
# ./dev test [--fast|--all]
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/setup.sh

mode=${1:-}
case $mode in '' | --fast | --all) ;; *)
    echo "./dev test: unknown option $mode; there are --fast and --all" >&2
    exit 2
    ;;
esac

export CARGO_TERM_COLOR=${CARGO_TERM_COLOR:-auto}
passed=0 failed=()

# step NAME COMMAND…: runs it, and goes on when it fails, so that one run shows all that is wrong.
step() {
    local name=$1 start=$SECONDS
    shift
    say "$name"
    if "$@"; then
        passed=$((passed + 1))
        say "$name: ok, $((SECONDS - start)) s"
    else
        failed+=("$name")
        say "$name: FAILED, $((SECONDS - start)) s"
    fi
}

page() { npm_ci web && npm run --prefix web --silent check; }

features() {
    local feature
    cargo clippy --locked --no-default-features --lib --bins -- -D warnings || return
    for feature in v4l2 openh264 gst local; do
        cargo clippy --locked --no-default-features --features $feature --lib --bins -- -D warnings || return
    done
}

fuzz_builds() { RUSTFLAGS="--cfg fuzzing" cargo check --locked --manifest-path fuzz/Cargo.toml --target-dir target/fuzz; }

browser() {
    npm_ci tests/browser && cargo build --locked && (cd tests/browser && node --test --test-concurrency=1 ./*.test.mjs)
}

v4l2() { tests/v4l2/run; }

anywhere() { tests/nat/run; }

need_build
step "page" page
if [ "$mode" = --fast ]; then
    need_lints
    step "format" cargo fmt --check
    step "lints" cargo clippy --locked --all-targets -- -D warnings
    step "unit tests" cargo test --locked --lib --bins --test signal_golden --test config --test devices --test tidy
else
    need_test
    step "format" cargo fmt --check
    step "lints" cargo clippy --locked --all-targets -- -D warnings
    step "each feature alone" features
    rm -rf target/tmp/logs
    step "tests" cargo test --locked
    step "joins leave nothing behind" env JOINS=300 cargo test --locked --test long
    step "fuzz targets build" fuzz_builds
    step "browser" browser
    step "kernel V4L2" v4l2
    step "from anywhere" anywhere
    step "no secrets in the logs" scripts/logs.sh
    step "arm64: build, package, run" scripts/cross.sh arm64
fi
if [ "$mode" = --all ]; then
    . scripts/test-long.sh
fi

echo
[ ${#failed[@]} = 0 ] || printf 'failed: %s\n' "${failed[@]}"
echo "$passed passed, ${#failed[@]} failed"
[ ${#failed[@]} = 0 ]
