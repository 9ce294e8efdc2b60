"""Runs a command on a terminal of its own, presses keys, and prints what it drew.

Each step on standard input is a line: `wait TEXT`, `keys TEXT` (Python escapes), `signal NAME`, `end`.
"""
import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios

rows, columns = int(sys.argv[1]), int(sys.argv[2])
pid, terminal = pty.fork()
if pid == 0:
    os.execv(sys.argv[3], sys.argv[3:])
fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
os.kill(pid, signal.SIGWINCH)
drawn = b""


def read():
    global drawn
    select.select([terminal], [], [])
    try:
        part = os.read(terminal, 65536)
    except OSError:
        part = b""
    drawn += part
    return bool(part)


seen = 0
for step in sys.stdin.read().splitlines():
    verb, _, rest = step.partition(" ")
    if verb == "wait":
        wanted = rest.encode()
        while wanted not in drawn[seen:]:
            if not read():
                sys.exit(f"it ended before {rest!r}: {drawn!r}")
    elif verb == "keys":
        seen = len(drawn)
        os.write(terminal, rest.encode().decode("unicode_escape").encode())
    elif verb == "signal":
        os.kill(pid, getattr(signal, rest))
while read():
    pass
_, status = os.waitpid(pid, 0)
sys.stdout.buffer.write(drawn)
sys.exit(os.waitstatus_to_exitcode(status))
