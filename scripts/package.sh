# Sourced by scripts/cross.sh: the .deb of what was built, and what can be said of it without installing it.
# shellcheck shell=bash

# What is in the package beside the binary, and the same for all architectures but NOTICES: into target/deb. For the host.
package_files() {
    rm -rf target/deb
    mkdir -p target/deb
    cargo run --quiet --locked --example manuals -- target/deb
    scripts/notices.py "$TARGET" | gzip -9n >target/deb/NOTICES.gz
    debian_changelog >target/deb/changelog
}

# The first section of CHANGELOG.md, as Debian's tools read it.
debian_changelog() {
    echo "lunette ($(version)-1) unstable; urgency=medium"
    echo
    # A line for each entry, then broken where Debian wants it.
    awk '/^## / { n++ } n == 1 && /^- / { printf "%s* %s", sep, substr($0, 3); sep = "\n" }
        n == 1 && /^  / { printf " %s", substr($0, 3) } END { print "" }' CHANGELOG.md |
        fold -s -w 72 | sed -e 's/^/    /' -e 's/^    \* /  * /' -e 's/ *$//'
    echo
    echo " -- $(sed -n 's/^maintainer = "\(.*\)"/\1/p' Cargo.toml)  $(date -u -R -d "@$DATE")"
}

# package BINARY: sets DEB.
package() {
    command -v cargo-deb >/dev/null || env -u RUSTC -u CARGO_BUILD_TARGET cargo install --locked cargo-deb
    mkdir -p "$FOLDER/dist"
    DEB=$(SOURCE_DATE_EPOCH=$DATE cargo deb --quiet --locked --profile dist --target "$TARGET" --no-build --no-strip --output "$FOLDER/dist")
    dependencies "$1" "$DEB"
    apt_need lintian
    lintian --allow-root --fail-on error,warning "$DEB"
    echo "$DEB: $(stat -c %s "$DEB") bytes"
}

# Holds `Depends` against the libraries that the binary asks for, by the packages' own `shlibs` files.
dependencies() {
    local binary=$1 depends library name number wanted
    depends=" $(dpkg-deb -f "$2" Depends | tr -d '\n' | sed 's/, */ , /g') "
    for library in $(needed "$binary"); do
        # libx.so.1 is `libx 1` there, and libx-1.0.so is `libx 1.0`.
        name=${library%%.so*} number=${library##*.so.}
        wanted=$(awk -v name="$name" -v number="$number" '$1 == name && $2 == number { print $3; exit }' "$SYSROOT/shlibs")
        [ -n "$wanted" ] || fail "no package of the sysroot has $library"
        case $depends in
            *" $wanted "*) ;;
            *) fail "the binary asks for $library, and Depends lacks $wanted: $depends" ;;
        esac
    done
}
