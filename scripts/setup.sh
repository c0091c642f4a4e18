# Sourced by ./dev and the other scripts: installs what is missing. Debian 12 and 13, Raspberry Pi OS.
# shellcheck shell=bash

export CACHE=${LUNETTE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/lunette}
export PATH=$HOME/.cargo/bin:$PATH
RUST_NEEDED=1.94
NODE_NEEDED=20.19

say() { printf '\033[1m== %s\033[0m\n' "$*" >&2; }

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        echo "./dev: packages are missing and there is no sudo; run ./dev setup once as root" >&2
        exit 1
    fi
}

# apt_need PACKAGE…: installs those that are missing.
apt_need() {
    local package missing=()
    for package in "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q ' installed$' || missing+=("$package")
    done
    [ ${#missing[@]} = 0 ] && return
    if ! command -v apt-get >/dev/null; then
        echo "./dev: this needs Debian or Raspberry Pi OS; elsewhere install by hand: ${missing[*]}" >&2
        exit 1
    fi
    say "installing ${missing[*]}"
    # An index that is there may be old: only when it lacks something is a new one fetched.
    local options=(-y --no-install-recommends -o DPkg::Lock::Timeout=300)
    as_root env DEBIAN_FRONTEND=noninteractive apt-get "${options[@]}" install "${missing[@]}" >/dev/null 2>&1 || {
        as_root apt-get -o DPkg::Lock::Timeout=300 update
        as_root env DEBIAN_FRONTEND=noninteractive apt-get "${options[@]}" install "${missing[@]}"
    }
}

# at_least NEEDED FOUND: whether a version is new enough.
at_least() { [ "$(printf '%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]; }

rust_version() { rustc --version 2>/dev/null | cut -d ' ' -f 2; }
node_version() { node --version 2>/dev/null | tr -d v; }

need_rust() {
    if command -v cargo >/dev/null && at_least $RUST_NEEDED "$(rust_version)"; then return; fi
    if command -v rustup >/dev/null; then
        rustup toolchain install stable --profile default
        rustup default stable
    elif apt-cache show cargo-web 2>/dev/null | grep -q '^Version: 1\.\(9[4-9]\|[1-9][0-9][0-9]\)'; then
        # Debian's own newer Rust, which its browsers are built with.
        apt_need cargo-web rustc-web
    else
        say "installing Rust with rustup"
        apt_need curl ca-certificates
        curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y
    fi
    at_least $RUST_NEEDED "$(rust_version)" || {
        echo "./dev: Rust $RUST_NEEDED or newer is needed, and $(rust_version) is what there is" >&2
        exit 1
    }
}

need_node() {
    local prefix=$CACHE/node
    [ -d "$prefix" ] && export PATH=$prefix/node_modules/.bin:$PATH
    if command -v npm >/dev/null && at_least $NODE_NEEDED "$(node_version)"; then return; fi
    command -v npm >/dev/null || apt_need nodejs npm
    if ! at_least $NODE_NEEDED "$(node_version)"; then
        # The system's is older than the page's build tool wants: a newer one beside it, with an npm of its own, since
        # Debian's finds its parts by Debian's node alone. 20.x is the last for 32-bit ARM.
        local node=node@22
        [ "$(uname -m)" != armv7l ] || node=node@20
        mkdir -p "$prefix"
        npm install --prefix "$prefix" --no-fund --no-audit $node npm@10
        export PATH=$prefix/node_modules/.bin:$PATH
    fi
}

# What a build needs.
need_build() {
    apt_need build-essential ca-certificates
    # The software encoder's assembly; on ARM the C compiler does it.
    [ "$(dpkg --print-architecture 2>/dev/null)" != amd64 ] || apt_need nasm
    # GStreamer, for the feature `gst`.
    apt_need pkg-config libgstreamer1.0-dev libgstreamer-plugins-base1.0-dev
    need_rust
    need_node
}

# What the tests need beside that.
need_test() {
    apt_need chromium coturn mosquitto cmake iproute2 iputils-ping procps python3 systemd
    # Pipelines, the encoders of Debian's GStreamer, and an RTSP camera.
    apt_need gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly \
        python3-gi gir1.2-gst-rtsp-server-1.0
    need_lints
}

# What tests/nat/lab needs, and those who live in it.
need_lab() {
    apt_need chromium conntrack coturn ethtool iproute2 libnss3-tools mosquitto nftables openssl python3 util-linux
}

need_lints() {
    cargo clippy --version >/dev/null 2>&1 && cargo fmt --version >/dev/null 2>&1 && return
    if command -v rustup >/dev/null; then rustup component add clippy rustfmt; else apt_need rust-web-clippy rustfmt-web; fi
}

# npm_ci FOLDER: its dependencies, when they are not those of its lock file already.
npm_ci() {
    local mark=$1/node_modules/.installed
    if ! cmp -s "$1/package-lock.json" "$mark"; then
        npm ci --prefix "$1" --no-fund --no-audit --loglevel=error
        cp "$1/package-lock.json" "$mark"
    fi
}

# The page, into web/dist, when its sources are newer.
build_page() {
    npm_ci web
    if [ ! -e web/dist/index.html ] || [ -n "$(find web/src web/public web/index.html web/*.json web/*.ts src/trust/words.txt -newer web/dist/index.html -print -quit)" ]; then
        say "building the page"
        npm run --prefix web --silent build
    fi
}
