"""Runs a command on a terminal of its own, presses keys, and prints what it wrote.

Each line on standard input is a step: `wait TEXT` until the screen shows it, `keys TEXT` (with Python's escapes),
`signal NAME`.
"""
import codecs
import fcntl
import os
import pty
import re
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

# A step that never comes must not hang the test.
signal.alarm(600)
written = b""
pending = ""
decoder = codecs.getincrementaldecoder("utf-8")("replace")
screen = [[" "] * columns for _ in range(rows)]
row = column = 0
SEQUENCE = re.compile(r"\x1b(?:\[([?\d;]*)([A-Za-z])|\][^\x07]*\x07|[=>78])")


def draw(text):
    """Draws as a terminal does, as far as positions and letters go."""
    global row, column, pending
    text, at, pending = pending + text, 0, ""
    while at < len(text):
        if text[at] == "\x1b":
            found = SEQUENCE.match(text, at)
            if not found:
                pending = text[at:]
                return
            at = found.end()
            if found[2] == "H":
                numbers = [int(number or 1) for number in (found[1] or "1;1").split(";")]
                row, column = numbers[0] - 1, numbers[-1] - 1
            elif found[2] == "J":
                for line in screen:
                    line[:] = [" "] * columns
        else:
            if row < rows and column < columns:
                screen[row][column] = text[at]
            column += 1
            at += 1


def read():
    global written
    try:
        part = os.read(terminal, 65536)
    except OSError:
        return False
    written += part
    draw(decoder.decode(part))
    return bool(part)


def shown():
    return "\n".join("".join(line).rstrip() for line in screen)


for step in sys.stdin.read().splitlines():
    verb, _, rest = step.partition(" ")
    if verb == "wait":
        while rest not in shown():
            if not read():
                sys.exit(f"it ended before {rest!r}:\n{shown()}")
    elif verb == "keys":
        os.write(terminal, codecs.decode(rest, "unicode_escape").encode())
    elif verb == "signal":
        os.kill(pid, getattr(signal, rest))
while read():
    pass
_, status = os.waitpid(pid, 0)
sys.stdout.buffer.write(written)
sys.exit(os.waitstatus_to_exitcode(status))
