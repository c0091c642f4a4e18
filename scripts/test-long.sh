# Sourced by scripts/test.sh --all: what does not fit into ./dev test.
# shellcheck shell=bash

licenses() {
    command -v cargo-deny >/dev/null || cargo install --locked cargo-deny
    cargo deny check licenses bans sources || return
    # Advisories need their database from the network. Where it cannot be had, that is said; what it says is never passed over.
    if cargo deny fetch db; then cargo deny check advisories; else echo "advisories: NOT checked, their database cannot be had here"; fi
}

fuzz() {
    command -v cargo-fuzz >/dev/null || cargo install --locked cargo-fuzz
    local target
    for target in fuzz/fuzz_targets/*.rs; do
        target=$(basename "$target" .rs)
        mkdir -p "fuzz/corpus/$target"
        cargo fuzz run -s none "$target" "fuzz/corpus/$target" "fuzz/seeds/$target" -- -max_total_time=60 || return
    done
}

rabbitmq() {
    # Its package starts a broker of its own, which nobody here wants.
    dpkg-query -W -f '${Status}' rabbitmq-server 2>/dev/null | grep -q ' installed$' || {
        apt_need rabbitmq-server
        if [ -d /run/systemd/system ]; then as_root systemctl disable --now rabbitmq-server epmd.socket; fi
    }
    cargo test --locked --test acl -- --ignored
}

replugs() {
    REPLUGS=100 GUEST_MODULES='dummy_hcd,raw_gadget,uvcvideo' \
        CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER=$PWD/tests/v4l2/runner \
        cargo test --locked --test v4l2_uvc -- --nocapture killed_and_back
}

soak() {
    need_lab
    npm_ci tests/browser && build_page && cargo build --locked && tests/nat/lab run -- node tests/nat/soak.mjs
}

step "a flood of junk" cargo test --locked --release --test hostile -- --ignored --nocapture
step "ten thousand joins" cargo test --locked --test long -- --nocapture
step "the test kernel" tests/v4l2/selftest
step "a USB camera killed and back a hundred times" replugs
step "armhf: build, package, run" scripts/cross.sh armhf
step "armhf: unit tests" scripts/cross.sh armhf cargo test --locked --lib
step "arm64: unit tests" scripts/cross.sh arm64 cargo test --locked --lib
step "amd64: build, package, run" scripts/cross.sh amd64
step "install, upgrade, remove, purge" tests/deb/run target/dist/lunette_*_amd64.deb
step "the same package from another folder" scripts/reproducible.sh arm64
step "the arm64 package on an emulated machine" tests/vm/run
step "an hour of bursts of loss, joins and leaves" soak
step "RabbitMQ keeps everybody to their own" rabbitmq
step "no attack on the protocol's models" docs/models/check
step "licenses" licenses
step "fuzzing, a minute each" fuzz
