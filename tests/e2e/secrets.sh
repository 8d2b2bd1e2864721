#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What the processes of a bed keep of passwords in their memory after a login: of the right one, of a wrong one before it,
# and of what was typed for PAM.
. "$(dirname "$0")/../lib.sh"
RIGHT=Xk2-correct-horse-battery WRONG=Yw8-wrong-horse-battery TYPED=Zt5-typed-horse-battery
bed_up - <<E2
[auth]
methods = publickey password keyboard-interactive
[workspace team]
users = pat, carol
password = $(openssl passwd -6 -salt sshbay "$RIGHT")
E2
cat >"$WORK/scan.py" <<'PY'
import re, sys
words = [w.encode() for w in sys.argv[1].split(",")]
for pid in sys.argv[2:]:
    name = open("/proc/%s/comm" % pid).read().strip()
    size = 0
    with open("/proc/%s/mem" % pid, "rb", 0) as mem:
        for line in open("/proc/%s/maps" % pid):
            m = re.match(r"([0-9a-f]+)-([0-9a-f]+) r[w-]", line)
            if not m or "[vvar]" in line or "[vsyscall]" in line: continue
            start, end = int(m[1], 16), int(m[2], 16)
            try:
                mem.seek(start); data = mem.read(end - start)
            except (OSError, OverflowError): continue
            size += len(data)
            for w in words:
                at = -1
                while (at := data.find(w, at + 1)) >= 0:
                    print("%s: %s at %x in %s" % (name, w.decode(), start + at, line.split()[-1]))
    print("%s: %s" % (name, "looked at" if size > 1 << 16 else "not readable"))
PY
cat >"$WORK/login.py" <<'PY'
import socket, sys, time, paramiko
how, words = sys.argv[1], sys.argv[2:]
t = paramiko.Transport(socket.create_connection(("127.0.0.1", 2222)))
t.start_client(timeout=10)
for w in words:
    try:
        if how == "password": t.auth_password("pat+team", w, fallback=False)
        else: t.auth_interactive("pat+team", lambda title, text, prompts: [w] * len(prompts))
    except paramiko.AuthenticationException: pass
ok = t.is_authenticated()
if ok:
    s = t.open_session(); s.exec_command("echo in; cat"); s.recv(3)
print("in" if ok else "out", flush=True)
time.sleep(60)
PY
pids() { daemon_pid gate; daemon_pid provisiond; pgrep -P "$(daemon_pid gate)"; }
scan() { # shellcheck disable=SC2046
	python3 "$WORK/scan.py" "$RIGHT,$WRONG,$TYPED" $(pids); }
hold() { # NAME EXPECTED ARGS...
	"$BED/run" timeout 60 /usr/bin/python3 -W ignore "$WORK/login.py" "${@:3}" >"$WORK/$1" 2>&1 & HELD=$!
	await 15 grep -qx "$2" "$WORK/$1" || not_ok "the client is $2" "$(cat "$WORK/$1")"
}
ends() { kill "$HELD"; wait "$HELD" 2>/dev/null; await 5 alone; }
alone() { [ "$(pgrep -P "$(daemon_pid gate)" | wc -l)" = 1 ]; } # the zygote
nothing() { # NAME
	scan >"$WORK/found"
	is "$1: nobody keeps it" "" "$(grep horse "$WORK/found")"
	is "who was looked at" "provisiond sshd-gate sshd-gate-sessi" "$(grep 'looked at' "$WORK/found" | cut -d: -f1 | sort -u | tr '\n' ' ' | sed 's/ $//')"
}
if ! /usr/bin/python3 -c 'import paramiko' 2>/dev/null; then
	skip "what is kept of passwords" "python3-paramiko is not installed"
	finish
fi
on carol@gate true
hold right in password "$RIGHT"
nothing "after a login"
is "the scan finds what is there" 1 "$(python3 "$WORK/scan.py" RIGHT=,Pat $$ | grep -c 'RIGHT=' | sed 's/[1-9][0-9]*/1/')"
ends
printf '#!/bin/sh\necho "%s"\n' "$RIGHT" >"$WORK/askpass"; chmod +x "$WORK/askpass"
for how in '-c chacha20-poly1305@openssh.com' '-c aes256-gcm@openssh.com' '-c aes256-ctr -m hmac-sha2-512-etm@openssh.com' '-c aes256-ctr -m hmac-sha2-256'; do
	# shellcheck disable=SC2086
	SSH_ASKPASS=$WORK/askpass SSH_ASKPASS_REQUIRE=force "$BED/run" timeout 60 ssh -F "$BED/ssh_config" $how \
		-o PasswordAuthentication=yes -o PreferredAuthentications=password pat+team@gate 'echo in; sleep 60' >"$WORK/ssh" 2>&1 & HELD=$!
	await 15 grep -qx in "$WORK/ssh" || not_ok "the client is in" "$(cat "$WORK/ssh")"
	scan >"$WORK/found"
	is "ssh $how" "" "$(grep horse "$WORK/found")"
	ends
done
hold both in password "$WRONG" "$RIGHT"
nothing "after one of each"
ends
mkdir "$WORK/pam.d"
cat >"$WORK/check" <<E2
#!/bin/sh
read -r text
[ "\$text" = "$TYPED" ]
E2
chmod 755 "$WORK" "$WORK/check"
printf 'auth required pam_exec.so expose_authtok quiet %s\naccount required pam_permit.so\n' "$WORK/check" >"$WORK/pam.d/sshbay"
inbed mount --bind "$WORK/pam.d" /etc/pam.d
hold pam in interactive "$TYPED"
nothing "after a conversation"
ends
hold pam in interactive "$WRONG" "$TYPED"
nothing "after one that failed and one that did not"
ends
inbed umount /etc/pam.d
finish
