# SPDX-License-Identifier: LGPL-2.1-or-later
"""
Clients that break the rules of SSH, packet by packet, against a whole bed: paramiko makes the key exchange, everything
from type 50 on goes in and out by hand.  tests/e2e/abuse.sh calls it inside the bed:

    abuse.py CASE GATE_PID KEY     one line per check: "ok", "not ok" and a detail, tab-separated

KEY logs in alice; bob has no workspace and must not get one here.
"""
import logging
import os
import queue
import socket
import struct
import sys
import threading
import time

import paramiko
from paramiko.message import Message

logging.disable(logging.CRITICAL)
GATE = int(sys.argv[2])
KEY = paramiko.Ed25519Key(filename=sys.argv[3])
TICK = os.sysconf("SC_CLK_TCK")


def check(name, good, detail=""):
    print("%s\t%s\t%s" % ("ok" if good else "not ok", name, detail), flush=True)


def stat(pid):
    """Fields of /proc/PID/stat after the name; empty when gone."""
    try:
        return open("/proc/%d/stat" % pid).read().rsplit(")", 1)[1].split()
    except OSError:
        return []


def children():
    pids = [int(p) for p in os.listdir("/proc") if p.isdigit()]
    return {p for p in pids if stat(p)[1:2] == [str(GATE)]}


def cpu(pid):
    """Seconds of processor time; None when the process is gone."""
    f = stat(pid)
    return (int(f[11]) + int(f[12])) / TICK if f else None


def peak(pid):
    """Highest resident size so far, in MiB; 0 when gone."""
    try:
        for line in open("/proc/%d/status" % pid):
            if line.startswith("VmHWM"):
                return int(line.split()[1]) >> 10
    except OSError:
        pass
    return 0


class Held:
    """A socket; from hold() on what is sent waits for release(), and then goes at once."""

    def __init__(self, sock):
        self.sock, self.kept = sock, None

    def __getattr__(self, name):
        return getattr(self.sock, name)

    def send(self, data):
        if self.kept is None:
            return self.sock.send(data)
        self.kept += data
        return len(data)

    def hold(self):
        self.kept = b""

    def release(self):
        data, self.kept = self.kept, None
        self.sock.sendall(data)


class Client:
    """A connection after its key exchange, logged in on request."""

    def __init__(self, login=None, service=True, source="127.0.0.1", version=None, hold=False):
        before = children()
        self.sock = Held(socket.create_connection(("127.0.0.1", 2222), source_address=(source, 0)))
        self.got = queue.Queue()
        self.t = paramiko.Transport(self.sock)
        if hold:  # from NEWKEYS, the last of the key exchange, on
            activate = self.t._activate_outbound

            def last():
                self.sock.hold()
                activate()

            self.t._activate_outbound = last
        if version:
            self.t.local_version = version
        read = self.t.packetizer.read_message

        def divert():
            while True:
                kind, m = read()
                if kind < 50:
                    return kind, m
                self.got.put((kind, m))

        self.t.packetizer.read_message = divert
        self.t.start_client(timeout=60)
        self.pid = max(children() - before)
        if service:
            self.send(5, "s", "ssh-userauth")
        if login:
            self.auth(login, self.signature(login))
            if self.get() != 52:
                raise RuntimeError("login refused")

    def send(self, kind, fmt="", *args):
        m = Message()
        m.add_byte(bytes([kind]))
        for f, a in zip(fmt, args):
            {"s": m.add_string, "u": m.add_int, "b": m.add_boolean}[f](a)
        self.t._send_message(m)

    def flood(self, n, kind, fmt="", *args):
        """Send n times, or as often as the gate lets us; how often."""
        for i in range(n):
            try:
                self.send(kind, fmt, *args)
            except Exception:
                return i
        return n

    def get(self, limit=60):
        """Type of the next packet, "closed", or None."""
        end = time.time() + limit
        while time.time() < end:
            try:
                kind, self.m = self.got.get(timeout=0.02)
                return kind
            except queue.Empty:
                if not self.t.is_active() and self.got.empty():
                    return "closed"
        return None

    def find(self, want, limit=60, instead=None):
        """The type wanted, or what comes in its place."""
        got = self.get(limit)
        while got not in (want, instead, None, "closed"):
            got = self.get(limit)
        return got

    def signature(self, user):
        m = Message()
        m.add_string(self.t.session_id)
        m.add_byte(b"\x32")
        for s in (user, "ssh-connection", "publickey"):
            m.add_string(s)
        m.add_boolean(True)
        m.add_string("ssh-ed25519")
        m.add_string(KEY.asbytes())
        return KEY.sign_ssh_data(m.asbytes()).asbytes()

    def auth(self, user, sig=None, key=None):
        self.send(50, "sssbss" + ("s" if sig else ""), user, "ssh-connection", "publickey", bool(sig), "ssh-ed25519",
                  key or KEY.asbytes(), *([sig] if sig else []))

    def open(self, n=0, window=1 << 21, packet=32768):
        """Our number for their channel, None if refused."""
        self.send(90, "suuu", "session", n, window, packet)
        if self.find(91, instead=92) != 91:
            return None
        self.m.get_int()
        return self.m.get_int()

    def request(self, chan, kind, reply, fmt="", *args):
        self.send(98, "usb" + fmt, chan, kind, reply, *args)

    def run(self, chan, command):
        self.request(chan, "exec", True, "s", command)
        return self.find(99, instead=100) == 99

    def pty(self, chan, cols=80, rows=24, term="xterm"):
        self.request(chan, "pty-req", True, "suuuus", term, cols, rows, 0, 0, b"")
        return self.get()

    def output(self, limit=60):
        """Text and exit status until the channel closes or nothing comes any more."""
        text, status, got = b"", None, self.get(limit)
        while got not in (97, None, "closed"):
            if got == 94:
                self.m.get_int()
                text += self.m.get_string()
            elif got == 98:
                self.m.get_int()
                if self.m.get_text() == "exit-status":
                    self.m.get_boolean()
                    status = self.m.get_int()
            got = self.get(limit)
        return text, status

    def close(self):
        self.t.close()

    def reset(self):
        """RST instead of FIN."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        fd = self.sock.detach()
        os.close(fd)


def calm(name, c, limit=1.0):
    used = cpu(c.pid)
    check("%s: under %.1f s of CPU" % (name, limit), used is None or used < limit, used)
    high = peak(c.pid)
    check("%s: memory bounded" % name, high < 80, "%s MiB" % high)


def before_login():
    cases = (("USERAUTH_SUCCESS", 52, "", ()), ("GLOBAL_REQUEST", 80, "sb", ("keepalive@openssh.com", True)),
             ("tcpip-forward", 80, "sbsu", ("tcpip-forward", True, "", 8022)),
             ("CHANNEL_OPEN", 90, "suuu", ("session", 0, 1 << 20, 32768)), ("CHANNEL_DATA", 94, "us", (0, b"x")),
             ("CHANNEL_REQUEST", 98, "usbs", (0, "exec", True, "id")))
    for name, kind, fmt, args in cases:
        for how in ("", ", with a name", ", in one write with the end of the key exchange"):
            c = Client(hold=how.endswith("exchange"))
            if how.endswith("name"):
                c.auth("bob")
                c.get()
            c.send(kind, fmt, *args)
            if how.endswith("exchange"):
                c.sock.release()
            got = c.find("closed")
            check("%s before the login%s ends the connection" % (name, how), got == "closed", got)
            c.close()
    c = Client()
    c.send(52)
    try:
        c.send(90, "suuu", "session", 0, 1 << 20, 32768)
        c.send(98, "usbs", 0, "exec", True, "id")
    except Exception:
        pass
    got = [c.get() for _ in range(3)]
    check("USERAUTH_SUCCESS and a channel at once open nothing", 91 not in got and "closed" in got, got)
    c.close()
    c = Client(service=False)
    c.send(5, "s", "ssh-connection")
    check("asking for the connection service without a login ends the connection", c.find("closed") == "closed")
    c.close()


def tries():
    c = Client()
    sig = c.signature("bob")
    sent = 0
    for sent in range(300):
        try:
            c.auth("alice", sig)
        except Exception:
            break
        if c.get() != 51:
            break
    check("300 wrong signatures: closed after the limit", c.find("closed") == "closed" and sent < 10, sent)
    c.close()
    c = Client()
    sent = c.flood(300, 50, "sssbsss", "alice", "ssh-connection", "publickey", True, "ssh-ed25519", KEY.asbytes(), sig)
    end = c.find("closed")
    check("300 wrong signatures without waiting: closed", end == "closed", (sent, end))
    c.close()
    for name, known in (("unknown", False), ("known", True)):
        c = Client()
        answers = 0
        for i in range(300):
            m = Message()
            m.add_string("ssh-ed25519")
            m.add_string(struct.pack(">Q", i) * 4)
            try:
                c.auth("alice", key=None if known else m.asbytes())
            except Exception:
                break
            if c.get() not in (51, 60):
                break
            answers += 1
        check("300 probes with %s keys: closed after the limit" % name, c.find("closed") == "closed" and answers <= 100, answers)
        c.close()
    c = Client()
    n = 0
    while n < 300:
        try:
            c.send(50, "sssbs", "alice", "ssh-connection", "password", False, "secret%d" % n)
        except Exception:
            break
        if c.get() != 51:
            break
        n += 1
    check("300 passwords: closed after the limit", c.find("closed") == "closed" and n < 20, n)
    c.close()


def rename():
    for first, second in (("alice", "bob"), ("bob", "alice"), ("alice", "alice+other"), ("alice", "alice ")):
        c = Client()
        c.auth(first)
        c.get()
        try:
            c.auth(second, c.signature(second))
        except Exception:
            pass
        got = c.get()
        check("%s, then %r: the connection ends" % (first, second), got == "closed", got)
        c.close()


def channels():
    c = Client("alice")
    for i in range(5000):
        c.send(90, "suuu", "session", i, 1 << 20, 32768)
    opened, refused, codes = [], 0, set()
    for i in range(5000):
        got = c.get()
        if got == 91:
            c.m.get_int()
            opened.append(c.m.get_int())
        elif got == 92:
            c.m.get_int()
            codes.add(c.m.get_int())
            refused += 1
    check("5000 opens: 10 channels, 4990 refused", (len(opened), refused) == (10, 4990), (len(opened), refused))
    check("the refusals say administratively prohibited", codes == {1}, codes)
    calm("5000 opens", c, 2)
    good = 0
    for i, chan in enumerate(opened):
        good += c.run(chan, "echo alive; exit %d" % i) and c.output() == (b"alive\n", i)
        c.send(97, "u", chan)
    check("the ten channels that were opened work", good == 10, good)
    chan = c.open(7)
    check("and give their places back", chan is not None and c.run(chan, "exit 3") and c.output()[1] == 3)
    c.close()
    c = Client("alice")
    held = [c.open(i) for i in range(10)]
    for chan in held:
        c.run(chan, "cat")
    c.send(90, "suuu", "session", 99, 1 << 20, 32768)
    got = c.find(92)
    code = (c.m.get_int(), c.m.get_int())[1] if got == 92 else got
    check("the 11th session is administratively prohibited", code == 1, code)
    c.send(94, "us", held[4], b"echo\n")
    check("the rest is alive", c.find(94) == 94)
    c.close()


def windows():
    for packet in (0, 1, 1 << 31):
        c = Client("alice")
        chan = c.open(packet=packet)
        if chan is not None:
            c.request(chan, "exec", False, "s", "head -c 300000 /dev/zero; sleep 1")
            time.sleep(1)
        calm("maximum packet %d" % packet, c)
        c.close()
    c = Client("alice")
    chan = c.open(window=0)
    c.request(chan, "exec", False, "s", "yes")
    time.sleep(1)
    got = c.find(94, 0.2)
    check("window 0: nothing is sent", got is None, got)
    calm("window 0", c, 0.5)
    for _ in range(3):
        c.send(93, "uu", chan, (1 << 32) - 1)
    time.sleep(0.3)
    c.close()
    c = Client("alice")
    chan = c.open()
    c.request(chan, "exec", False, "s", "sleep 20")
    sent = c.flood(4096, 94, "us", chan, b"z" * 32000)
    check("data beyond the window ends the connection", c.find("closed") == "closed", sent)
    calm("data beyond the window", c, 2)
    c.close()


def storms():
    c = Client("alice")
    chan = c.open()
    c.request(chan, "exec", False, "s", "cat; exit 5")
    c.flood(20000, 96, "u", chan)
    check("20000 times EOF: the program ends once", c.output()[1] == 5)
    calm("EOF storm", c)
    c.send(97, "u", chan)
    chan = c.open(1)
    c.send(97, "u", chan)
    c.send(97, "u", chan)
    c.send(94, "us", chan, b"late")
    c.send(96, "u", chan)
    c.send(93, "uu", chan, 1 << 20)
    c.request(chan, "exec", True, "s", "touch /tmp/after-close")
    c.request(chan, "window-change", False, "uuuu", 1, 1, 1, 1)
    c.request(chan, "signal", False, "s", "KILL")
    time.sleep(0.2)
    chan = c.open(2) if c.t.is_active() else None
    if chan is not None:
        check("after data, requests and CLOSE on a closed channel others work", c.run(chan, "exit 6") and c.output()[1] == 6)
    else:
        check("data and requests on a closed channel end the connection", not c.t.is_active())
    calm("a closed channel", c)
    c.close()
    c = Client("alice")
    chan = c.open()
    c.flood(3000, 97, "u", chan)
    time.sleep(0.2)
    calm("CLOSE 3000 times", c)
    c.close()
    c = Client("alice")
    for nowhere in (7, 1 << 31, (1 << 32) - 1):
        for kind, fmt, args in ((94, "us", (b"x",)), (96, "u", ()), (97, "u", ()), (93, "uu", (5,)), (99, "u", ())):
            try:
                c.send(kind, fmt, nowhere, *args)
            except Exception:
                break
    time.sleep(0.2)
    calm("channels that never were", c)
    c.close()
    check("what was asked on a closed channel was not done", Client("alice") is not None and not ran("/tmp/after-close"))


def ran(path):
    c = Client("alice")
    chan = c.open()
    c.run(chan, "test -e %s" % path)
    status = c.output()[1]
    c.close()
    return status == 0


def requests():
    c = Client("alice")
    chan = c.open()
    try:
        c.request(chan, "exec", True, "s", "a" * (1 << 20))
    except Exception:
        pass
    got = c.get()
    check("a command of 1 MiB is refused or ends the connection", got in (100, "closed"), got)
    calm("a command of 1 MiB", c)
    c.close()
    c = Client("alice")
    chan = c.open()
    c.request(chan, "exec", True, "s", b"echo one\0; echo two")
    got = c.find(99, instead=100)
    text = c.output(3)[0] if got == 99 else b""
    check("a command with a NUL runs nothing behind it", b"two" not in text, (got, text))
    c.close()
    for cols, rows in ((0, 0), (65535, 65535), ((1 << 32) - 1, 1 << 31)):
        c = Client("alice")
        chan = c.open()
        got = c.pty(chan, cols, rows)
        good = got == 100 or (c.run(chan, "stty size; exit 4") and c.output()[1] == 4)
        check("a terminal of %dx%d" % (cols, rows), good, got)
        c.close()
    for size, want in ((65536, (100, "closed")), (1024, (99, 100))):
        c = Client("alice")
        chan = c.open()
        got = c.pty(chan, term="T" * size)
        check("TERM of %d bytes" % size, got in want, got)
        if got == 100:
            check("without it the channel still works", c.run(chan, "exit 2") and c.output()[1] == 2)
        c.close()
    c = Client("alice")
    chan = c.open()
    n = c.flood(5000, 98, "usbss", chan, "env", False, "LC_X", "v" * 4000)
    good = c.run(chan, "exit 9") and c.output()[1] == 9
    check("5000 variables of 4 kB: cut to the limit or closed", good or not c.t.is_active(), n)
    calm("5000 variables", c, 2)
    c.close()


def slow():
    for name, head in (("banner", b""), ("key exchange", b"SSH-2.0-slow\r\n")):
        s = socket.create_connection(("127.0.0.1", 2222))
        s.sendall(head)
        s.settimeout(1)
        begun, text = time.time(), b"SSH-2.0-snail_that_never_arrives" if not head else b"\0\0\5\0" + b"x" * 60
        for i in range(60):
            try:
                s.send(text[i % len(text):][:1])
                while s.recv(65536):
                    pass
                break
            except socket.timeout:
                continue
            except OSError:
                break
        took = time.time() - begun
        check("a %s of one byte per second ends at the grace time" % name, took < 45, "%.1f s" % took)
        s.close()


def crowd():
    """200 silent connections, renewed as they are closed, until the parent closes our standard input."""
    held, done = [], threading.Event()

    def hold():
        while not done.is_set():
            try:
                s = socket.create_connection(("127.0.0.1", 2222), timeout=5)
                held.append(s)
                s.settimeout(0.5)
                while not done.is_set():
                    try:
                        if not s.recv(4096):
                            break
                    except socket.timeout:
                        pass
                s.close()
            except OSError:
                time.sleep(0.2)

    for _ in range(200):
        threading.Thread(target=hold, daemon=True).start()
    end = time.time() + 20
    while len(held) < 150 and time.time() < end:
        time.sleep(0.1)
    print("held %d" % len(held), flush=True)
    sys.stdin.read()
    done.set()
    time.sleep(0.7)


def hangup():
    def start(pty, command):
        c = Client("alice")
        chan = c.open()
        if pty:
            c.pty(chan)
        c.run(chan, command)
        if not c.find(94) == 94:
            raise RuntimeError("no output")
        return c

    for how in ("half", "rst"):
        for pty in (True, False):
            name = "%s%s" % (how, "-pty" if pty else "")
            begin = "trap 'echo hup >/tmp/%s; exit' HUP PIPE; echo go; " % name
            # With a terminal the kernel says hangup; without one the next write finds nobody, as with sshd.
            c = start(pty, begin + ("sleep 300 & wait" if pty else "while sleep 0.1; do echo x || { echo hup >/tmp/%s; exit; }; done" % name))
            c.reset() if how == "rst" else c.sock.shutdown(socket.SHUT_WR)
            end = time.time() + 60
            while time.time() < end and stat(c.pid):
                time.sleep(0.05)
            check("%s: the session goes" % name, not stat(c.pid))
            end = time.time() + 60
            while time.time() < end and not ran("/tmp/" + name):
                time.sleep(0.3)
            check("%s: the program inside is told" % name, ran("/tmp/" + name))
    for direction in ("down", "up"):
        c = start(False, "echo $$ >/tmp/%s; echo go; exec %s" % (direction, "cat /dev/zero" if direction == "down" else "cat >/dev/null"))
        if direction == "up":
            c.flood(20, 94, "us", 0, b"z" * 32000)
        c.reset()
        end = time.time() + 60
        while time.time() < end and stat(c.pid):
            time.sleep(0.05)
        check("a reset in the middle of a transfer %s: the session goes" % direction, not stat(c.pid))
        d = Client("alice")
        chan = d.open()
        d.run(chan, "for i in $(seq 600); do kill -0 $(cat /tmp/%s) 2>/dev/null || exit 0; sleep 0.1; done; exit 1" % direction)
        check("... and its program", d.output(90)[1] == 0)
        d.close()


def main(functions):
    """Run the case that the command line names, and end at once whatever its threads do."""
    cases = {f.__name__.replace("_", "-"): f for f in functions}
    try:
        cases[sys.argv[1]]()
    except Exception as e:
        check("%s runs to its end" % sys.argv[1], False, repr(e))
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main((before_login, tries, rename, channels, windows, storms, requests, slow, crowd, hangup))
