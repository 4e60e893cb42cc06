"""A slow and lossy wire between two bridges: not every kernel has netem. Arguments: two taps, milliseconds, percent, seed."""
import fcntl
import heapq
import os
import random
import select
import struct
import sys
import time

names, delay, loss = sys.argv[1:3], float(sys.argv[3]) / 1000, float(sys.argv[4]) / 100
chance = random.Random(int(sys.argv[5]))


def tap(name):
    fd = os.open('/dev/net/tun', os.O_RDWR | os.O_NONBLOCK)
    # TUNSETIFF with IFF_TAP | IFF_NO_PI
    fcntl.ioctl(fd, 0x400454CA, struct.pack('16sH', name.encode(), 0x1002))
    return fd


ends = [tap(name) for name in names]
print('ready', flush=True)
waiting = []
count = 0
while True:
    now = time.monotonic()
    left = None if not waiting else max(0, waiting[0][0] - now)
    ready, _, _ = select.select(ends, [], [], left)
    now = time.monotonic()
    for fd in ready:
        # At most 64 frames at a time, so that incoming frames do not delay those that are due.
        for _ in range(64):
            try:
                frame = os.read(fd, 65536)
            except BlockingIOError:
                break
            if chance.random() < loss:
                continue
            count += 1
            heapq.heappush(waiting, (now + delay, count, ends[1 - ends.index(fd)], frame))
    now = time.monotonic()
    while waiting and waiting[0][0] <= now:
        try:
            os.write(waiting[0][2], waiting[0][3])
        except OSError:
            # A full queue or an end that is down loses it, as a wire would.
            pass
        heapq.heappop(waiting)
