#!/usr/bin/env python3
"""manager.py WATCHDOG_SECONDS COMMAND...: a service manager as small as can be.

Starts COMMAND with the notify socket of Type=notify and says on standard output what comes of it:

  heard READY=1              each line that the service sent
  due                        WATCHDOG=1 did not come in time; systemd would end the service now
  ended CODE

SIGUSR1 stops the service's thread named `camera`, and no other, as a driver does that does not come back; SIGUSR2 lets
it go on. SIGTERM goes to the service.
"""
import ctypes
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time

SEIZE, INTERRUPT, DETACH = 0x4206, 0x4207, 17
WALL = 0x40000000
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long


def ptrace(request, thread):
    if libc.ptrace(request, thread, None, None):
        sys.exit(f"ptrace: {os.strerror(ctypes.get_errno())}")


def thread_named(process, name):
    folder = f"/proc/{process}/task"
    for thread in os.listdir(folder):
        with open(f"{folder}/{thread}/comm") as comm:
            if comm.read().strip() == name:
                return int(thread)
    sys.exit(f"there is no thread {name}")


def main():
    within, command = float(sys.argv[1]), sys.argv[2:]
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/notify"
        heard = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        heard.bind(path)
        heard.settimeout(0.1)
        # The variables name the process that is to answer: the one that the shell becomes.
        start = f"WATCHDOG_PID=$$ NOTIFY_SOCKET={path} WATCHDOG_USEC={round(within * 1e6)} exec \"$@\""
        service = subprocess.Popen(["sh", "-c", start, "sh", *command])
        held = []

        def hold(*_):
            held.append(thread_named(service.pid, "camera"))
            ptrace(SEIZE, held[0])
            ptrace(INTERRUPT, held[0])
            os.waitpid(held[0], WALL)
            print("held", flush=True)

        def release(*_):
            ptrace(DETACH, held.pop())
            print("released", flush=True)

        signal.signal(signal.SIGUSR1, hold)
        signal.signal(signal.SIGUSR2, release)
        signal.signal(signal.SIGTERM, lambda *_: service.terminate())
        fed, due = time.monotonic(), False
        while service.poll() is None:
            try:
                lines = heard.recv(4096).decode().split("\n")
            except TimeoutError:
                lines = []
            for line in lines:
                print(f"heard {line}", flush=True)
                if line in ("READY=1", "WATCHDOG=1"):
                    fed, due = time.monotonic(), False
            if time.monotonic() - fed > within and not due:
                due = True
                print("due", flush=True)
        print(f"ended {service.returncode}", flush=True)


main()
