#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Logins that come faster than they can be served: nobody is refused for that, nor loses anything by it.
. "$(dirname "$0")/../lib.sh"
bed_up - <<'E2'
[gate]
max_startups = 1000:30:2000
login_grace = 5m
[limits]
connections_per_user = 600
[defaults]
pids = 2048
E2
ping=$ROOT/build/bench/sshping
storm() { inbed "$ping" -j 127.0.0.1 2222 alice "$BED/keys/alice" "$@"; }
[ -x "$ping" ] || { not_ok "the light client is there" "make bench-bin"; finish; }
t "a first login" on alice@gate true

# --- more at once than the sockets' queues hold ---
storm 200 >"$WORK/o" 2>"$WORK/e"
is "none of 200 logins at once fails" "0 " "$(sed 's/ .*//' "$WORK/o") $(sort -u "$WORK/e")"
left() { [ "$(bay sessions --json | python3 -c 'import json,sys; print(len(json.load(sys.stdin)))')" = 0 ]; }
t "and all have left" await 60 left

# --- ws-init does not come to accept them: its queue is full, and there is room again ---
init_pid() { bay show alice --json | python3 -c 'import json,sys; print(json.load(sys.stdin)["init_pid"])'; }
was=$(init_pid)
nsenter -t "$was" -n sh -c 'echo 3 >/proc/sys/net/core/somaxconn' || not_ok "the queue can be made short"
t "stop" bay stop alice
t "start" bay start alice
init=$(init_pid)
is "the queue is short" 3 "$(nsenter -t "$init" -n ss -Hxl | awk '/init.sock/ { print $4 }')"
kill -STOP "$init"
pids=; for i in $(seq 8); do on alice@gate "echo $i" >"$WORK/o$i" 2>&1 & pids+=" $!"; done
waiting() { [ "$(grep -c '"ev":"auth.ok"' "$BED/log/audit.log")" -ge "$1" ]; }
full() { [ "$(nsenter -t "$init" -n ss -Hxl | awk '/init.sock/ { print $3 }')" -ge 3 ]; }
t "eight logins wait for a ws-init that sleeps" await 60 full
t "all are authenticated" await 60 waiting 209
kill -CONT "$init"
for p in $pids; do reap "$p"; done
is "all are served when it wakes" "$(seq 8)" "$(cat $(seq -f "$WORK/o%g" 8))"

# --- descriptors under way count against a user's limit ---
cat >"$WORK/hog.c" <<'E2'
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
int main(void) /* sends itself 1500 descriptors and takes none */
{
	struct rlimit l;
	union { struct cmsghdr h; char b[CMSG_SPACE(100 * sizeof(int))]; } c = { 0 };
	struct iovec v = { "x", 1 };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = &c, .msg_controllen = sizeof(c) };
	int sv[2], n = 0;

	getrlimit(RLIMIT_NOFILE, &l);
	l.rlim_cur = l.rlim_max;
	setrlimit(RLIMIT_NOFILE, &l);
	socketpair(AF_UNIX, SOCK_STREAM, 0, sv);
	c.h.cmsg_level = SOL_SOCKET;
	c.h.cmsg_type = SCM_RIGHTS;
	c.h.cmsg_len = CMSG_LEN(100 * sizeof(int));
	memset(CMSG_DATA(&c.h), 0, 100 * sizeof(int));
	for (; n < 15 && sendmsg(sv[0], &m, 0) == 1; n++)
		;
	printf("%d\n", n);
	fflush(stdout);
	pause();
}
E2
if ${CC:-gcc} -std=gnu11 -static -o "$WORK/hog" "$WORK/hog.c" 2>"$WORK/cc.log"; then
	inbed scp -q -F "$BED/ssh_config" "$WORK/hog" alice@gate:hog
	on alice@gate ./hog >"$WORK/hog.out" &
	hog=$!
	t "a program has 1500 descriptors under way" await 30 grep -qx 15 "$WORK/hog.out"
	is "its user logs in all the same" "1024" "$(on alice@gate ulimit -n 2>&1)"
	is "on a terminal, too" "1024" "$(on -tt alice@gate ulimit -n 2>&1 </dev/null | tr -d '\r' | head -1)"
	kill "$hog"; wait "$hog" 2>/dev/null
else
	not_ok "the hog compiles" "$(cat "$WORK/cc.log")"
fi

finish
