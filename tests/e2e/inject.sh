#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# No memory, no descriptors, no processes at any point of the way of a login: the client is told, nothing is left behind,
# nobody dies or spins, and the service goes on. Needs the build with failure injection (build/faults).
SSHBAY_BIN=${SSHBAY_BIN:-$(cd "$(dirname "$0")/../.." && pwd)/build/faults/bin}
export SSHBAY_BIN
. "$(dirname "$0")/../lib.sh"
HASH=$(python3 -W ignore -c 'import crypt; print(crypt.crypt("correct horse", "$6$sshbay"))')
bed_up - <<INI
[gate]
listen = 127.0.0.1:2222
[auth]
methods = publickey password
[workspace alice]
users = alice
password = $HASH
INI
bed() { "$ROOT/scripts/testbed" "$1" "$BED" "$2" >/dev/null 2>&1; }
restart() { bed kill "$1"; SSHBAY_FAULT=${2:-} bed start "$1"; }
try() { out=$(on -o ConnectTimeout=20 "$@" 2>&1); rc=$?; }
works() { [ "$(on alice@gate echo in 2>/dev/null)" = in ]; }
fds() { find "/proc/$(daemon_pid "$1")/fd" -mindepth 1 | wc -l; }
few_fds() { [ "$(fds "$1")" -le "$2" ]; }
jiffies() { awk '{ print $14 + $15 }' "/proc/$(daemon_pid "$1")/stat"; }
on alice@gate true

# Descriptors of a daemon that has served a login and has nothing else to do.
GATE=$(fds gate) PROV=$(fds provisiond)
at_rest() { few_fds gate $((GATE + 1)) && few_fds provisiond $((PROV + 3)); }

# DAEMON POINT=ERROR EXPECTED: it fails twice, and whoever comes then finds everything in order. EXPECTED is what a client
# is told in the meantime, as "status output"; one that only had to wait is let in.
fails() {
	local pid
	restart "$1" "$2*2"
	pid=$(daemon_pid "$1")
	try alice@gate echo in
	like "$2: the client hears it, or waits" "^(0 in|$3)" "$rc $(tr '\n' ' ' <<<"$out")"
	t "$2: the service goes on" await 20 works
	is "$2: in the same process" "$pid" "$(daemon_pid "$1")"
	t "$2: no descriptor is lost" await 20 at_rest
}
# A connection that there is no descriptor for is answered and closed at once: some clients lose the answer with it.
for e in EMFILE ENOMEM; do fails gate "gate.accept=$e" '255 .*(too many connections for this machine|Broken pipe|reset)'; done
fails gate gate.pair=EMFILE '255 .*sshbay: '
fails gate gate.child=ENOMEM '255 .*sshbay: out of memory'
fails gate zygote.fork=EAGAIN '255 .*sshbay: no session can be started now'
fails gate zygote.start=EAGAIN '255 .*sshbay: '
fails provisiond gate.conn=ENOMEM '255 .*sshbay: the login service does not answer, try again'
restart gate

# --- provisiond and its workers ---
# The creation of a workspace: refused with a reason, nothing half-made, and the next login makes it.
for e in worker.pair=EMFILE worker.fork=EAGAIN ns.clone=ENOMEM; do
	restart provisiond "$e*1"
	pid=$(daemon_pid provisiond)
	try bob@gate echo in
	like "$e: a first login is told" '^254 .*sshbay: .*(bob|socket pair)' "$rc $(tr '\n' ' ' <<<"$out")"
	# Each worker begins to count anew.
	case $e in ns.*) restart provisiond ;; *) is "$e: in the same process" "$pid" "$(daemon_pid provisiond)" ;; esac
	t "$e: the next one finds a workspace" await 20 on bob@gate true
	t "$e: it can be destroyed" bay destroy --purge bob
	t "$e: no descriptor is lost" await 20 at_rest
done
# Two in a row: the worker that would clean up cannot be started either.
restart provisiond 'worker.fork=EAGAIN*2'
try bob@gate echo in
like "no worker at all: a first login is told" '^254 .*sshbay: ' "$rc $(tr '\n' ' ' <<<"$out")"
t "and a later one finds a workspace" await 20 on bob@gate true
bay destroy --purge bob >/dev/null 2>&1

# Passwords: the check cannot be started; that login fails, the next does not.
printf '#!/bin/sh\necho correct horse\n' >"$WORK/askpass"; chmod +x "$WORK/askpass"
password() { SSH_ASKPASS_REQUIRE=force SSH_ASKPASS=$WORK/askpass timeout 60 "$BED/run" ssh -F "$BED/ssh_config" -o PubkeyAuthentication=no \
	-o PreferredAuthentications=password -o PasswordAuthentication=yes -o NumberOfPasswordPrompts=1 alice@gate 'echo in' 2>&1; }
for e in job.pair=EMFILE job.fork=EAGAIN; do
	restart provisiond "$e*1"
	like "$e: a password is refused" 'Permission denied' "$(password)"
	is "$e: and the next time it is not" in "$(password)"
done
restart provisiond jump.pair=EMFILE*1
ip=$(bay show alice --json | grep -o '"control_ip": "[0-9.]*' | cut -d\" -f4)
jump() { on -o ProxyCommand="ssh -F $BED/ssh_config -W $ip:22 alice@gate" "alice@$ip" echo in 2>&1; }
unlike "jump.pair: a jump fails" '^in$' "$(jump)"
like "and the next does not" '^in$' "$(jump)"
restart provisiond

# --- the real thing: a few descriptors more than at rest, and more clients than they serve ---
starve() { # DAEMON DESCRIPTORS
	local pid used held=() i
	bed kill "$1"
	(ulimit -n "$2" && bed start "$1")
	t "$1 with $2 descriptors: a login works" await 20 works
	pid=$(daemon_pid "$1") used=$(jiffies "$1")
	for i in $(seq 10); do
		"$BED/run" timeout 30 ssh -F "$BED/ssh_config" -o BatchMode=yes -N alice@gate >"$WORK/held.$i" 2>&1 & held+=($!)
	done
	t "$1: not all of ten more are served" await 20 sh -c "grep -qE 'sshbay|reset|[Cc]losed|pipe|denied' '$WORK'/held.*"
	sleep 2
	used=$(($(jiffies "$1") - used))
	[ $used -lt 200 ] && ok "$1 does not spin" || not_ok "$1 does not spin" "$used jiffies"
	kill "${held[@]}" 2>/dev/null; wait "${held[@]}" 2>/dev/null
	t "$1: the service goes on" await 30 works
	is "$1: in the same process" "$pid" "$(daemon_pid "$1")"
	restart "$1"
}
starve gate $((GATE + 8))
starve provisiond $((PROV + 8))
finish
