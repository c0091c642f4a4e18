#!/usr/bin/env python3
"""emulated.py COMMAND...: runs a command that can start arm64 programs, by qemu-user.

As root of a new user namespace with a binfmt_misc of its own, so that the machine's table is neither needed nor changed.
That takes root, and Linux 6.7 ("binfmt_misc: enable sandboxed mounts").
"""
import ctypes
import os
import sys

NEWNS, NEWUSER, NEWPID = 0x20000, 0x10000000, 0x20000000
REC, PRIVATE = 0x4000, 0x40000
INTERPRETER = "/usr/bin/qemu-aarch64-static"
# An ELF file, 64 bits, little-endian, to be executed (ET_EXEC or ET_DYN), for machine 0xb7.
MAGIC = rb"\x7f\x45\x4c\x46\x02\x01\x01" + rb"\x00" * 9 + rb"\x02\x00\xb7\x00"
MASK = rb"\xff" * 7 + rb"\x00" + rb"\xff" * 8 + rb"\xfe\xff\xff\xff"
libc = ctypes.CDLL(None, use_errno=True)


def check(failed, what):
    if failed:
        sys.exit(f"emulated.py: {what}: {os.strerror(ctypes.get_errno())}")


def mount(source, target, kind, flags=0):
    check(libc.mount(source, target, kind, flags, None), f"cannot mount {target.decode()}")


def inside(command):
    mount(b"none", b"/", None, REC | PRIVATE)
    mount(b"proc", b"/proc", b"proc")
    mount(b"binfmt_misc", b"/proc/sys/fs/binfmt_misc", b"binfmt_misc")
    with open("/proc/sys/fs/binfmt_misc/register", "wb", buffering=0) as register:
        # F: the interpreter is opened now, and so is found in any root. P: it gets argv[0] too.
        register.write(b":lunette:M::" + MAGIC + b":" + MASK + b":" + INTERPRETER.encode() + b":FP")
    os.execvp(command[0], command)


def main():
    ready, ask = os.pipe()
    go, allow = os.pipe()
    outer = os.fork()
    if outer == 0:
        check(libc.unshare(NEWUSER | NEWNS | NEWPID), "cannot make a namespace")
        os.write(ask, b"x")
        os.read(go, 1)
        os.setgid(0)
        os.setuid(0)
        # The first process of the new pid namespace.
        child = os.fork()
        if child == 0:
            inside(sys.argv[1:])
        os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) & 255)
    os.close(ask)
    if os.read(ready, 1):
        # All ids are what they are outside: files belong to whom they should.
        for name in ("uid_map", "gid_map"):
            with open(f"/proc/{outer}/{name}", "w") as ids:
                ids.write("0 0 65536")
    os.write(allow, b"x")
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(outer, 0)[1]) & 255)


main()
