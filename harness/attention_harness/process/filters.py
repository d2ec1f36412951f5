"""A filter of system calls, seccomp(2): no sockets but local ones, and no way into other processes."""

from __future__ import annotations

import ctypes
import errno
import os
import sys

SECCOMP, FILTER, GET_SECCOMP = 22, 2, 21
LOAD, EQUAL, AT_LEAST, RETURN = 0x20, 0x15, 0x35, 0x06
"""Operations of the filter: BPF_LD|W|ABS, BPF_JMP|JEQ|K, BPF_JMP|JGE|K, BPF_RET|K."""
ALLOW, REFUSE = 0x7FFF0000, 0x00050000
AT_NUMBER, AT_MACHINE, AT_FIRST = 0, 4, 16
"""Places in struct seccomp_data: the number of the call, the machine, the lower half of the first argument."""
LOCAL = 1
"""AF_UNIX: the pipes of multiprocessing."""
OTHER_NUMBERS = 0x40000000
"""From here on, the numbers of x32, which would go around the filter."""

MACHINES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
SOCKET = {"x86_64": 41, "aarch64": 198}
REFUSED = {
    "x86_64": (101, 165, 308, 310, 311, 312, 321, 425, 438),
    "aarch64": (117, 40, 268, 270, 271, 272, 280, 425, 438),
}
"""ptrace, mount, setns, process_vm_readv and writev, kcmp, bpf, io_uring_setup (its sockets pass no filter), pidfd_getfd."""

Instruction = tuple[int, int, int, int]


class Filter(ctypes.Structure):
    """struct sock_filter."""

    _fields_ = (("code", ctypes.c_uint16), ("yes", ctypes.c_uint8), ("no", ctypes.c_uint8), ("value", ctypes.c_uint32))


class Program(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = (("length", ctypes.c_uint16), ("filters", ctypes.POINTER(Filter)))


def supported() -> bool:
    """Whether the kernel has filters, and this is a machine whose numbers are known."""
    if sys.platform != "linux" or os.uname().machine not in MACHINES:
        return False
    return ctypes.CDLL(None, use_errno=True).prctl(GET_SECCOMP, 0, 0, 0, 0) >= 0


def program(machine: str) -> list[Instruction]:
    """The instructions: code, how many to skip if it holds and if not, value."""
    refused = REFUSED[machine]
    jumps = [(EQUAL, len(refused) - number + 2, 0, call) for number, call in enumerate(refused)]
    return [
        (LOAD, 0, 0, AT_MACHINE),
        (EQUAL, 1, 0, MACHINES[machine]),
        (RETURN, 0, 0, REFUSE | errno.EPERM),
        (LOAD, 0, 0, AT_NUMBER),
        (AT_LEAST, len(refused) + 3, 0, OTHER_NUMBERS),
        *jumps,
        (EQUAL, 0, 3, SOCKET[machine]),
        (LOAD, 0, 0, AT_FIRST),
        (EQUAL, 1, 0, LOCAL),
        (RETURN, 0, 0, REFUSE | errno.EPERM),
        (RETURN, 0, 0, ALLOW),
    ]


def enter() -> None:
    """Binds this process and all that it starts. OSError where the kernel refuses the filter."""
    instructions = program(os.uname().machine)
    filters = (Filter * len(instructions))(*(Filter(*one) for one in instructions))
    whole = Program(len(instructions), filters)
    if ctypes.CDLL(None, use_errno=True).prctl(SECCOMP, FILTER, ctypes.byref(whole), 0, 0):
        raise OSError(ctypes.get_errno(), "the filter of system calls cannot be entered")
