# SPDX-License-Identifier: LGPL-2.1-or-later
"""
Both ends of what tools.sh plays. Inside the workspace:
  tools.py http FOLDER PIDFILE       serve a folder on a port of 127.0.0.1, which it prints
  tools.py dockerd SOCKET            an engine with /_ping and one attachable container, which answers in capitals
  tools.py dial-stdio SOCKET         what `docker system dial-stdio` does
  tools.py resized                   say the size of the terminal, and each new one
  tools.py worker SOCKET             print a line of JSON with the port and the socket on which it echoes
In the bed, SSH being the words of the command:
  tools.py attach N SIZE SSH...      N streams to the engine at once, half-closed by us, by way of dial-stdio
  tools.py tramp FILE SSH...         Emacs' way: a shell on a terminal with a prompt of its own, files in base64
  tools.py window SSH...             a program on a terminal whose size changes
  tools.py top SSH...                a program that owns the screen, and ends when asked to
  tools.py vi PATH SSH...            an editor that is typed into
"""
import base64, fcntl, functools, hashlib, http.server, json, os, pty, re, select, signal, socket, struct, subprocess, sys, termios, threading, time

LIMIT = 50  # seconds for one wait


# --- inside ---

def serve(folder, pidfile):
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=folder)
    handler.func.log_message = lambda *a: None
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    with open(pidfile + ".new", "w") as f:
        print(os.getpid(), server.server_port, file=f)
    os.rename(pidfile + ".new", pidfile)
    server.serve_forever()


def head(conn):
    got = b""
    while not got.endswith(b"\r\n\r\n"):
        c = conn.recv(1)
        if not c:
            return None
        got += c
    return got.decode()


def engine(conn):
    while True:
        request = head(conn)
        if not request:
            break
        if request.startswith("GET /_ping "):
            conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK")
        elif "/attach?" in request:
            conn.sendall(b"HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
            n = 0
            while True:
                data = conn.recv(65536)
                if not data:
                    break
                n += len(data)
                conn.sendall(data.upper())
            time.sleep(0.2)
            conn.sendall(b"\n%d after the end" % n)
            break
    conn.close()


def dockerd(path):
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.listen(64)
    while True:
        threading.Thread(target=engine, args=(server.accept()[0],), daemon=True).start()


def dial_stdio(path):
    s = socket.socket(socket.AF_UNIX)
    s.connect(path)

    def up():
        while True:
            data = os.read(0, 65536)
            if not data:
                break
            s.sendall(data)
        s.shutdown(socket.SHUT_WR)
    threading.Thread(target=up, daemon=True).start()
    while True:
        data = s.recv(65536)
        if not data:
            break
        while data:
            data = data[os.write(1, data):]


def worker(path):
    def echo(conn):
        while True:
            data = conn.recv(65536)
            if not data:
                break
            conn.sendall(data)
        conn.close()

    def accept(server):
        while True:
            threading.Thread(target=echo, args=(server.accept()[0],), daemon=True).start()
    tcp = socket.create_server(("127.0.0.1", 0))
    unix = socket.socket(socket.AF_UNIX)
    unix.bind(path)
    unix.listen(8)
    threading.Thread(target=accept, args=(unix,), daemon=True).start()
    print(json.dumps({"port": tcp.getsockname()[1], "socket": path}), flush=True)
    accept(tcp)


# --- in the bed ---

def fail(text):
    print(text)
    sys.exit(1)


def attach_one(size, ssh, bad):
    p = subprocess.Popen([*ssh, "docker", "system", "dial-stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        data = base64.b16encode(os.urandom(size // 2)).lower()
        p.stdin.write(b"GET /_ping HTTP/1.1\r\nHost: docker\r\n\r\n")
        p.stdin.flush()
        if not p.stdout.readline().startswith(b"HTTP/1.1 200"):
            return bad.append("no answer to the ping")
        while p.stdout.readline() not in (b"\r\n", b""):
            pass
        if p.stdout.read(2) != b"OK":
            return bad.append("another answer to the ping")
        p.stdin.write(b"POST /v1.41/containers/x/attach?stream=1&stdin=1&stdout=1 HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
        p.stdin.flush()
        while p.stdout.readline() not in (b"\r\n", b""):
            pass

        def send():
            p.stdin.write(data)
            p.stdin.close()
        t = threading.Thread(target=send)
        t.start()
        got = p.stdout.read()
        t.join()
        if got != data.upper() + b"\n%d after the end" % len(data):
            bad.append("%d bytes came back of %d, the last are %r" % (len(got), len(data), got[-30:]))
        if p.wait(LIMIT) != 0:
            bad.append("exit status %d" % p.returncode)
    except Exception as x:
        bad.append(repr(x))
    finally:
        p.kill()
        p.wait()


def attach(n, size, *ssh):
    bad = []
    threads = [threading.Thread(target=attach_one, args=(int(size), ssh, bad)) for _ in range(int(n))]
    [t.start() for t in threads]
    [t.join() for t in threads]
    if bad:
        fail("; ".join(bad))


class Terminal:
    def __init__(self, command, rows=24, cols=80):
        self.pid, self.fd = pty.fork()
        if not self.pid:
            os.execvp(command[0], command)
        self.all = b""
        self.mark = 0
        self.size(rows, cols)

    def size(self, rows, cols):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))
        os.kill(self.pid, signal.SIGWINCH)

    def type(self, text):
        data = text.encode() if isinstance(text, str) else text
        while data:
            data = data[os.write(self.fd, data):]

    def read(self, end):
        if not select.select([self.fd], [], [], max(0, end - time.monotonic()))[0]:
            fail("no more than %r" % self.all[-300:])
        try:
            data = os.read(self.fd, 65536)
        except OSError:
            data = b""
        self.all += data
        return data

    def wait(self, pattern):
        """Until what was said since the last wait matches; the match."""
        end = time.monotonic() + LIMIT
        while True:
            m = re.compile(pattern.encode(), re.S).search(self.all, self.mark)
            if m:
                self.mark = m.end()
                return m
            if not self.read(end):
                fail("ended with %r" % self.all[-300:])

    def status(self):
        end = time.monotonic() + LIMIT
        while self.read(end):
            pass
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def tramp(path, *ssh):
    t = Terminal([*ssh, "-e", "none", "-tt"])
    t.wait(r"\$ ")
    t.type("exec env TERM='dumb' INSIDE_EMACS='28.2,tramp:2.5.3' ENV='' HISTFILE=~/.tramp_history PROMPT_COMMAND='' PS1='///a1b2#$ ' PS2='' PS3='' /bin/sh -i\n")
    t.wait(r"[^']///a1b2#\$ ")

    def run(command):
        """Emacs asks for the status behind a mark of its own, then waits for its prompt."""
        t.type(command + "; echo tramp_exit_status $?\n")
        start = t.mark
        m = t.wait(r"tramp_exit_status (\d+)\r?\n")
        t.wait(r"///a1b2#\$ ")
        return t.all[start:m.start()].decode(errors="replace"), int(m.group(1))
    run("stty -inlcr -onlcr -echo kill '^U' erase '^H' iutf8")
    out, status = run("(cd / && pwd; exit 3)")
    if (out, status) != ("/\n", 3):
        fail("said %r, status %d" % (out, status))
    with open(path, "rb") as f:
        data = f.read()
    lines = base64.encodebytes(data).decode()
    out, status = run("(base64 -d | cat) >/tmp/tramp.file <<'EOF_a1b2'\n" + lines + "EOF_a1b2\ntrue")
    out, status = run("sha256sum </tmp/tramp.file")
    if out.split()[:1] != [hashlib.sha256(data).hexdigest()]:
        fail("another file came in: %r" % out)
    out, status = run("(cat | base64) </tmp/tramp.file")
    if base64.b64decode(out) != data:
        fail("another file came back, of %d bytes" % len(base64.b64decode(out)))
    t.type("exit 5\n")
    if t.status() != 5:
        fail("another exit status")


def resized():
    """Say the size after each SIGWINCH, which waits while one is said; end with 130 at SIGINT."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGWINCH, signal.SIGINT})
    while True:
        print("%d %d" % tuple(reversed(os.get_terminal_size())), flush=True)
        if signal.sigwait({signal.SIGWINCH, signal.SIGINT}) == signal.SIGINT:
            sys.exit(130)


def window(*ssh):
    t = Terminal([*ssh, "-t", "exec python3 tools.py resized"], 30, 90)
    t.wait(r"30 90\r\n")
    for rows, cols in ((50, 132), (10, 20), (200, 500)):
        t.size(rows, cols)
        t.wait(r"%d %d\r\n" % (rows, cols))
    t.type(b"\x03")
    if t.status() != 130:
        fail("another status after ^C")


def top(*ssh):
    t = Terminal([*ssh, "-t", "TERM=xterm top -d 1"], 30, 90)
    t.wait(r"load average.*COMMAND")
    t.size(12, 60)
    t.wait(r"PID")
    t.type("q")
    if t.status() != 0:
        fail("top did not end well")


def vi(path, *ssh):
    t = Terminal([*ssh, "-t", "TERM=xterm vi " + path], 30, 90)
    t.wait(r"~.*~")
    t.type("ihello from the terminal")
    t.wait(r"terminal")
    t.type(b"\x1b:wq\r")
    if t.status() != 0:
        fail("vi did not end well")


if __name__ == "__main__":
    names = {"http": serve, "dial-stdio": dial_stdio}
    (names.get(sys.argv[1]) or globals()[sys.argv[1]])(*sys.argv[2:])
