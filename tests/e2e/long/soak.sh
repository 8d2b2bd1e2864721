#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Many logins, creations and destructions: descriptors, memory, processes, and everything the kernel keeps stay where they were.
. "$(dirname "$0")/../../lib.sh"
LOGINS=${SOAK_LOGINS:-5000} CYCLES=${SOAK_CYCLES:-300}
bed_up
ping() { inbed "$ROOT/build/bench/sshping" 127.0.0.1 2222 "$1" "$BED/keys/alice" "$2" >/dev/null; }
for u in alice s0 s1 s2; do [ -e "$BED/etc/keys/$u" ] || cp "$BED/keys/alice.pub" "$BED/etc/keys/$u"; done
state() { # of both daemons: descriptors, children, threads; and resident memory in MiB, rounded up to 4
	local d p
	for d in gate provisiond; do
		p=$(daemon_pid $d)
		echo "$d fds $(ls "/proc/$p/fd" | wc -l) children $(pgrep -c -P "$p") memory $(awk '/VmRSS/ {print int($2 / 4096 + 1) * 4}' "/proc/$p/status") MiB"
	done
	echo "sessions $(inbed ls "$(sed -n 1p "$BED/testbed.id")/sessions" | wc -l)"
	echo "processes in alice $(on alice@gate 'ls -d /proc/[0-9]* | wc -l')"
}
for u in alice s0 s1 s2; do ping $u 50; done
sleep 1; state >"$WORK/state.before"
for u in s0 s1 s2; do ping $u $((LOGINS / 4)) & done
t "$LOGINS logins" ping alice $((LOGINS / 4))
wait
sleep 2; state >"$WORK/state.after"
t "leave the daemons as they were" diff "$WORK/state.before" "$WORK/state.after"
for i in $(seq "$CYCLES"); do
	cp "$BED/keys/alice.pub" "$BED/etc/keys/c$i"
	ping "c$i" 1 || break
	bay stop "c$i" >/dev/null && ping "c$i" 1 && bay destroy --purge "c$i" >/dev/null || break
	rm "$BED/etc/keys/c$i"
done
is "$CYCLES times create, stop, start, destroy" "$CYCLES" "$i"
sleep 2; state >"$WORK/state.after"
t "leave the daemons as they were, too" diff "$WORK/state.before" "$WORK/state.after"
unlike "the kernel has nothing to complain about" 'BUG|WARNING|hung task|refcount' "$(dmesg 2>/dev/null | tail -n 200)"
finish
