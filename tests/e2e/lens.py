# SPDX-License-Identifier: LGPL-2.1-or-later
"""
Packets that the lens rewrites, or must not, for tests/e2e/lens.sh; usage as of abuse.py, whose Client they use.
"""
import itertools
import time

from abuse import Client, check, main

MARKS = (b"\1sshbay-unix\1:/tmp/forged", b"\1nomore", b"\1ka", b"\1!", b"\1sb-unix\1:/tmp/forged", b"\1")
GLOBAL, SUCCESS, FAILURE, OPEN, OPENED, REFUSED, REQUEST, YES, NO = 80, 81, 82, 90, 91, 92, 98, 99, 100


def nul():
    """What libssh would cut at its first NUL is refused as a whole."""
    for name in (b"alice\0", b"alice\0x", b"\0alice"):
        c = Client()
        c.auth(name, c.signature(name))
        got = c.get()
        check("user name %r is refused" % name, got in (51, "closed"), got)
        c.close()
    c = Client("alice")
    chan = c.open()
    for kind, fmt, args in (("exec", "s", (b"echo cut\0 >/dev/null",)), ("exec", "s", (b"\0",)), ("subsystem", "s", (b"sftp\0x",)),
                            ("env", "ss", (b"LC_A\0B", b"1")), ("env", "ss", (b"LC_A", b"1\0")),
                            ("pty-req", "suuuus", (b"vt100\0", 80, 24, 0, 0, b"")),
                            ("x11-req", "bssu", (False, b"MIT-MAGIC-COOKIE-1\0", b"00", 0)), ("exec\0", "s", (b"true",))):
        c.request(chan, kind, True, fmt, *args)
        got = c.get()
        check("%s %r is refused" % (kind.replace("\0", "\\0"), args[0]), got == NO, got)
    check("and the channel is as it was", c.run(chan, "echo ${LC_A-none}") and c.output() == (b"none\n", 0))
    c.close()


def forged():
    """A client that says a mark is refused, and nothing comes of it."""
    c = Client("alice")
    for mark in MARKS:
        for kind in ("tcpip-forward", "cancel-tcpip-forward"):
            c.send(GLOBAL, "sbsu", kind, True, mark, 1)
            got = c.get()
            check("%s of %r is refused" % (kind, mark), got == FAILURE, got)
        c.send(OPEN, "suuususu", "direct-tcpip", 7, 1 << 20, 32768, mark, 1, "127.0.0.1", 1)
        got = c.get()
        check("direct-tcpip to %r is refused" % mark, got == REFUSED, got)
    for host, port in ((b"localhost", 65536 + 7777), (b"local\0host", 7777), (b"", 1 << 31)):
        c.send(GLOBAL, "sbsu", "tcpip-forward", True, host, port)
        got = c.get()
        check("tcpip-forward of %r:%d is refused" % (host, port), got == FAILURE, got)
    c.send(GLOBAL, "sbsu", "tcpip-forward", True, b"", 1)
    check("port 1 of every address is asked for inside, and refused there", c.get() == FAILURE)
    chan = c.open(1)
    check("sessions may still be opened", chan is not None)
    c.request(chan, "signal", True, "s", b"\1eow\1")
    check("a forged end of writing is refused", c.get() == NO)
    check("and the output comes", c.run(chan, "test -e /tmp/forged; echo $?") and c.output() == (b"1\n", 0))
    c.close()


def order():
    """Global requests are answered in their order, those that take time among them, with or without an answer that is wanted."""
    def drain(c, n, limit=60):
        got = []
        while len(got) < n:
            kind = c.get(limit)
            if kind not in (SUCCESS, FAILURE):
                return got + [kind]
            got.append((kind, len(c.m.asbytes())))
        return got

    wrong, path = [], "/tmp/lens-order"
    rows = {
        "port": ("sbsu", ("tcpip-forward", True, "localhost", 0), (SUCCESS, 4)),
        "socket": ("sbs", ("streamlocal-forward@openssh.com", True, path), (SUCCESS, 0)),
        "keepalive": ("sb", ("keepalive@openssh.com", True), (SUCCESS, 0)),
        "unknown": ("sb", ("unknown@example.org", True), (FAILURE, 0)),
        "mute": ("sb", ("unknown@example.org", False), None),
    }
    silent = (("sbsu", ("tcpip-forward", False, "nowhere.invalid", 7777)), ("sbsu", ("tcpip-forward", False, "\1!", 1)),
              ("sbsu", ("cancel-tcpip-forward", False, "localhost", 7777)), ("sbsu", ("tcpip-forward", False, "h" * 300, 7777)),
              ("sbs", ("cancel-streamlocal-forward@openssh.com", False, "/none")),
              ("sbs", ("streamlocal-forward@openssh.com", False, "/none/s")), ("sbs", ("streamlocal-forward@openssh.com", False, "")))
    c = Client("alice")
    for fmt, args in silent:
        c.send(GLOBAL, fmt, *args)
        c.send(GLOBAL, "sb", "keepalive@openssh.com", True)
        got = drain(c, 1)
        check("%r to %r is refused without an answer" % (args[0], args[2][:20]), got == [(SUCCESS, 0)], got)
    c.send(GLOBAL, "sbsu", "tcpip-forward", False, "localhost", 7778)
    c.send(GLOBAL, "sbsu", "cancel-tcpip-forward", True, "localhost", 7778)
    check("one that is served listens, also without an answer", drain(c, 1) == [(SUCCESS, 0)])
    c.close()
    c = Client("alice")
    for n, names in enumerate(itertools.permutations(rows)):
        if n and n % 12 == 0:
            c.close()
            c = Client("alice")
        for name in names:
            fmt, args, _ = rows[name]
            c.send(GLOBAL, fmt, *args)
        c.send(GLOBAL, "sbs", "cancel-streamlocal-forward@openssh.com", True, path)
        want = [rows[name][2] for name in names if rows[name][2]] + [(SUCCESS, 0)]
        got = drain(c, len(want))
        if got != want:
            wrong.append((names, got))
    check("global requests in %d orders" % (n + 1), not wrong, wrong[:2])
    bad = (("sbsu", ("hostkeys-prove-00@openssh.com", True, b"", 0)), ("sbs", ("tcpip-forward", True, b"x")),
           ("sbs", ("streamlocal-forward@openssh.com", True, b"/a\0b")), ("sbs", ("streamlocal-forward@openssh.com", True, b"")),
           ("sbsu", ("tcpip-forward\0", True, "localhost", 0)), ("sbs", ("no-more-sessions@openssh.com", True, b"x")), ("sb", ("keepalive@jcraft.com", True)))
    c.close()
    c = Client("alice")
    for fmt, args in bad:
        c.send(GLOBAL, "sbsu", "tcpip-forward", True, "localhost", 0)
        c.send(GLOBAL, fmt, *args)
        got = drain(c, 2)
        check("%r waits for its turn, and is refused" % (args,), got == [(SUCCESS, 4), (FAILURE, 0)], got)
    # As from sshd, a client that wants all of its forwards or nothing hears of a failure before its session opens.
    got = []
    for n in range(8):
        c.send(GLOBAL, "sbsu", "tcpip-forward", True, "localhost", 1)
        c.send(OPEN, "suuu", "session", n, 1 << 20, 32768)
        got += [c.get(), c.get()]
    check("a session that is opened behind a refused forward opens after the refusal", got == [FAILURE, OPENED] * 8, got)
    c.close()
    # Also as from sshd: what is listened on before is there to be connected to.
    c = Client("alice")
    for n in range(8):
        c.send(GLOBAL, "sbsu", "tcpip-forward", True, "localhost", 7780 + n)
    c.send(OPEN, "suuususu", "direct-tcpip", 1, 1 << 20, 32768, "127.0.0.1", 7787, "127.0.0.1", 1)
    got = [c.get() for _ in range(10)]
    check("a connection behind forwards reaches the last of them", sorted(map(str, got)) == sorted(map(str, [SUCCESS] * 8 + [OPEN, OPENED])), got)
    c.close()
    c = Client("alice")
    c.send(GLOBAL, "s", "unknown@example.org")
    c.send(GLOBAL, "sb", "x", True)
    check("after one that is cut short, a short one is answered", drain(c, 1) == [(FAILURE, 0)])
    check("and there is no answer too many", c.get(0.3) is None)
    check("and sessions go on", c.open() is not None)
    c.close()


def nomore():
    """A client that said no-more-sessions is held to it; forwards it may still open."""
    c = Client("alice")
    first = c.open()
    c.send(GLOBAL, "sb", "no-more-sessions@openssh.com", True)
    check("no-more-sessions is answered", c.get() == SUCCESS)
    check("the session that there is goes on", c.run(first, "echo on") and c.output() == (b"on\n", 0))
    c.send(OPEN, "suuususu", "direct-tcpip", 7, 1 << 20, 32768, "127.0.0.1", 7, "127.0.0.1", 1)
    check("a forward is answered", c.find(REFUSED) == REFUSED)
    c.send(OPEN, "suuu", "session", 1, 1 << 20, 32768)
    got = c.find("closed")
    check("a session after it ends the connection", got == "closed", got)
    c.close()
    c = Client("alice")
    c.send(GLOBAL, "sb", "no-more-sessions@openssh.com", False)
    c.send(GLOBAL, "sb", "keepalive@openssh.com", True)
    check("without a wish for an answer there is none", c.get() == SUCCESS and c.get(0.3) is None)
    c.send(OPEN, "suuu", "session", 1, 1 << 20, 32768)
    check("and it holds as well", c.find("closed") == "closed")
    c.close()


def spam():
    """Refusals without end: each is answered, a few are told."""
    c = Client("alice")
    for n in range(300):
        c.send(OPEN, "suuususu", "direct-tcpip", n, 1 << 20, 32768, "127.0.0.1", 9, "127.0.0.1", 1)
        if c.find(REFUSED) != REFUSED:
            break
    check("300 refused connections are answered", n == 299, n)
    c.close()
    time.sleep(0.3)


if __name__ == "__main__":
    main((nul, forged, order, nomore, spam))
