#!/usr/bin/env bash
# ./dev cross ARCH                builds, checks, packages and tries Lunette for arm64, armhf or amd64
# ./dev cross ARCH package        the same, but does not run it
# ./dev cross ARCH cargo ARGS…    runs cargo for that architecture: ./dev cross armhf cargo test --lib
# ./dev cross ARCH sbom           writes what is in the package, as CycloneDX, beside it
# ./dev cross ARCH container      builds and checks with `cross`, in a container, as cross.toml says
#
# A plain Debian 12 is enough: no container, no foreign dpkg architecture, no rustup target. Debian's rustc-web compiles,
# with its own standard library for the target and with Debian 12's libraries, both only unpacked into a folder
# (scripts/sysroot.sh); Debian's gcc links; qemu-user runs what came out. See docs/building.md.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/setup.sh
. scripts/sysroot.sh
. scripts/package.sh

GLIBC=2.36

usage() {
    sed -n '2,6s/^# //p' "$0" >&2
    exit 2
}

# What cargo is to know, for the target alone: build scripts and macros are the host's.
environment() {
    local lower=${TARGET//-/_} upper flags
    upper=${lower^^}
    flags="--sysroot=$SYSROOT -ffile-prefix-map=$CARGO_FOLDER=/cargo -ffile-prefix-map=$PWD=/lunette"
    flags+=" -ffile-prefix-map=$SYSROOT="
    export RUSTC RUSTDOC=/usr/bin/rustdoc
    export "CARGO_TARGET_${upper}_LINKER=$GNU-gcc"
    [ -z "$QEMU" ] || export "CARGO_TARGET_${upper}_RUNNER=$QEMU -L $SYSROOT"
    export "CC_$lower=$GNU-gcc" "CXX_$lower=$GNU-g++" "AR_$lower=$GNU-ar" "CFLAGS_$lower=$flags" "CXXFLAGS_$lower=$flags"
    export "PKG_CONFIG_ALLOW_CROSS_$lower=1" "PKG_CONFIG_SYSROOT_DIR_$lower=$SYSROOT"
    export "PKG_CONFIG_LIBDIR_$lower=$SYSROOT/usr/lib/$GNU/pkgconfig:$SYSROOT/usr/share/pkgconfig"
    export CARGO_BUILD_TARGET=$TARGET
}

# rustc, with what the target needs and without this machine's paths in what it writes. A wrapper and not RUSTFLAGS: those
# go into the names of symbols, and so would the path of the sysroot.
rustc_wrapper() {
    local registry small='' remap="--remap-path-prefix=$PWD=/lunette --remap-path-prefix=$CARGO_FOLDER=/cargo"
    RUSTC=$FOLDER/cross/rustc-$ARCH
    cargo fetch --locked --target "$TARGET" --quiet
    # The registry's folder has its host's name.
    for registry in "$CARGO_FOLDER"/registry/src/*/; do
        remap+=" --remap-path-prefix=${registry%/}=/cargo/src"
    done
    # Half a megabyte less; Debian 12's linker has it for this architecture alone.
    [ "$ARCH" != amd64 ] || small=-Clink-arg=-Wl,-z,pack-relative-relocs
    mkdir -p "$FOLDER/cross"
    cat >"$RUSTC.new" <<WRAPPER
#!/bin/sh
for argument; do
    case \$argument in
        --target | --target=*) exec /usr/bin/rustc --sysroot=$SYSROOT/usr -Clink-arg=--sysroot=$SYSROOT $small $remap "\$@" ;;
    esac
done
exec /usr/bin/rustc "\$@"
WRAPPER
    chmod +x "$RUSTC.new"
    mv "$RUSTC.new" "$RUSTC"
}

# What can be said of the file without running it.
check() {
    local binary=$1 glibc size most=12
    # A PC's instructions are longer, and its disks larger.
    [ "$ARCH" != amd64 ] || most=13
    readelf -h "$binary" | grep "Machine: *$MACHINE" >/dev/null || fail "$binary is not for $MACHINE"
    glibc=$(readelf -V "$binary" | grep -o 'GLIBC_[0-9.]*' | sort -Vu | tail -n 1)
    at_least "${glibc#GLIBC_}" $GLIBC || fail "$binary needs $glibc, and Debian 12 has $GLIBC"
    size=$(stat -c %s "$binary")
    [ "$size" -le $((most * 1000 * 1000)) ] || fail "$binary has $size bytes; at most $most MB are wanted"
    readelf -S "$binary" | grep '\.symtab' >/dev/null && fail "$binary is not stripped"
    echo "$ARCH: $size bytes, needs $glibc and $(needed "$binary" | xargs)"
}

# The libraries that it asks for.
needed() { readelf -d "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'; }

# Runs it, by qemu-user where it has to be: what it says of itself, of its config and of this machine, and the whole way of
# a picture to Chromium.
try() {
    local run=$FOLDER/cross/lunette-$ARCH
    say "running it"
    printf '#!/bin/sh\nexec %s "%s" "$@"\n' "${QEMU:+$QEMU -L $SYSROOT}" "$1" >"$run"
    chmod +x "$run"
    "$run" --version
    "$run" check --print-default >"$FOLDER/cross/lunette.toml"
    "$run" check --config "$FOLDER/cross/lunette.toml"
    "$run" probe
    need_test
    npm_ci tests/browser
    (cd tests/browser && TEST_BINARY=$run node --test emulated.mjs)
    # Under qemu-user this would be qemu's memory.
    [ -n "$QEMU" ] || (cd tests/browser && TEST_BINARY=$run node idle.mjs)
}

# The same by `cross`: for a machine with a container engine that is no Debian.
container() {
    [ "$ARCH" != amd64 ] || fail "cross.toml is for the boards' architectures, arm64 and armhf"
    command -v cross >/dev/null || fail "there is no cross; cargo install --locked cross"
    # Without this, cross would pass over a lower-case cross.toml.
    export CROSS_CONFIG=$PWD/cross.toml
    need_build
    build_page
    cross build --locked --profile dist --bin lunette --target "$TARGET" --target-dir target/container
    check "target/container/$TARGET/dist/lunette"
}

# What the binary was made of, for tools that watch for holes.
sbom() {
    command -v cargo-cyclonedx >/dev/null || cargo install --locked cargo-cyclonedx
    SOURCE_DATE_EPOCH=$DATE cargo cyclonedx --quiet --format json --spec-version 1.5 --no-build-deps --target "$TARGET" --describe binaries
    scripts/sbom.py lunette_bin.cdx.json "$TARGET"
    mv lunette_bin.cdx.json "$FOLDER/dist/lunette_$(version)-1_$ARCH.cdx.json"
}

version() { cargo metadata --locked --no-deps --format-version 1 | sed 's/.*"name":"lunette","version":"\([^"]*\)".*/\1/'; }

architecture "${1:-}" || usage
shift
FOLDER=${CARGO_TARGET_DIR:-$PWD/target}
CARGO_FOLDER=${CARGO_HOME:-$HOME/.cargo}
# The date of what is packaged, not of the packaging. Not for all to see: each new one would compile all C anew, and there is
# no date in what is compiled.
DATE=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || stat -c %Y CHANGELOG.md)}
unset SOURCE_DATE_EPOCH

case ${1:-} in
    '' | package)
        need_build
        sysroot
        build_page
        say "building for $ARCH"
        # By the host's own compiler, before all is set for the target.
        package_files
        rustc_wrapper
        environment
        cargo build --locked --profile dist --bin lunette
        binary=$FOLDER/$TARGET/dist/lunette
        # The profile says so too, but not every compiler has the tool for another architecture.
        "$GNU-strip" "$binary"
        check "$binary"
        say "packaging for $ARCH"
        package "$binary"
        [ "${1:-}" = package ] || try "$binary"
        ;;
    cargo)
        need_build
        sysroot
        build_page
        rustc_wrapper
        environment
        "$@"
        ;;
    sbom | container) "$1" ;;
    *) usage ;;
esac
