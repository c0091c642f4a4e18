# Sourced by scripts/cross.sh: the target's libraries and Rust's standard library for it, unpacked from Debian's packages.
# Nothing in there is configured or run to make it, so it takes seconds and no rights.
# shellcheck shell=bash

# The oldest Debian that is built for; what is built runs on the newer ones too.
SUITE=bookworm
# Linked against, and wanted by the dynamic loader under qemu-user.
TARGET_PACKAGES=(libc6-dev libstdc++6 libgcc-s1 libgstreamer1.0-dev libgstreamer-plugins-base1.0-dev gstreamer1.0-plugins-base)
RECIPE=2

fail() {
    echo "./dev cross: $*" >&2
    exit 1
}

# architecture NAME: what each tool calls it.
# shellcheck disable=SC2034 # cross.sh uses them
architecture() {
    ARCH=$1
    case $ARCH in
        arm64) TARGET=aarch64-unknown-linux-gnu GNU=aarch64-linux-gnu MACHINE=AArch64 QEMU=qemu-aarch64-static ;;
        armhf) TARGET=armv7-unknown-linux-gnueabihf GNU=arm-linux-gnueabihf MACHINE=ARM QEMU=qemu-arm-static ;;
        amd64) TARGET=x86_64-unknown-linux-gnu GNU=x86_64-linux-gnu MACHINE='Advanced Micro Devices X86-64' QEMU=qemu-x86_64-static ;;
        *) return 1 ;;
    esac
    HOST_ARCH=$(dpkg --print-architecture)
    [ "$ARCH" != "$HOST_ARCH" ] || QEMU=
}

# sysroot: sets SYSROOT, and makes that folder when it is not there.
sysroot() {
    apt_need rustc-web libstd-rust-web-dev pkg-config binutils
    [ "$ARCH" = "$HOST_ARCH" ] || apt_need "gcc-${GNU//_/-}" "g++-${GNU//_/-}" qemu-user-static
    [ "$ARCH" != amd64 ] || apt_need nasm
    local std key
    # The standard library must be of the compiler's very build.
    std=$(dpkg-query -W -f '${Version}' rustc-web)
    [ "$(dpkg-query -W -f '${Version}' libstd-rust-web-dev)" = "$std" ] || fail "rustc-web and libstd-rust-web-dev differ"
    at_least "$RUST_NEEDED" "$(/usr/bin/rustc --version | cut -d ' ' -f 2)" || fail "rustc-web $std is older than $RUST_NEEDED"
    key=$(echo "$RECIPE $SUITE $ARCH $std ${TARGET_PACKAGES[*]}" | sha256sum | cut -c -12)
    SYSROOT=$CACHE/cross/$SUITE-$ARCH-$key
    mkdir -p "$CACHE/cross"
    (
        flock 9
        [ -e "$SYSROOT" ] && exit
        say "unpacking Debian's libraries for $ARCH"
        rm -rf "$CACHE/cross/$SUITE-$ARCH-"*
        unpack "$SYSROOT.new" "$std"
        mv "$SYSROOT.new" "$SYSROOT"
    ) 9>"$CACHE/cross/lock"
}

# unpack ROOT STD
unpack() {
    local root=$1 std=$2 folder package link
    APT=$(mktemp -d)
    mkdir -p "$APT"/state/lists/partial "$APT"/cache/archives/partial
    foreign_sources >"$APT/sources"
    local only=(-o "Dir::Etc::sourcelist=$APT/sources" -o Dir::Etc::sourceparts=-)
    foreign_apt apt-get "${only[@]}" update
    foreign_apt apt-get "${only[@]}" install --yes --download-only --no-install-recommends "${TARGET_PACKAGES[@]}" >/dev/null
    (cd "$APT/cache/archives" && standard_library "$std")

    rm -rf "$root"
    for folder in bin lib sbin lib64; do
        mkdir -p "$root/usr/$folder"
        ln -s "usr/$folder" "$root/$folder"
    done
    for package in "$APT"/cache/archives/*.deb; do
        dpkg-deb --fsys-tarfile "$package" | tar -x --keep-directory-symlink --no-same-owner -C "$root"
        # Which package has which library, in that package's own words.
        dpkg-deb --ctrl-tarfile "$package" | tar -xO ./shlibs >>"$root/shlibs" 2>/dev/null || true
    done
    (cd "$APT/cache/archives" && sha256sum ./*.deb) >"$root/packages.txt"
    # What points to the root of a file system is to point to that of this one.
    find "$root" -type l -lname '/*' | while read -r link; do ln -sfnr "$root$(readlink "$link")" "$link"; done
    rm -rf "$APT"
}

# foreign_apt COMMAND…: apt for the target's architecture, with an index of its own and this machine's keys.
foreign_apt() {
    local command=$1
    shift
    "$command" -q -q -o APT::Architecture="$ARCH" -o APT::Architectures= -o APT::Architectures::="$ARCH" \
        -o Dir::State="$APT/state" -o Dir::State::status=/dev/null -o Dir::Cache="$APT/cache" -o APT::Sandbox::User= "$@"
}

# The mirror that this machine's apt uses.
foreign_sources() {
    local site
    # shellcheck disable=SC2016 # apt's own variables
    site=$(apt-get indextargets --format '$(LABEL) $(SITE)' 'Created-By: Packages' |
        awk 'NF == 2 && $1 == "Debian" && !site { site = $2 } END { print site }')
    [ -n "$site" ] || fail "apt knows no Debian mirror; is there an index? (apt-get update)"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $site $SUITE main"
}

# Rust's for the target, into this folder.
standard_library() {
    local name=libstd-rust-web-dev version=$1 address
    if [ "$ARCH" = "$HOST_ARCH" ]; then
        apt-get -q -q download "$name=$version"
        return
    fi
    # An index that lacks it, or cannot be had, is seen by its absence.
    foreign_apt apt-get update >/dev/null 2>&1 || true
    foreign_apt apt-get download "$name=$version" 2>/dev/null && return
    # Mirrors of the security archive may have a stale index for the lesser architectures; the package lies there all
    # the same, beside that for this machine.
    [ -z "${CROSS_STRICT:-}" ] || fail "$name=$version for $ARCH is in no signed index"
    address=$(apt-get --print-uris download "$name=$version" | sed "s/^'\([^']*\)_$HOST_ARCH\.deb'.*/\1_$ARCH.deb/")
    echo "warning: $name=$version for $ARCH is in no index that apt can get; taken without one, so its signature is not checked" >&2
    /usr/lib/apt/apt-helper download-file "$address" "./${name}_$ARCH.deb" >/dev/null
}
