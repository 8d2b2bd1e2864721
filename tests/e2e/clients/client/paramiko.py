# SPDX-License-Identifier: LGPL-2.1-or-later
# paramiko: see common.bash for the variables and for what a client prints.
import hashlib, os, threading, traceback
import paramiko

E = os.environ
DATA, TMP, INFO = E["DATA"], E["TMP"], E["INFO"]
BASE, ECHO_IN, ECHO_OUT = int(E["BASE"]), int(E["ECHO_IN"]), int(E["ECHO_OUT"])
CLASSES = {"ed25519": paramiko.Ed25519Key, "rsa": paramiko.RSAKey, "ecdsa": paramiko.ECDSAKey}
MB, FEW = int(E["MB"]), int(E["FEW"])


def connect(key="ed25519", setup=None):
    t = paramiko.Transport((E["HOST"], int(E["PORT"])))
    if setup:
        setup(t)
    with open(E["HOSTKEY"]) as f:
        host = paramiko.Ed25519Key(data=paramiko.py3compat.decodebytes(f.read().split()[1].encode()))
    t.connect(host, E["LOGIN"], pkey=CLASSES[key].from_private_key_file(E["KEYS"] + "/" + key))
    return t


def same(want, got):
    if want != got:
        raise AssertionError("want %r, got %r" % (want, got))


def run(t, command, stdin=b"", before=None):
    c = t.open_session()
    c.settimeout(50)
    if before:
        before(c)
    c.exec_command(command)
    c.sendall(stdin)
    c.shutdown_write()
    out = c.makefile("rb").read()
    err = c.makefile_stderr("rb").read()
    return c.recv_exit_status(), out, err


def echo_through(c, size=FEW, ends=True):
    c.settimeout(50)
    data = os.urandom(1 << 20)
    want, got = hashlib.sha256(), hashlib.sha256()

    def send():
        for _ in range(size >> 20):
            c.sendall(data)
            want.update(data)
        if ends:
            c.shutdown(1)
    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    n = 0
    while ends or n < size:
        chunk = c.recv(1 << 18)
        if not chunk:
            break
        got.update(chunk)
        n += len(chunk)
    thread.join()
    c.close()
    same(want.hexdigest(), got.hexdigest())


def keytype(t, key):
    t2 = connect(key)
    same((0, E["LOGIN"].encode() + b"\n", b""), run(t2, "id -un"))
    t2.close()


def execute(t):
    same(b"3\n", run(t, "echo $((1+2))")[1])


def clean(t):
    same((0, b"", b""), run(t, "true"))


def stderr(t):
    same((0, b"out\n", b"err\n"), run(t, "echo out; echo err >&2"))


def codes(t):
    for i in map(int, E["CODES"].split()):
        same(i, run(t, "exit %d" % i)[0])


def half_close(t):
    same([b"5", b"late"], run(t, "wc -c; sleep 0.2; echo late", b"abcd\n")[1].split())


def bulk(t):
    c = t.open_session()
    c.exec_command("cat")
    echo_through(c)


# The thread of paramiko that exchanges keys also answers a CLOSE, and during an exchange waits there for itself. So where keys are
# exchanged we are the first to close, and the other side's needs no answer.
def rekey(t):
    t2 = connect(setup=lambda t: setattr(t.packetizer, "REKEY_BYTES", 512 << 10))
    c = t2.open_session()
    c.exec_command("cat")
    echo_through(c, ends=False)
    t2.close()


def asked_rekey(t):
    t2 = connect()
    for _ in range(3):
        t2.renegotiate_keys()
        c = t2.open_session()
        c.settimeout(50)
        c.exec_command("cat")
        c.sendall(b"x\n")
        same(b"x\n", c.makefile("rb").read(2))
        c.close()
    t2.close()


def pty(t):
    out = run(t, "tty | cut -c1-8; stty size; echo $TERM", before=lambda c: c.get_pty("vt220", 91, 33))[1].decode().split("\r\n")
    same(["/dev/pts", "33 91", "vt220"], [line[-8:] for line in out][:3])


def window(t):
    c = t.open_session()
    c.settimeout(50)
    c.get_pty("vt220", 80, 24)
    c.exec_command("trap 'stty size; exit' WINCH; echo ready; while :; do sleep 0.1; done")
    f = c.makefile("r")
    f.readline()
    c.resize_pty(132, 50)
    same("50 132", f.readline().strip())
    c.close()


def environment(t):
    same(b"x y\n", run(t, "echo $LC_PAPER", before=lambda c: c.set_environment_variable("LC_PAPER", "x y"))[1])


def shell(t):
    c = t.open_session()
    c.settimeout(50)
    c.invoke_shell()
    c.sendall(b"echo $((6*7)); exit 9\n")
    same(b"42\n", c.makefile("rb").read())
    same(9, c.recv_exit_status())


def subsystem(t):
    c = t.open_session()
    try:
        c.invoke_subsystem("nonsense")
    except paramiko.SSHException:
        return
    raise AssertionError("accepted")


def many(t):
    bad = []

    def one(i):
        try:
            same(b"%d\n" % i, run(t, "echo %d; sleep 0.3" % i)[1])
        except Exception as x:
            bad.append(x)
    threads = [threading.Thread(target=one, args=(i,)) for i in range(9)]
    [x.start() for x in threads]
    [x.join() for x in threads]
    same([], bad)


def keepalive(t):
    t2 = connect()
    t2.set_keepalive(1)
    same(b"done\n", run(t2, "sleep 3; echo done")[1])
    t2.close()


def sftp(t):
    s = paramiko.SFTPClient.from_transport(t)
    s.put(DATA, INFO + "/s")
    s.get(INFO + "/s", TMP + "/back")
    with open(TMP + "/back", "rb") as f:
        same(E["SUM"], hashlib.sha256(f.read()).hexdigest())
    s.mkdir(INFO + "/d")
    s.rename(INFO + "/s", INFO + "/d/s")
    s.symlink("s", INFO + "/d/l")
    same("s", s.readlink(INFO + "/d/l"))
    with s.open(INFO + "/d/s", "r+") as f:
        f.seek(1000)
        f.write(b"here")
        f.seek(1000)
        same(b"here", f.read(4))
    for x in ("l", "s"):
        s.remove(INFO + "/d/" + x)
    s.rmdir(INFO + "/d")
    s.close()


def stdio(t):
    echo_through(t.open_channel("direct-tcpip", ("127.0.0.1", ECHO_IN), ("127.0.0.1", 1)))


def refused(t):
    try:
        t.open_channel("direct-tcpip", ("127.0.0.1", 1), ("127.0.0.1", 1))
    except paramiko.ChannelException:
        return
    raise AssertionError("opened")


def remote(t):
    port = t.request_port_forward("127.0.0.1", 0)
    session = t.open_session()
    session.exec_command("perl net.pl talk %d" % port)
    c = t.accept(10)

    def serve():
        while True:
            chunk = c.recv(65536)
            if not chunk:
                break
            c.sendall(chunk)
        c.close()
    threading.Thread(target=serve, daemon=True).start()
    echo_through(session)
    t.cancel_port_forward("127.0.0.1", port)
    if run(t, "perl net.pl talk %d" % port)[0] == 0:
        raise AssertionError("still there after its end")


def password(t):
    t2 = paramiko.Transport((E["HOST"], int(E["PORT"])))
    t2.connect(None, E["LOGIN"], password=E["PASSWORD"])
    same((0, E["LOGIN"].encode() + b"\n", b""), run(t2, "id -un"))
    t2.close()


def jump(t):
    t2 = paramiko.Transport(t.open_channel("direct-tcpip", (E["INNER"], 22), ("127.0.0.1", 1)))
    t2.connect(None, E["LOGIN"], pkey=CLASSES["ed25519"].from_private_key_file(E["KEYS"] + "/ed25519"))
    same((0, E["LOGIN"].encode() + b"\n", b""), run(t2, "id -un"))
    t2.close()


FEATURES = [("password", password), ("jump through the gate", jump), ("exec", execute), ("shell", shell), ("no output of the gate's own", clean), ("stderr apart", stderr), ("exit codes", codes),
            ("half close", half_close), ("bulk both ways", bulk), ("rekey", rekey), ("rekey on request", asked_rekey),
            ("pty", pty), ("window change", window), ("env", environment), ("unknown subsystem refused", subsystem), ("many channels", many),
            ("keepalive", keepalive), ("sftp", sftp), ("stdio forward", stdio), ("refused forward is told", refused), ("remote forward, port 0", remote)]

t = connect()
for name, test in [("key " + k, lambda t, k=k: keytype(t, k)) for k in CLASSES] + FEATURES:
    try:
        test(t)
        print("ok", name, flush=True)
    except Exception as x:
        where = traceback.extract_tb(x.__traceback__)[-1]
        print("not ok %s: %s %s (line %d)" % (name, type(x).__name__, str(x).replace("\n", " ")[:300], where.lineno), flush=True)
t.close()
