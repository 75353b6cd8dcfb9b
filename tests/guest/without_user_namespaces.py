"""python without_user_namespaces.py COMMAND: runs it as an ordinary user of a machine that forbids
user namespaces. Needs root: it makes such a machine of a user namespace.
"""

import ctypes
import os
import sys
from pathlib import Path

CLONE_NEWUSER = 0x10000000
ALL = "0 0 65536"
NOBODY = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--"]

inside, outside = os.pipe(), os.pipe()
child = os.fork()
if child == 0:
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWUSER):
        sys.exit("cannot make a user namespace")
    os.write(inside[1], b"x")
    os.read(outside[0], 1)
    Path("/proc/sys/user/max_user_namespaces").write_text("0")
    os.execvp(NOBODY[0], [*NOBODY, *sys.argv[1:]])  # noqa: S606
os.read(inside[0], 1)
for name in ("uid_map", "gid_map"):
    Path(f"/proc/{child}", name).write_text(ALL)
os.write(outside[1], b"x")
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
