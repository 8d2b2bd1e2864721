# SPDX-License-Identifier: LGPL-2.1-or-later
# asyncssh: see common.bash for the variables and for what a client prints.
import asyncio, asyncssh, hashlib, os, traceback

E = os.environ
DATA, TMP, INFO = E["DATA"], E["TMP"], E["INFO"]
BASE, ECHO_IN, ECHO_OUT = int(E["BASE"]), int(E["ECHO_IN"]), int(E["ECHO_OUT"])
MB, FEW = int(E["MB"]), int(E["FEW"])


def connect(key="ed25519", **more):
    known = ([asyncssh.read_public_key(E["HOSTKEY"])], [], [])
    return asyncssh.connect(E["HOST"], int(E["PORT"]), username=E["LOGIN"], known_hosts=known, agent_path=more.pop("agent_path", None),
                            client_keys=[E["KEYS"] + "/" + key], config=None, **more)


def same(want, got):
    if want != got:
        raise AssertionError("want %r, got %r" % (want, got))


def sum_of(path):
    with open(path, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


async def echo_through(reader, writer, size=FEW):
    data = os.urandom(1 << 20)
    digest = hashlib.sha256()

    async def send():
        for _ in range(size >> 20):
            digest.update(data)
            writer.write(data)
            await writer.drain()
        writer.write_eof()
    task = asyncio.ensure_future(send())
    got = hashlib.sha256()
    while True:
        chunk = await reader.read(1 << 18)
        if not chunk:
            break
        got.update(chunk)
    await task
    writer.close()
    same(digest.hexdigest(), got.hexdigest())


async def keytype(c, key):
    async with connect(key) as c2:
        same(E["LOGIN"] + "\n", (await c2.run("id -un", check=True)).stdout)


async def execute(c):
    same("3\n", (await c.run("echo $((1+2))", check=True)).stdout)


async def clean(c):
    r = await c.run("true")
    same(("", "", 0), (r.stdout, r.stderr, r.exit_status))


async def stderr(c):
    r = await c.run("echo out; echo err >&2")
    same(("out\n", "err\n"), (r.stdout, r.stderr))


async def codes(c):
    for i in map(int, E["CODES"].split()):
        same(i, (await c.run("exit %d" % i)).exit_status)


async def exit_signal(c):
    for name in ("TERM", "KILL", "HUP"):
        r = await c.run("ulimit -c 0; kill -%s $$" % name)
        same(name, r.exit_signal and r.exit_signal[0])


async def half_close(c):
    p = await c.create_process("wc -c; sleep 0.2; echo late")
    p.stdin.write("abcd\n")
    p.stdin.write_eof()
    same(["5", "late"], (await p.stdout.read()).split())


async def bulk(c):
    p = await c.create_process("cat", encoding=None)
    await echo_through(p.stdout, p.stdin, MB << 20)


async def rekey(c):
    async with connect(rekey_bytes="512K") as c2:
        p = await c2.create_process("cat", encoding=None)
        await echo_through(p.stdout, p.stdin)


async def pty(c):
    r = await c.run("tty | cut -c1-8; stty size; echo $TERM", term_type="vt220", term_size=(91, 33))
    same(["/dev/pts", "33 91", "vt220"], r.stdout.split("\r\n")[:3])


async def window(c):
    p = await c.create_process("trap 'stty size; exit' WINCH; echo ready; while :; do sleep 0.1; done", term_type="vt220", term_size=(80, 24))
    await p.stdout.readline()
    p.change_terminal_size(132, 50)
    same("50 132", (await asyncio.wait_for(p.stdout.readline(), 50)).strip())


async def environment(c):
    r = await c.run("echo $LC_PAPER", env={"LC_PAPER": "x y"})
    same("x y\n", r.stdout)


async def shell(c):
    r = await c.run(input="echo $0 $((6*7)); exit 9\n")
    same(("-bash 42\n", 9), (r.stdout, r.exit_status))


async def signals(c):
    p = await c.create_process("trap 'echo got; exit 5' USR1; echo ready; while :; do sleep 0.1; done")
    await p.stdout.readline()
    p.send_signal("USR1")
    same("got\n", await asyncio.wait_for(p.stdout.readline(), 50))
    await p.wait()
    same(5, p.exit_status)


async def subsystem(c):
    try:
        await c.create_process(subsystem="nonsense")
    except asyncssh.ChannelOpenError:
        return
    raise AssertionError("accepted")


async def many(c):
    async def one(i):
        same("%d\n" % i, (await c.run("echo %d; sleep 0.3" % i)).stdout)
    await asyncio.gather(*(one(i) for i in range(9)))
    for i in range(100):
        same("%d\n" % i, (await c.run("echo %d" % i)).stdout)


async def keepalive(c):
    async with connect(keepalive_interval=1, keepalive_count_max=3) as c2:
        same("done\n", (await c2.run("sleep 5; echo done")).stdout)


async def sftp(c):
    async with c.start_sftp_client() as s:
        await s.put(TMP + "/few", INFO + "/s")
        await s.get(INFO + "/s", TMP + "/back")
        same(E["SUM_FEW"], sum_of(TMP + "/back"))
        await s.mkdir(INFO + "/d")
        await s.posix_rename(INFO + "/s", INFO + "/d/s")
        await s.chmod(INFO + "/d/s", 0o600)
        await s.symlink("s", INFO + "/d/l")
        same("s", await s.readlink(INFO + "/d/l"))
        same(FEW, (await s.stat(INFO + "/d/s")).size)
        same({".", "..", "s", "l"}, set(await s.listdir(INFO + "/d")))
        await s.rmtree(INFO + "/d")


async def scp(c):
    await asyncssh.scp(TMP + "/few", (c, INFO + "/c"))
    await asyncssh.scp((c, INFO + "/c"), TMP + "/back")
    same(E["SUM_FEW"], sum_of(TMP + "/back"))


async def local(c):
    listener = await c.forward_local_port("127.0.0.1", BASE, "127.0.0.1", ECHO_IN)
    await echo_through(*await asyncio.open_connection("127.0.0.1", BASE))
    listener.close()


async def stdio(c):
    await echo_through(*await c.open_connection("127.0.0.1", ECHO_IN, encoding=None))


async def refused(c):
    try:
        await c.open_connection("127.0.0.1", 1)
    except asyncssh.ChannelOpenError:
        return
    raise AssertionError("opened")


async def socks(c):
    listener = await c.forward_socks("127.0.0.1", BASE + 2)
    p = await asyncio.create_subprocess_shell("head -c 5M %s | socat -t 20 - SOCKS4A:127.0.0.1:localhost:%d,socksport=%d | cmp - %s 2>&1 | grep -q 'EOF on -'"
                                              % (DATA, ECHO_IN, BASE + 2, DATA))
    same(0, await p.wait())
    listener.close()


async def remote(c):
    listener = await c.forward_remote_port("127.0.0.1", 0, "127.0.0.1", ECHO_OUT)
    p = await c.create_process("perl net.pl talk %d" % listener.get_port(), encoding=None)
    await echo_through(p.stdout, p.stdin)
    listener.close()
    await listener.wait_closed()
    r = await c.run("perl net.pl talk %d </dev/null" % listener.get_port())
    if r.exit_status == 0:
        raise AssertionError("still there after its end")


async def unix_local(c):
    await echo_through(*await c.open_unix_connection(E["ECHO_SOCK"], encoding=None))


async def unix_remote(c):
    path = INFO + "/r.sock"

    async def handle(reader, writer):
        while True:
            chunk = await reader.read(65536)
            if not chunk:
                break
            writer.write(chunk)
        writer.write_eof()
    listener = await c.start_unix_server(lambda: handle, path, encoding=None)
    p = await c.create_process("perl net.pl talk " + path, encoding=None)
    await echo_through(p.stdout, p.stdin)
    listener.close()


async def agent(c):
    a = await asyncio.create_subprocess_exec("ssh-agent", "-D", "-a", TMP + "/agent", stdout=asyncio.subprocess.DEVNULL)
    try:
        while not os.path.exists(TMP + "/agent"):
            await asyncio.sleep(0.05)
        for _ in range(50):  # the path is there before the agent listens
            add = await asyncio.create_subprocess_exec("ssh-add", "-q", E["KEYS"] + "/rsa", env=dict(E, SSH_AUTH_SOCK=TMP + "/agent"))
            if await add.wait() == 0:
                break
            await asyncio.sleep(0.1)
        async with connect(agent_path=TMP + "/agent", agent_forwarding=True) as c2:
            r = await c2.run("ssh-add -l")
            if "RSA" not in r.stdout:
                raise AssertionError(r.stdout + r.stderr)
    finally:
        a.terminate()
        await a.wait()


async def password(c):
    known = ([asyncssh.read_public_key(E["HOSTKEY"])], [], [])
    async with asyncssh.connect(E["HOST"], int(E["PORT"]), username=E["LOGIN"], known_hosts=known, agent_path=None, client_keys=None, config=None,
                                preferred_auth="password", password=E["PASSWORD"]) as c2:
        same(E["LOGIN"] + "\n", (await c2.run("id -un", check=True)).stdout)


async def jump(c):
    known = ([asyncssh.read_public_key(E["HOSTKEY"])], [], [])
    async with asyncssh.connect(E["INNER"], 22, tunnel=c, username=E["LOGIN"], known_hosts=known, agent_path=None,
                                client_keys=[E["KEYS"] + "/ed25519"], config=None) as c2:
        same(E["LOGIN"] + "\n", (await c2.run("id -un", check=True)).stdout)


FEATURES = [("password", password), ("jump through the gate", jump), ("exec", execute), ("shell", shell), ("no output of the gate's own", clean), ("stderr apart", stderr), ("exit codes", codes),
            ("exit signal", exit_signal), ("half close", half_close), ("bulk both ways", bulk), ("rekey", rekey),
            ("pty", pty), ("window change", window), ("env", environment), ("signals", signals), ("unknown subsystem refused", subsystem),
            ("many channels", many), ("keepalive", keepalive), ("scp", scp), ("sftp", sftp), ("local forward", local), ("stdio forward", stdio),
            ("refused forward is told", refused), ("dynamic forward", socks), ("remote forward, port 0", remote),
            ("local forward to a unix socket", unix_local), ("remote forward of a unix socket", unix_remote), ("agent forwarding", agent)]


async def main():
    with open(DATA, "rb") as f, open(TMP + "/few", "wb") as g:
        g.write(f.read(FEW))
    async with connect() as c:
        features = [("key " + k, lambda c, k=k: keytype(c, k)) for k in ("ed25519", "rsa", "ecdsa")] + FEATURES
        for name, test in features:
            try:
                await asyncio.wait_for(test(c), int(E["LIMIT"]))
                print("ok", name, flush=True)
            except Exception as x:
                where = traceback.extract_tb(x.__traceback__)[-1]
                print("not ok %s: %s %s (line %d)" % (name, type(x).__name__, str(x).replace("\n", " ")[:300], where.lineno), flush=True)

asyncio.run(main())
