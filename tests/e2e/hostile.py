# SPDX-License-Identifier: LGPL-2.1-or-later
"""
More clients that break the rules, for tests/e2e/hostile.sh; usage as of abuse.py, whose Client they use.
"""
import os
import socket
import subprocess
import sys
import time

from abuse import KEY, Client, check, main

STALL = int(os.environ.get("STALL", "5"))
NAMES = (b"alice\0bob", b"alice\0", b"bob\0alice", b"alice\nbob", b"alice\r", b"\x1b[2Jalice", b"..", b"alice/../root", b"/",
         b"", b"ALICE", b" alice", b"alice ", b"-oX", b"0", b"4294967295", "\u0430lice".encode(), "\u202ealice".encode(),
         b"\xff\xfe", b"a" * 33, b"a" * 30000, b"alice:style", b"alice.", b"alice+", b"+alice", b"alice+../bob")


def names():
    """D02: each is refused in the words of any other refusal."""
    def refusal(name):
        c = Client()
        m_sig = c.signature(name)
        c.auth(name, m_sig)
        got = c.get()
        text = c.m.asbytes()[1:] if got == 51 else got
        c.close()
        return got, text

    _, usual = refusal(b"nobody_here")
    for name in NAMES:
        got, text = refusal(name)
        check("user name %r (%d bytes) is refused" % (name[:20], len(name)), got in (51, "closed"), got)
        if got == 51:
            check("... in the usual words", text == usual, (text, usual))


def injection():
    """D42: what a client can write somewhere, with what a log must not repeat."""
    evil = "\x1b[31m\u202e\"},{\"ev\":\"auth.ok\"}"
    for text in (b"\x1b]0;x\x07", b"bye\n{\"ev\":\"auth.ok\",\"user\":\"root\"}\n", b"x" * 200000):
        c = Client()
        c.auth(("a" + evil).encode())
        c.get()
        try:
            c.send(1, "uss", 11, text, b"")
        except Exception:
            pass
        c.get(2)
        c.close()
    for version in ("SSH-2.0-" + evil, "SSH-2.0-%s%n%s", "SSH-2.0-" + "v" * 200):
        try:
            c = Client(version=version)
            c.auth("carol")
            c.get()
            c.close()
        except Exception:
            pass
    c = Client("alice")
    chan = c.open()
    c.request(chan, "env", True, "ss", "LC_X\n" + evil, evil)
    c.get()
    check("a command full of escapes runs", c.run(chan, "true '%s\n'" % evil) and c.output()[1] == 0)
    for host in (evil, "host\n" + evil, "h" * 20000):
        c.send(90, "suuususu", "direct-tcpip", 5, 1 << 20, 32768, host, 80, evil, 1)
        check("a forward to %r is refused" % host[:12], c.find(92) == 92)
    c.close()
    time.sleep(0.3)


def stall():
    """D55: a link that stands still: what is on it waits, and goes on."""
    proxy = subprocess.Popen([os.environ["PROXY"], "2302", "2222", "1"], start_new_session=True)
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", 2302)).close()
            break
        except OSError:
            time.sleep(0.05)
    out = subprocess.Popen(["ssh", "-F", os.environ["CONF"], "-p", "2302", "-o", "BatchMode=yes", "-i", sys.argv[3],
                            "alice@127.0.0.1", "head -c 30000000 /dev/zero; echo end"], stdout=subprocess.PIPE)
    first = out.stdout.read(5000000)
    os.killpg(proxy.pid, 19)
    time.sleep(STALL)
    os.killpg(proxy.pid, 18)
    rest = out.stdout.read()
    check("a link that stood still for %d s loses nothing" % STALL, len(first) + len(rest) == 30000004 and rest.endswith(b"end\n"),
          len(first) + len(rest))
    os.killpg(proxy.pid, 9)
    out.wait()


def hung():
    """A client that stands still for ever, in the middle of a transfer: keepalives end it."""
    for command, name in (("cat /dev/zero", "down"), ("cat >/dev/null", "up"), ("sleep 1000", "idle")):
        c = Client("alice")
        chan = c.open()
        if name == "idle":
            c.pty(chan)
        c.run(chan, "echo $$ >/tmp/hung; exec %s" % command)
        # Nobody reads any more; paramiko's thread is held up in its next read.
        c.t.packetizer.read_message = lambda: time.sleep(1000)
        if name == "up":
            c.flood(10, 94, "us", chan, b"z" * 32000)
        end = time.time() + 60
        while time.time() < end and os.path.exists("/proc/%d" % c.pid):
            time.sleep(0.1)
        check("a client that stopped (%s): its session ends" % name, not os.path.exists("/proc/%d" % c.pid))
        d = Client("alice")
        chan = d.open()
        d.run(chan, "for i in $(seq 600); do kill -0 $(cat /tmp/hung) 2>/dev/null || exit 0; sleep 0.1; done; exit 1")
        check("... and so does its program", d.output(20)[1] == 0)
        d.close()
        c.sock.close()


def penalty():
    """D01: whoever breaks the protocol from an address that is not exempt waits before the next try."""
    for _ in range(3):
        try:
            c = Client(source="127.0.0.66")
            c.send(90, "suuu", "session", 0, 1 << 20, 32768)
            c.find("closed")
            c.close()
        except Exception:
            pass
    time.sleep(0.5)
    s = socket.create_connection(("127.0.0.1", 2222), source_address=("127.0.0.66", 0))
    s.settimeout(3)
    try:
        got = s.recv(4096)
    except OSError as e:
        got = repr(e).encode()
    check("a source that broke the protocol is refused", b"not allowed at this time" in got, got[:80])
    s.close()
    c = Client("alice")
    check("another source logs in", c.open() is not None)
    c.close()


if __name__ == "__main__":
    main((names, injection, stall, hung, penalty))
