#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Hostile clients, signals and shortages against a whole bed (THREATS D01, D18, D20 to D23, D54, D55, R21, R22). After
# each: logins work, the daemons are the same processes, and nothing of it is left in them.
. "$(dirname "$0")/../lib.sh"
python=/usr/bin/python3
if ! $python -c 'import paramiko' 2>/dev/null; then
	skip "hostile clients" "python3-paramiko is not installed"
	finish
fi
# Programs of its own: one case takes the session program away.
chmod 0711 "$WORK" && mkdir "$WORK/bin" && cp -a "$SSHBAY_BIN/." "$WORK/bin/"
export SSHBAY_BIN=$WORK/bin
bed_up - <<'E2'
[gate]
login_grace = 8s
max_startups = 300:30:500
E2
daemon() { "$ROOT/scripts/testbed" "$1" "$BED" "$2"; }
audit() { grep -c "\"ev\":\"$1\"" "$BED/log/audit.log"; }
cpu_ticks() { sed 's/.*) //' "/proc/$1/stat" | awk '{ print $12 + $13 }'; }
fds() { find "/proc/$1/fd" -mindepth 1 2>/dev/null | wc -l; }
kids() { pgrep -c -P "$1"; }
counts() { echo "gate $(fds "$GATE") fds $(kids "$GATE") children, provisiond $(fds "$PROVISIOND") fds $(kids "$PROVISIOND") children"; }
base() { # the daemons as they should be found again
	GATE=$(daemon_pid gate) PROVISIOND=$(daemon_pid provisiond)
	on alice@gate true || echo "# no login for the base line"
	await 60 steady; COUNTS=$(counts)
}
# No connection is left, and for two seconds nothing changed.
steady() {
	local now
	[ "$(kids "$GATE")" = 1 ] || return 1
	now=$(counts)
	for _ in 1 2 3 4 5 6 7 8; do sleep 0.25; [ "$(counts)" = "$now" ] || return 1; done
}
# A zombie is dead, whoever should have waited for it.
dead() { ! grep -q '^State:[[:space:]]*[^ZX]' "/proc/$1/status" 2>/dev/null; }
settled() { [ "$(counts)" = "$COUNTS" ]; }
intact() { # WHAT
	t "$1: logins work" on alice@gate true
	is "$1: the same daemons" "$GATE $PROVISIOND" \
		"$(for p in $GATE $PROVISIOND; do [ "$(awk '/^State/ {print $2}' "/proc/$p/status" 2>/dev/null)" != Z ] && [ -d "/proc/$p" ] && printf '%s ' "$p"; done | sed 's/ $//')"
	await 60 settled
	is "$1: nothing is left in them" "$COUNTS" "$(counts)"
}
# abuse CASE: its lines become cases of ours.
abuse() {
	local verdict name detail
	while IFS=$'\t' read -r verdict name detail; do
		if [ "$verdict" = ok ]; then ok "$name"; else not_ok "$name" "$detail"; fi
	done < <(timeout 400 "$BED/run" $python -W ignore "$ROOT/tests/e2e/abuse.py" "$1" "$GATE" "$BED/keys/alice" 2>&1 || printf 'not ok\t%s ends\tin time\n' "$1")
	intact "$1"
}
base

# --- packets ---
before=$(audit auth.protocol_violation)
abuse before-login
is "each left one line in the audit log" $((before + 20)) "$(audit auth.protocol_violation)"
before=$(audit auth.protocol_violation)
abuse rename
is "each change of name left one line in the audit log" $((before + 4)) "$(audit auth.protocol_violation)"
abuse tries
is "none of it made a workspace" alice "$(bay list | awk 'NR > 1 {print $1}')"
for case in channels windows storms requests slow hangup; do abuse $case; done

# --- a crowd of the silent, and an honest client ---
mkfifo "$WORK/hold"
"$BED/run" $python "$ROOT/tests/e2e/abuse.py" crowd "$GATE" "$BED/keys/alice" <"$WORK/hold" >"$WORK/crowd" & crowd=$!
exec 9>"$WORK/hold"
await 10 grep -q held "$WORK/crowd"
good=0; for _ in $(seq 12); do on alice@gate true && good=$((good + 1)); sleep 0.5; done
is "200 silent connections: every honest login succeeds" 12 $good
exec 9>&-; wait $crowd
intact crowd

# --- signals ---
for who in gate provisiond; do
	for sig in HUP PIPE CHLD USR1 WINCH; do
		[ $sig != USR1 ] || continue
		for _ in $(seq 200); do kill -s $sig "$(daemon_pid $who)"; done
	done
	intact "a storm of signals to $who"
done
"$BED/run" ssh -F "$BED/ssh_config" alice@gate 'for i in $(seq 40); do echo $i; sleep 0.1; done' >"$WORK/counted" & counting=$!
await 10 test -s "$WORK/counted"
for who in gate provisiond; do
	pid=$(daemon_pid $who)
	for _ in $(seq 50); do kill -TERM "$pid" 2>/dev/null; done
	t "SIGTERM ends $who" await 10 dead "$pid"
	daemon start $who
done
wait $counting
is "and costs no session a word" "$(seq 40)" "$(cat "$WORK/counted")"
base
intact "ended and started again"

# --- no descriptors left in the listener ---
limit() { setpriv --reuid 64222 --regid 64222 --clear-groups prlimit --pid "$GATE" --nofile="$1:"; }
soft=$(awk '/^Max open files/ {print $4}' "/proc/$GATE/limits")
if limit $(($(fds "$GATE") + 4)) 2>"$WORK/limit"; then
	"$BED/run" $python "$ROOT/tests/e2e/abuse.py" crowd "$GATE" "$BED/keys/alice" <"$WORK/hold" >"$WORK/crowd" & crowd=$!
	exec 9>"$WORK/hold"
	await 10 grep -q held "$WORK/crowd"
	a=$(cpu_ticks "$GATE"); sleep 3; b=$(cpu_ticks "$GATE")
	[ $((b - a)) -lt $((3 * $(getconf CLK_TCK) / 5)) ] && ok "out of descriptors the listener does not spin" || not_ok "out of descriptors the listener does not spin" "$((b - a)) ticks in 3 s"
	await 10 grep -q 'accept a connection: ' "$BED/log/gate.log"
	like "it says so" 'accept a connection: ' "$(cat "$BED/log/gate.log")"
	exec 9>&-; wait $crowd
	t "and serves again when there are some, under the same limit" await 10 on alice@gate true
	limit "$soft"
	intact "out of descriptors"
else
	skip "out of descriptors" "$(head -n1 "$WORK/limit")"
fi

# --- the session program is moved away, or cannot be executed ---
mv "$WORK/bin/sshd-gate-session" "$WORK/bin/away"
pkill -KILL -P "$GATE"
t "the listener holds the session program: moved away, it is used on" await 10 on alice@gate true
mv "$WORK/bin/away" "$WORK/bin/sshd-gate-session"
chmod 0 "$WORK/bin/sshd-gate-session"
pkill -KILL -P "$GATE"
await 10 sh -c "'$BED/run' ssh -F '$BED/ssh_config' alice@gate true 2>&1 | grep -q 'the session program does not start'"
like "when the session program does not start a client is told" 'sshbay: the session program does not start' "$(on alice@gate true 2>&1)"
a=$(cpu_ticks "$GATE"); sleep 2; b=$(cpu_ticks "$GATE")
[ $((b - a)) -lt $((2 * $(getconf CLK_TCK) / 5)) ] && ok "and the listener does not spin" || not_ok "and the listener does not spin" "$((b - a)) ticks in 2 s"
chmod 0755 "$WORK/bin/sshd-gate-session"
t "it is used again when it can be" await 20 on alice@gate true
intact "session program missing"

# --- the audit log cannot be written ---
inbed mount -t tmpfs -o size=4k full "$BED/log"
inbed sh -c "head -c 100k /dev/zero >$BED/log/fill" 2>/dev/null
bay reload >/dev/null
t "with a full audit log logins go on" on alice@gate true
t "and workspaces are made" on bob@gate true
like "provisiond says so" 'write audit log .*: No space left on device' "$(cat "$BED/log/provisiond.log")"
is "only once" 1 "$(grep -c 'write audit log' "$BED/log/provisiond.log")"
inbed rm "$BED/log/fill"
on alice@gate true
like "and when it is mended" 'can be written again' "$(cat "$BED/log/provisiond.log")"
inbed umount -l "$BED/log"
bay reload >/dev/null
bay destroy --purge bob >/dev/null
mv "$BED/log/audit.log" "$BED/log/audit.log.1"; : >"$BED/log/audit.log"; chmod 0 "$BED/log/audit.log"
bay reload >/dev/null
t "a log that was rotated away, and one without rights" on alice@gate true
intact "audit log"

# --- no memory controller ---
memory=$(awk '$(NF-2) == "cgroup" && $NF ~ /(^|,)memory(,|$)/ { print $5; exit }' /proc/self/mountinfo)
kind=cgroup; opts=memory
[ -n "$memory" ] || { memory=$(awk '$(NF-2) == "cgroup2" { print $5; exit }' /proc/self/mountinfo) kind=cgroup2 opts=rw; }
bay stop alice >/dev/null
daemon kill provisiond
inbed umount -l "$memory"
daemon start provisiond
out=$(on bob@gate true 2>&1); rc=$?
like "without a memory controller a login is told" "^254 .*sshbay: .*limit memory of 'bob': no memory controller" "$rc $out"
unlike "and nothing was made" 'bob .*running' "$(bay list)"
printf '[workspace]\nmemory = unlimited\nswap = unlimited\n' >"$BED/workspaces.d/bob.ini"
[ $kind = cgroup ] || printf 'pids = unlimited\n' >>"$BED/workspaces.d/bob.ini"
bay reload >"$WORK/reload" 2>&1 || cat "$WORK/reload"
t "the way out that it names works" on bob@gate true
rm "$BED/workspaces.d/bob.ini"
bay destroy --purge bob >/dev/null
daemon kill provisiond
inbed mount -t $kind -o $opts $kind "$memory"
daemon start provisiond
base
intact "with it again"
finish
