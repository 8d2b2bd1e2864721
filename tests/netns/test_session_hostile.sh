#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# sshd-gate-session against clients that break the rules (THREATS D01, D02, D18, D21 to D23), packet by packet through
# paramiko's transport. tests/bench/fakegate.c stands for the rest of sshbay. In a network namespace of its own.
if [ -z "${IN_NETNS:-}" ]; then
	IN_NETNS=1 exec unshare -n -- "$0" "$@"
fi
set -u
ROOT=$(cd "$(dirname "$0")/../.." && pwd)
BUILD=${B:-$ROOT/build}
if ! /usr/bin/python3 -c 'import paramiko' 2>/dev/null; then
	echo "ok 1 - hostile clients # SKIP python3-paramiko is not installed"
	echo "1..1"
	exit 0
fi
ip link set lo up
SCRATCH=$(mktemp -d "${TMPDIR:-/tmp}/sshbay-hostile.XXXXXX")
trap 'kill "$FAKE" "$REFUSING" 2>/dev/null; wait "$FAKE" "$REFUSING" 2>/dev/null; rm -rf "$SCRATCH"' EXIT
ssh-keygen -q -t ed25519 -N '' -f "$SCRATCH/id"
"$BUILD/bench/fakegate" -p 2222 -k "$SCRATCH/id.pub" -s "$BUILD/bin/sshd-gate-session" >"$SCRATCH/out" 2>"$SCRATCH/log" &
FAKE=$!
"$BUILD/bench/fakegate" -p 2223 -k "$SCRATCH/id.pub" -r "$(printf 'no such GPU %0200d' 0)" -s "$BUILD/bin/sshd-gate-session" >"$SCRATCH/out2" 2>>"$SCRATCH/log" &
REFUSING=$!
for f in out out2; do for _ in $(seq 1200); do grep -q ready "$SCRATCH/$f" && break; sleep 0.05; done; done
timeout 250 /usr/bin/python3 -W ignore - "$SCRATCH/id" $FAKE $REFUSING <<'END'
import os, queue, socket, struct, sys, time
import paramiko, logging
logging.disable(logging.CRITICAL)
from paramiko.message import Message

KEY = paramiko.Ed25519Key(filename=sys.argv[1])
FAKE, REFUSING = int(sys.argv[2]), int(sys.argv[3])
tap = failed = 0

def check(name, good, detail=""):
    global tap, failed
    tap += 1
    failed += not good
    print("%s %d - %s" % ("ok" if good else "not ok", tap, name), flush=True)
    if not good: print("#", detail, flush=True)

def sessions(gate=FAKE):
    out = {}
    for p in os.listdir("/proc"):
        try:
            f = open("/proc/%s/stat" % p).read()
            if "(sshd-gate-sess" in f and int(f.rsplit(")", 1)[1].split()[1]) == gate: out[int(p)] = f
        except (OSError, ValueError): pass
    return out

def ticks(pid):
    try: f = open("/proc/%d/stat" % pid).read().rsplit(")", 1)[1].split()
    except OSError: return None
    return (int(f[11]) + int(f[12])) / os.sysconf("SC_CLK_TCK")

def rss(pid):
    try: return int(open("/proc/%d/statm" % pid).read().split()[1]) * 4096
    except OSError: return 0

class Raw:
    """A connection after the key exchange: packets of type >= 50 in and out by hand."""
    def __init__(self, login=False, port=2222, gate=FAKE):
        before = set(sessions(gate))
        self.sock = socket.create_connection(("127.0.0.1", port))
        self.q = queue.Queue()
        self.t = paramiko.Transport(self.sock)
        read = self.t.packetizer.read_message
        def wrapped():
            while True:
                ptype, m = read()
                if ptype < 50: return ptype, m
                self.q.put((ptype, m))
        self.t.packetizer.read_message = wrapped
        self.t.start_client(timeout=10)
        self.pid = (set(sessions(gate)) - before or {0}).pop()
        self.send(5, "s", "ssh-userauth")
        if login: self.login()
    def send(self, ptype, fmt="", *args):
        m = Message()
        m.add_byte(bytes([ptype]))
        for f, a in zip(fmt, args):
            if f == "s": m.add_string(a)
            elif f == "u": m.add_int(a)
            elif f == "b": m.add_boolean(a)
            else: m.add_bytes(a)
        self.t._send_message(m)
    def get(self, limit=3):
        """Type of the next packet, 'closed', or None."""
        end = time.time() + limit
        while time.time() < end:
            try: ptype, self.m = self.q.get(timeout=0.05); return ptype
            except queue.Empty:
                if not self.t.is_active(): return "closed"
        return None
    def find(self, want, limit=3):
        got = self.get(limit)
        while got not in (want, None, "closed"): got = self.get(limit)
        return got
    def auth(self, user="alice", key=None, sig=None, alg="ssh-ed25519"):
        self.send(50, "sssbss" + ("s" if sig is not None else ""), user, "ssh-connection", "publickey", sig is not None, alg,
                  key or KEY.asbytes(), *([sig] if sig is not None else []))
    def signature(self, user="alice"):
        m = Message()
        m.add_string(self.t.session_id); m.add_byte(b"\x32"); m.add_string(user); m.add_string("ssh-connection")
        m.add_string("publickey"); m.add_boolean(True); m.add_string("ssh-ed25519"); m.add_string(KEY.asbytes())
        return KEY.sign_ssh_data(m.asbytes()).asbytes()
    def login(self):
        self.auth(sig=self.signature())
        assert self.get() == 52, "login"
    def open(self, n=0, window=1 << 21, packet=32768):
        self.send(90, "suuu", "session", n, window, packet)
        got = self.find(91)
        if got != 91: return None
        self.m.get_int(); return self.m.get_int()
    def request(self, chan, kind, reply, fmt="", *args):
        self.send(98, "usb" + fmt, chan, kind, reply, *args)
    def close(self):
        self.t.close()

# --- before the login ---
for name, ptype, fmt, args in (("USERAUTH_SUCCESS", 52, "", ()), ("GLOBAL_REQUEST", 80, "sb", ("keepalive@openssh.com", True)),
                               ("CHANNEL_OPEN", 90, "suuu", ("session", 0, 1 << 20, 32768)), ("CHANNEL_DATA", 94, "us", (0, b"x"))):
    r = Raw(); t = time.time(); r.send(ptype, fmt, *args)
    got = r.get()
    check("%s before the login ends the connection" % name, got == "closed" and time.time() - t < 1, got); r.close()

r = Raw()
r.send(50, "sss", "alice", "ssh-connection", "none")
check("none is refused", r.get() == 51)
check("only publickey is offered", r.m.get_text() == "publickey")
r.send(50, "sssbs", "alice", "ssh-connection", "password", False, "secret")
check("a password is refused", r.get() == 51)
r.send(50, "sssus", "alice", "ssh-connection", "gssapi-with-mic", 1, b"\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02")
check("gssapi is refused without a word of Kerberos", r.get() == 51)
r.auth(); check("a probe of a known key", r.get() == 60)
good = r.signature()
bad = good[:-1] + bytes([good[-1] ^ 1])
t = time.time(); r.auth(sig=bad); check("a wrong signature is answered at once", r.get() == 51 and time.time() - t < 0.3)
t = time.time(); r.auth(key=b"\0\0\0\x0bssh-ed25519\0\0\0 " + b"k" * 32); check("no refusal comes quicker than another", r.get() == 51 and time.time() - t > 0.0045, time.time() - t)
r.auth(sig=good[:20]); check("a signature cut short is answered", r.get() == 51)
r.auth(sig=b""); check("an empty signature is answered", r.get() == 51)
other = b"\0\0\0\x0bssh-mystery\0\0\0\4abcd"
r.auth(key=other, alg="ssh-mystery"); check("a key of an unknown type is answered", r.get() == 51)
r.auth(sig=r.signature("bob")); check("a signature made for another name is refused", r.get() == 51)
r.auth(sig=good); check("then a good one logs in", r.get() == 52); r.close()

r = Raw(); r.auth(user="alice"); r.get(); r.auth(user="bob", sig=r.signature("bob"))
check("changing the user name ends the connection", r.find("closed") == "closed"); r.close()
for name in ("a" * 300, "", "a" * 30000):
    r = Raw(); r.auth(user=name, sig=r.signature(name)); got = r.get()
    check("user name of %d bytes: no login" % len(name), got in ("closed", 51), got); r.close()
r = Raw(); r.auth(user=b"alice\0bob", sig=r.signature(b"alice\0bob"))
check("a name with a NUL, signed as it is, is nobody", r.get() in ("closed", 51)); r.close()
r = Raw(); n = 0
try:
    while n < 2000 and r.t.is_active(): r.send(2, "s", b"x" * 10); n += 1
except Exception: pass
check("2000 packets without a login end the connection", r.find("closed") == "closed", n); r.close()

# --- after it ---
r = Raw(login=True)
opened = refused = 0
for i in range(5000): r.send(90, "suuu", "session", i, 1 << 20, 32768)
for i in range(5000):
    got = r.get(10)
    opened += got == 91; refused += got == 92
check("5000 opens: 10 channels, the rest refused", (opened, refused) == (10, 4990), (opened, refused))
check("... and little CPU", (ticks(r.pid) or 0) < 1, ticks(r.pid)); r.close()

r = Raw(login=True); c = r.open()
for i in range(1000): r.request(c, "env", True, "ss", "LC_%d" % i, "v")
ok = sum(r.get() == 99 for i in range(1000))
check("of 1000 variables the limit is taken", 60 <= ok <= 64, ok)
r.request(c, "env", True, "ss", "LD_PRELOAD", "/x"); check("LD_PRELOAD is refused", r.get() == 100)
r.request(c, "pty-req", True, "suuuus", "T" * 65536, 80, 24, 0, 0, b""); check("a TERM of 64 KiB is refused", r.get() == 100)
r.request(c, "x11-req", True, "bssu", False, "MIT", "00", 0); check("x11 is refused", r.get() == 100)
r.request(c, "auth-agent-req@openssh.com", True); check("agent forwarding is refused", r.get() == 100)
r.request(c, "mystery", True); check("an unknown request is refused", r.get() == 100)
r.request(c, "subsystem", True, "s", "nothing"); check("an unknown subsystem is refused", r.get() == 100)
r.request(c, "exec", True, "s", "a" * 200000); check("a command of 200 kB is refused", r.get() == 100)
r.request(c, "pty-req", True, "suuuus", "xterm", 0, 0, 0, 0, b""); check("a terminal of 0x0", r.get() == 99)
r.request(c, "window-change", False, "uuuu", 4294967295, 65535, 1, 1)
r.request(c, "exec", True, "s", "stty size; exit 3"); check("and a program on it", r.get() == 99)
r.request(c, "exec", True, "s", "true"); got = [r.get() for _ in range(8)]
check("a second program on a channel is refused", 100 in got, got); r.close()

def exit_status(r):
    got = r.get(10)
    while got not in (None, "closed"):
        if got == 98:
            r.m.get_int()
            if r.m.get_text() == "exit-status": r.m.get_boolean(); return r.m.get_int()
        got = r.get(10)
    return got

def quiet(name, r, limit=1.0):
    used = ticks(r.pid)
    check("%s: under %.1f s of CPU" % (name, limit), used is None or used < limit, used)

for packet in (0, 1, 9, 10, 11, 1 << 31, (1 << 32) - 1):
    r = Raw(login=True); c = r.open(packet=packet)
    if c is None:
        check("maximum packet %d: refused or dropped" % packet, True); quiet("... and", r); r.close(); continue
    r.request(c, "exec", False, "s", "head -c 300000 /dev/zero; sleep 1")
    time.sleep(1.5); quiet("maximum packet %d" % packet, r); r.close()
r = Raw(login=True); c = r.open(window=0)
r.request(c, "exec", False, "s", "yes"); time.sleep(1); quiet("window 0", r, 0.3)
for i in range(3): r.send(93, "uu", c, (1 << 32) - 1)
time.sleep(0.5); check("window overflow: nobody died", r.t.is_active() or True); r.close()
r = Raw(login=True); c = r.open()
r.request(c, "exec", False, "s", "sleep 20")
try:
    for i in range(4096): r.send(94, "us", c, b"z" * 32000)
except Exception: pass
time.sleep(0.5)
check("128 MB past the window: dropped, memory bounded", rss(r.pid) < 80 << 20, rss(r.pid) >> 20)
check("... the connection is gone", not r.t.is_active()); r.close()
r = Raw(login=True); c = r.open()
r.request(c, "exec", False, "s", "cat; exit 5")
for i in range(20000): r.send(96, "u", c)
check("EOF 20000 times", exit_status(r) == 5); quiet("EOF storm", r)
c = r.open(1)
for i in range(2000): r.send(97, "u", c)
r.send(94, "us", c, b"late"); r.send(96, "u", c); r.request(c, "exec", True, "s", "true")
c = r.open(2)
check("CLOSE 2000 times, data and requests after it: a new channel opens", c is not None)
if c is not None:
    r.request(c, "exec", False, "s", "exit 6"); check("... and works", exit_status(r) == 6)
quiet("CLOSE storm", r); r.close()
r = Raw(login=True)
for i in range(300): c = r.open(i); r.request(c, "exec", False, "s", "cat"); r.send(97, "u", c)
time.sleep(0.5); c = r.open(999); check("300 channels opened and closed at once", c is not None); quiet("open/close storm", r); r.close()

r = Raw(login=True); c = r.open(); r.request(c, "exec", False, "s", "echo x; cat; exit 8"); r.find(94)
for i in range(5000): r.send(80, "sb", "keepalive@openssh.com", True)
r.send(96, "u", c); check("5000 keepalives around a running program do no harm", exit_status(r) == 8); r.close()

# a hostile ws-init: descriptors that are always ready, or that block
def burns(pid):
    a = ticks(pid); time.sleep(1.5)
    return None if a is None else (ticks(pid) or a) - a
r = Raw(login=True); c = r.open(); r.request(c, "exec", False, "s", "sleep 100 #trap"); time.sleep(0.5)
used = burns(r.pid); check("output that is always ready and always empty costs no CPU", used is not None and used < 0.3, used)
r.close()
r = Raw(login=True); r.send(80, "sbsu", "tcpip-forward", True, "localhost", 4444); check("-R is granted", r.find(81) == 81)
used = burns(r.pid); check("a socket that does not listen costs no CPU", used is not None and used < 0.3, used); r.close()
r = Raw(login=True); c = r.open(); r.request(c, "exec", False, "s", "sleep 100 #block"); time.sleep(0.8)
for i in range(16): r.send(94, "us", c, b"z" * 16384)
time.sleep(0.5); pid = r.pid; r.close(); r.sock.close(); end = time.time() + 14
while time.time() < end and pid in sessions(): time.sleep(0.2)
check("a pipe that blocks does not keep the session alive", pid not in sessions())

# nothing to run, and no room for the reason
for kind, what in (("exec", "true"), ("subsystem", "sftp")):
    r = Raw(login=True, port=2223, gate=REFUSING); c = r.open(window=0); r.request(c, kind, True, "s", what)
    check("a workspace that is refused: %s is taken" % kind, r.find(99, 60) == 99)
    used = burns(r.pid); check("... a window of nothing costs no CPU", used is not None and used < 0.15, used)
    check("... nor is anything sent", r.q.empty())
    r.send(93, "uu", c, 10); got = r.find(95, 60); r.m.get_int(); r.m.get_int()
    check("... ten bytes of room bring ten", got == 95 and r.m.get_binary() == b"sshbay: no", got)
    used = burns(r.pid); check("... and then no CPU", used is not None and used < 0.15, used)
    r.send(93, "uu", c, 1 << 20); got = r.find(95, 60); r.m.get_int(); r.m.get_int()
    check("... more room brings the rest", got == 95 and r.m.get_binary().startswith(b" such GPU 000"), got)
    check("... and the status", exit_status(r) == 254); r.close()

# a client that asks without ever reading the answers
r = Raw(login=True); stop = False
r.t.packetizer.read_message = lambda: time.sleep(100)
r.sock.settimeout(3)
try:
    end = time.time() + 5
    while time.time() < end: r.send(80, "sb", "keepalive@openssh.com", True)
except Exception: pass
check("answers nobody reads: memory bounded", rss(r.pid) < 64 << 20, rss(r.pid) >> 20)
r.sock.close()
for i in range(60):
    if len(sessions()) == 1: break
    time.sleep(0.1)
check("every session process has ended", len(sessions()) == 1, sessions())
print("1..%d" % tap)
sys.stdout.flush()
os._exit(1 if failed else 0)
END
rc=$?
kill "$FAKE" 2>/dev/null; wait "$FAKE" 2>/dev/null
[ $rc = 0 ] || sed 's/^/# /' "$SCRATCH/log" "$SCRATCH/out"
if grep -q 'died of signal' "$SCRATCH/log"; then echo "# $(cat "$SCRATCH/log")"; exit 1; fi
exit $rc
