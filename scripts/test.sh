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

# Each target for some seconds, from its seeds. What cargo-fuzz would say to the compiler, without cargo-fuzz; stable will do.
fuzz_shortly() {
    local host target found
    host=$(rustc -vV | sed -n 's/^host: //p')
    local covered='-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-trace-compares
        -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table'
    # With a target, what runs while building is not instrumented.
    RUSTFLAGS="--cfg fuzzing $(echo $covered)" cargo build --locked --target "$host" --manifest-path fuzz/Cargo.toml \
        --target-dir target/fuzz || return
    mkdir -p target/fuzz/found
    for target in fuzz/fuzz_targets/*.rs; do
        target=$(basename "$target" .rs)
        found=$(mktemp -d)
        "target/fuzz/$host/debug/$target" -max_total_time=3 -verbosity=0 -print_final_stats=1 \
            -artifact_prefix="target/fuzz/found/$target-" "$found" "fuzz/seeds/$target" 2>"$found.log" || {
            cat "$found.log"
            return 1
        }
        echo "$target: $(sed -n 's/^stat::number_of_executed_units: *//p' "$found.log") inputs"
        rm -r "$found" "$found.log"
    done
}

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
    step "fuzzing, some seconds each" fuzz_shortly
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
