"""Runs a command and says what it cost: seconds of wall and of CPU, peak memory in KiB, exit status.

wait4(2) tells the CPU of the process and of all the children it waited for, to the microsecond, and the peak memory of the
largest single process among them. GNU time tells the same, rounded to hundredths: too coarse for a start-up of 50 ms.

    wait4.py LOG COMMAND...      the command's output goes to LOG, the figures to standard output as JSON
"""
import json
import os
import sys
import time

log, *argv = sys.argv[1:]
output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
nothing = os.open(os.devnull, os.O_RDONLY)
actions = [(os.POSIX_SPAWN_DUP2, fd, to) for fd, to in ((nothing, 0), (output, 1), (output, 2))]
began = time.monotonic()
pid = os.posix_spawnp(argv[0], argv, os.environ, file_actions=actions)
_, status, used = os.wait4(pid, 0)
wall = time.monotonic() - began
print(json.dumps({
    "wall": wall,
    "cpu": used.ru_utime + used.ru_stime,
    "peak": used.ru_maxrss,
    "status": os.waitstatus_to_exitcode(status),
}))
