# The image of cross.toml: Debian 12, so that what is built runs on Raspberry Pi OS and Debian from there on (glibc 2.36,
# GStreamer 1.22). cross gives CROSS_DEB_ARCH, and brings the Rust toolchain of the host.
FROM debian:bookworm-slim

ARG CROSS_DEB_ARCH
ARG GNU

# cmake: for what the tests alone use. qemu-user-static: for `cross test`.
RUN dpkg --add-architecture $CROSS_DEB_ARCH \
    && apt-get update \
    && apt-get install --yes --no-install-recommends \
        ca-certificates cmake g++ g++-$GNU gcc gcc-$GNU libc6-dev libc6-dev-$CROSS_DEB_ARCH-cross make pkg-config \
        qemu-user-static libgcc-s1:$CROSS_DEB_ARCH libstdc++6:$CROSS_DEB_ARCH \
        libgstreamer1.0-dev:$CROSS_DEB_ARCH libgstreamer-plugins-base1.0-dev:$CROSS_DEB_ARCH \
    && rm -rf /var/lib/apt/lists/*

ENV CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc \
    CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER=qemu-aarch64-static \
    CC_aarch64_unknown_linux_gnu=aarch64-linux-gnu-gcc \
    CXX_aarch64_unknown_linux_gnu=aarch64-linux-gnu-g++ \
    AR_aarch64_unknown_linux_gnu=aarch64-linux-gnu-ar \
    CARGO_TARGET_ARMV7_UNKNOWN_LINUX_GNUEABIHF_LINKER=arm-linux-gnueabihf-gcc \
    CARGO_TARGET_ARMV7_UNKNOWN_LINUX_GNUEABIHF_RUNNER=qemu-arm-static \
    CC_armv7_unknown_linux_gnueabihf=arm-linux-gnueabihf-gcc \
    CXX_armv7_unknown_linux_gnueabihf=arm-linux-gnueabihf-g++ \
    AR_armv7_unknown_linux_gnueabihf=arm-linux-gnueabihf-ar \
    PKG_CONFIG_ALLOW_CROSS=1 \
    PKG_CONFIG_LIBDIR=/usr/lib/$GNU/pkgconfig:/usr/share/pkgconfig
