#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What a stock OpenSSH client expects of a session: exit status, signals, streams, terminals, transfers, multiplexing.
. "$(dirname "$0")/../lib.sh"
# Without keepalives nothing but the clients and the programs wakes a session.
bed_up - <<'E2'
[gate]
alive_interval = 0
E2
on alice@gate true

# --- exit status and signals ---
for n in 0 1 42 255; do on alice@gate "exit $n"; is "exit status $n" $n $?; done
on alice@gate /no/such/command 2>/dev/null; is "command not found" 127 $?
on alice@gate /etc/passwd 2>/dev/null; is "not executable" 126 $?
on alice@gate 'kill -9 $$' 2>/dev/null; is "killed by a signal: the client says 255" 255 $?
like "and names the signal" 'signal KILL|exit-signal|status 255' "$(on -v alice@gate 'kill -TERM $$' 2>&1 | grep -iE 'exit-signal|signal')"
on alice@gate 'sh -c "kill -9 \$\$"; exit $?'; is "a child killed by a signal: 128+9" 137 $?

# A child that keeps the output open delays the channel's end, not the exit status.
on -v alice@gate 'sleep 4141 & echo $! >late.pid; exit 7' >"$WORK/late" 2>&1 </dev/null & late=$!
t "the exit status does not wait for a silent child" await 60 grep -q 'rtype exit-status' "$WORK/late"
is "while that lives" sleep "$(on alice@gate 'cat /proc/$(cat late.pid)/comm; kill $(cat late.pid)' 2>&1)"
reap $late; is "which ends the channel" 7 $?

# --- streams ---
is "stdout and stderr are apart (stdout)" out "$(on alice@gate 'echo out; echo err >&2' 2>/dev/null)"
is "stdout and stderr are apart (stderr)" err "$(on alice@gate 'echo out; echo err >&2' 2>&1 >/dev/null)"
bad=0
for _ in $(seq 40); do
	got=$(on alice@gate 'echo hi; echo err >&2; exit 3' 2>"$WORK/err"); [ "$?/$got/$(cat "$WORK/err")" = 3/hi/err ] || bad=$((bad + 1))
done
is "output and status of 40 short commands are complete" 0 $bad
for size in 0 1 4095 65536 200000; do
	head -c $size /dev/urandom >"$WORK/in"
	is "round trip of $size bytes" "$(sha256sum <"$WORK/in")" "$(on alice@gate cat <"$WORK/in" | sha256sum)"
done
head -c 100M /dev/urandom >"$WORK/big"
is "100 MB both ways at once" "$(sha256sum <"$WORK/big")" "$(ON_LIMIT=120 on alice@gate cat <"$WORK/big" | sha256sum)"
is "100 MB both ways under rekeying" "$(sha256sum <"$WORK/big")" \
	"$(ON_LIMIT=120 on -o RekeyLimit=4M alice@gate cat <"$WORK/big" | sha256sum)"
for c in aes128-gcm@openssh.com chacha20-poly1305@openssh.com aes256-ctr; do
	is "20 MB with $c" "$(head -c 20M "$WORK/big" | sha256sum)" "$(head -c 20M "$WORK/big" | on -c $c alice@gate cat | sha256sum)"
done
is "half close: output after the end of input" "5 done" "$(echo abcd | on alice@gate 'wc -c; sleep 0.2; echo done' | tr '\n' ' ' | sed 's/ $//')"
is "a reader that stops early does not hold the session" 0 "$(s=$SECONDS; on alice@gate 'seq 1 3000000' | head -n 1 >/dev/null; echo $(((SECONDS - s) / 60)))"
t "no input is needed (-n)" on -n alice@gate true
is "a background child that closed its streams does not hold the session" 0 \
	"$(s=$SECONDS; on alice@gate 'sleep 200 >/dev/null 2>&1 </dev/null &'; echo $(((SECONDS - s) / 60)))"
# A long link: data that comes in while a window adjustment goes out must not wait for the next event.
inbed "$ROOT/build/bench/delayproxy" 2301 2222 10 & proxy=$!
slow=0
for _ in $(seq 30); do
	head -c 48M /dev/zero | ON_LIMIT=60 on -p 2301 -i "$BED/keys/alice" alice@127.0.0.1 'cat >/dev/null' || slow=$((slow + 1))
done
is "30 uploads over a 20 ms link, none stalls" 0 $slow
kill $proxy

# --- environment ---
is "LC_ variables pass" de_DE.UTF-8 "$(LC_TIME=de_DE.UTF-8 on -o SendEnv='LC_*' alice@gate 'echo $LC_TIME')"
is "LANG is the image's, as with sshd and pam_env" C.UTF-8 "$(LANG=de_DE.UTF-8 on -o SendEnv=LANG alice@gate 'echo $LANG')"
is "other variables do not" "" "$(on -o 'SetEnv=LD_PRELOAD=/x FOO=bar' alice@gate 'echo $LD_PRELOAD$FOO')"
like "SSH_CONNECTION is set" '^127\.0\.0\.1 [0-9]+ 127\.0\.0\.1 2222$' "$(on alice@gate 'echo $SSH_CONNECTION')"

# --- terminals ---
like "a terminal on request" '^/dev/pts/' "$(on -tt alice@gate tty </dev/null)"
is "none otherwise" "not a tty" "$(on alice@gate tty)"
is "TERM passes" xterm-256color "$(TERM=xterm-256color on -tt alice@gate 'echo $TERM' </dev/null | tr -d '\r')"
cat >"$WORK/term.py" <<'PY'
import fcntl, os, pty, signal, struct, sys, termios, time
def read_until(fd, want, limit=60):
    data = b""; end = time.time() + limit
    while want not in data and time.time() < end:
        try: data += os.read(fd, 65536)
        except OSError: break
    return data
pid, fd = pty.fork()
if pid == 0: os.execvp(sys.argv[2], sys.argv[2:])
mode = sys.argv[1]
fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 123, 0, 0))
read_until(fd, b"$ ")
if mode == "size":
    os.write(fd, b"stty size; echo END\n"); out = read_until(fd, b"\nEND")
    print("first", b"40 123" in out)
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 99, 0, 0)); os.kill(pid, signal.SIGWINCH)
    out = b""
    for n in range(100):
        os.write(fd, b"stty size; echo END2.%d.\n" % n); out = read_until(fd, b"\nEND2.%d." % n)
        if b"50 99" in out: break
        time.sleep(0.1)
    print("second", b"50 99" in out); os.write(fd, b"exit\n")
elif mode == "intr":
    os.write(fd, b"sleep 100; echo rc=$?\n"); time.sleep(0.7); os.write(fd, b"\x03"); time.sleep(0.3)
    os.write(fd, b"echo rc=$?\n"); out = read_until(fd, b"rc=130"); print("interrupted", b"rc=130" in out); os.write(fd, b"exit\n")
elif mode == "hup":
    os.write(fd, b"sleep 4242 & echo started\n"); read_until(fd, b"\nstarted"); os.kill(pid, signal.SIGKILL)
    print("gone")
elif mode == "exit":
    os.write(fd, b"exit 7\n"); read_until(fd, b"closed", 60); print("status", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])); sys.exit()
try: os.waitpid(pid, 0)
except ChildProcessError: pass
PY
term() { timeout 60 "$BED/run" python3 "$WORK/term.py" "$1" ssh -F "$BED/ssh_config" alice@gate 2>&1; }
is "the window's size, and its changes" "first True second True" "$(term size | tr '\n' ' ' | sed 's/ $//')"
is "^C interrupts" "interrupted True" "$(term intr)"
is "a shell's exit status" "status 7" "$(term exit)"
term hup >/dev/null
is "a vanished client hangs up the terminal" gone "$(await 5 sh -c "! $BED/run ssh -F $BED/ssh_config alice@gate \"pgrep -f [s]leep.4242\"" && echo gone)"
on -tt alice@gate 'setsid nohup sleep 4343 >/dev/null 2>&1 </dev/null & sleep 0.2' </dev/null >/dev/null
t "a daemonised process lives on" on alice@gate 'pgrep -f "[s]leep 4343"'

# --- transfers ---
head -c 5M "$WORK/big" >"$WORK/f"
sum=$(sha256sum <"$WORK/f")
cp_() { timeout 120 "$BED/run" "$@"; }
t "scp up" cp_ scp -q -F "$BED/ssh_config" "$WORK/f" alice@gate:f1
t "scp down" cp_ scp -q -F "$BED/ssh_config" alice@gate:f1 "$WORK/g1"
is "scp keeps the bytes" "$sum" "$(sha256sum <"$WORK/g1")"
if on alice@gate 'command -v scp >/dev/null'; then
	t "scp -O up" cp_ scp -q -O -F "$BED/ssh_config" "$WORK/f" alice@gate:f2
	t "scp -O down" cp_ scp -q -O -F "$BED/ssh_config" alice@gate:f2 "$WORK/g2"
else
	skip "scp -O both ways" "the image has no scp (openssh-client)"
fi
t "sftp batch" cp_ sftp -q -b - -F "$BED/ssh_config" alice@gate <<<"put $WORK/f f3
get f3 $WORK/g3
rename f3 f4
ls -l f4
rm f4"
is "sftp keeps the bytes" "$sum" "$(sha256sum <"$WORK/g3")"
mkdir -p "$WORK/tree/a/b"; cp "$WORK/f" "$WORK/tree/a/b/"; ln -s a/b/f "$WORK/tree/link"
t "rsync up" cp_ rsync -a -e "ssh -F $BED/ssh_config" "$WORK/tree/" alice@gate:tree/
t "rsync down" cp_ rsync -a -e "ssh -F $BED/ssh_config" alice@gate:tree/ "$WORK/back/"
t "rsync keeps the tree" diff -r "$WORK/tree" "$WORK/back"
on alice@gate 'git init -q --bare repo.git'
git init -q -b main "$WORK/src" && (cd "$WORK/src" && echo x >x && git add x && git -c user.name=t -c user.email=t@t commit -qm x)
export GIT_SSH_COMMAND="ssh -F $BED/ssh_config"
t "git push" cp_ git -C "$WORK/src" push -q alice@gate:repo.git main
t "git clone" cp_ git clone -q -b main alice@gate:repo.git "$WORK/dst"

# --- many sessions on one connection ---
mux() { "$BED/run" ssh -F "$BED/ssh_config" -o ControlPath="$WORK/mux" "$@"; }
mux -o ControlMaster=yes -o ControlPersist=60 -fN alice@gate
bad=0; pids=
for i in $(seq 9); do { [ "$(head -c 300000 "$WORK/big" | mux alice@gate "sha256sum; exit $i"; echo "${PIPESTATUS[1]}")" = \
	"$(head -c 300000 "$WORK/big" | sha256sum)
$i" ] || exit 1; } & pids+=" $!"; done
for p in $pids; do wait "$p" || bad=$((bad + 1)); done
is "9 sessions at once on one connection" 0 $bad
for i in $(seq 12); do { mux -o ProxyCommand=false alice@gate 'echo in; until [ -e go ]; do sleep 0.1; done; echo y'; echo over; } & done 2>/dev/null >"$WORK/many"
await 10 sh -c "[ \$(grep -c in '$WORK/many') = 10 ] && [ \$(grep -c over '$WORK/many') = 2 ]"
like "sshbay sessions lists the connection" 'alice.*127\.0\.0\.1' "$(bay sessions)"
on alice@gate touch go
wait
is "the 11th session of a connection is refused, the others run" 10 "$(grep -c y "$WORK/many")"
mux -O exit alice@gate 2>/dev/null

# --- what must not leak into a session ---
is "only 0, 1, 2 are open in a command" "0 1 2 3" "$(on alice@gate 'ls /proc/self/fd' | tr '\n' ' ' | sed 's/ $//')"
is "only 0, 1, 2 are open with a terminal" "0 1 2 3" "$(on -tt alice@gate 'ls /proc/self/fd' </dev/null | tr -s ' \r\n' ' ' | sed 's/ $//')"
t "no zombies in the workspace" await 10 on alice@gate '! ps -eo stat | grep -q ^Z'
finish
