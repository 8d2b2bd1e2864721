#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Forwarding with a stock OpenSSH client: TCP and unix sockets, both ways, under every cipher and MAC and under rekeying;
# terminal modes and the end of writing, which libssh does not pass on by itself.
. "$(dirname "$0")/../lib.sh"
bed_up
chmod 0711 "$WORK"
on alice@gate 'cat >echo.pl && { setsid perl echo.pl </dev/null >/dev/null 2>&1 & }' <<'PL'
use IO::Socket::UNIX; $SIG{CHLD} = "IGNORE"; unlink "/tmp/echo";
my $l = IO::Socket::UNIX->new(Local => "/tmp/echo", Listen => 9) or die;
while (my $c = $l->accept) { next if fork; while (sysread($c, my $d, 65536)) { my $o = 0; while ($o < length $d) { $o += syswrite($c, $d, length($d) - $o, $o) // exit } } exit }
PL
await 5 on alice@gate test -S /tmp/echo
# The client's end of -R, and what speaks to the sockets.
cat >"$WORK/io.py" <<'PY'
import hashlib, os, socket, sys, threading
def make(a):
    s = socket.socket(socket.AF_UNIX if a[0] == "/" else socket.AF_INET)
    s.settimeout(90)
    return s, (a if a[0] == "/" else ("127.0.0.1", int(a)))
if sys.argv[1] == "serve":
    for a in sys.argv[2:]:
        s, where = make(a); s.settimeout(None); s.bind(where); s.listen(16)
        def loop(s=s):
            while True:
                c, _ = s.accept(); c.sendall(b"hello from the client\n"); c.close()
        threading.Thread(target=loop).start()
else:
    s, where = make(sys.argv[2]); s.connect(where)
    data = os.urandom(int(sys.argv[3])); got = b""
    threading.Thread(target=lambda: (s.sendall(data), s.shutdown(socket.SHUT_WR)), daemon=True).start()
    while len(got) < len(data):
        d = s.recv(65536)
        if not d: break
        got += d
    print("same" if got == data else "%d of %d" % (len(got), len(data)))
PY
py() { timeout 100 "$BED/run" /usr/bin/python3 "$WORK/io.py" "$@" 2>&1 | tail -n 1; }
"$BED/run" /usr/bin/python3 "$WORK/io.py" serve "$WORK/client" 7401 >/dev/null 2>&1 & server=$!
hear='perl -MIO::Socket::UNIX -MIO::Socket::INET -e '"'"'$a=shift; $c = $a =~ m{/} ? IO::Socket::UNIX->new(Peer=>$a) : IO::Socket::INET->new(PeerAddr=>"127.0.0.1:$a"); print $c ? <$c> : "$!\n"'"'"
master() { ON_LIMIT=300 on -MN -S "$WORK/ctl" "$@" alice@gate 2>"$WORK/master" & MASTER=$!; await 10 control check; }
control() { on -S "$WORK/ctl" -O "$@" alice@gate; }
leave() { control exit >/dev/null 2>&1; wait $MASTER 2>/dev/null; rm -f "$WORK"/local*; }

# --- every direction ---
master -L "7402:/tmp/echo" -L "$WORK/local:/tmp/echo" -R "/tmp/r1:$WORK/client" -R "/tmp/r2:127.0.0.1:7401" \
	-R "7403:$WORK/client" -R "/home/alice/r3:$WORK/client"
is "-L port:/socket" same "$(py talk 7402 100000)"
is "-L /socket:/socket" same "$(py talk "$WORK/local" 100000)"
for a in /tmp/r1 /tmp/r2 7403 /home/alice/r3; do is "-R $a" "hello from the client" "$(on alice@gate "$hear $a")"; done
is "a socket of -R is its user's alone" "600 alice" "$(on alice@gate 'stat -c "%a %U" /tmp/r1')"
first=$(control forward -R "0:127.0.0.1:7401") second=$(control forward -R "0:$WORK/client")
like "-R 0 is told its port" '^[0-9]+$' "$first"
is "each has one of its own" "hello from the client" "$(on alice@gate "$hear $second")"
unlike "an existing file is not replaced" '^$' "$(control forward -R "/tmp/echo:$WORK/client" 2>&1)"
is "and still serves" same "$(py talk 7402 1000)"
control cancel -R "/tmp/r1:$WORK/client" 2>/dev/null
t "a cancelled socket is gone" await 5 on alice@gate '[ ! -e /tmp/r1 ]'
is "and the others stay" "hello from the client" "$(on alice@gate "$hear /tmp/r2")"
on alice@gate 'rm r3; touch r3'
leave
t "nothing is left when the client is gone" await 5 on alice@gate '[ ! -e /tmp/r2 ]'
t "but what somebody put in its place" on alice@gate test -f r3

# --- every cipher and MAC, and keys that change all the time ---
for c in aes128-gcm@openssh.com aes256-gcm@openssh.com chacha20-poly1305@openssh.com aes128-ctr aes192-ctr aes256-ctr; do
	macs=hmac-sha2-256
	case $c in *ctr) macs="hmac-sha2-256 hmac-sha2-512 hmac-sha2-256-etm@openssh.com hmac-sha2-512-etm@openssh.com" ;; esac
	for m in $macs; do
		master -c $c -m "$m" -o RekeyLimit=64K -L "$WORK/local:/tmp/echo" -R "/tmp/r:$WORK/client"
		is "$c $m both ways" "same hello from the client" \
			"$(py talk "$WORK/local" 700000) $(on alice@gate "$hear /tmp/r")"
		leave
		await 5 on alice@gate '[ ! -e /tmp/r ]'
	done
done

# --- terminals, the end of writing ---
cat >"$WORK/term.py" <<'PY'
import os, pty, sys, termios
pid, fd = pty.fork()
if pid == 0:
    t = termios.tcgetattr(0); t[3] &= ~termios.ECHO; t[0] &= ~termios.IXON; t[6][termios.VERASE] = b"\x08"; t[6][termios.VINTR] = b"\x1e"
    termios.tcsetattr(0, termios.TCSANOW, t)
    os.execvp(sys.argv[1], sys.argv[1:])
try:
    while True: os.write(1, os.read(fd, 4096) or sys.exit())
except OSError: pass
PY
modes=$(timeout 60 "$BED/run" /usr/bin/python3 "$WORK/term.py" ssh -tt -F "$BED/ssh_config" alice@gate stty -a 2>&1)
for m in 'erase = \^H' 'intr = \^\^' ' -echo ' ' -ixon '; do like "the client's terminal modes: $m" "$m" "$modes"; done
is "a command whose reader is gone ends" "y 0" "$(s=$SECONDS; on alice@gate yes 2>/dev/null | head -n 1 | tr '\n' ' '; echo $(((SECONDS - s) / 60)))"
t "a client whose program reads no more ends" timeout 60 bash -c "'$BED/run' ssh -F '$BED/ssh_config' alice@gate 'exec <&-; sleep 1' </dev/zero"
kill $server
finish
