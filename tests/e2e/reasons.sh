#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What a client is told when a channel is not opened: the code of RFC 4254 and the reason in words, whatever the cipher.
# libssh's own refusals have no words (sshd-gate/session/lens_rewrite.h).
# shellcheck source-path=SCRIPTDIR/..
. "$(dirname "$0")/../lib.sh"
bed_up - <<INI
[gate]
max_sessions = 2
[workspace alice]
users = alice
[workspace bob]
users = bob
INI
sed -i "s,^,no-port-forwarding ," "$BED/etc/keys/bob"
on alice@gate true
w() { on "$@" </dev/null 2>&1; } # -W HOST:PORT WHO
is "nobody listens: the reason" "channel 0: open failed: connect failed: Connection refused
stdio forwarding failed" "$(w -W 127.0.0.1:1 alice@gate | tr -d '\r')"
like "no such name" "open failed: connect failed: .*(not known|resolve|no such)" "$(w -W no-such-name.invalid:80 alice@gate)"
like "not allowed: which settings" "open failed: administratively prohibited: not permitted \(by the gate's settings, or an option of the key\)" "$(w -W 127.0.0.1:1 bob@gate)"
like "a jump into somebody else's" "open failed: administratively prohibited: .*not among its users" "$(w -W bob:22 alice@gate)"
mux() { on -S "$WORK/mux" "$@"; }
for c in aes128-gcm@openssh.com chacha20-poly1305@openssh.com aes256-ctr; do
	for m in hmac-sha2-256-etm@openssh.com hmac-sha2-256; do
		[[ $c = aes256-ctr || $m = *etm* ]] || continue
		like "$c, $m" "open failed: connect failed: Connection refused" "$(w -c $c -m $m -W 127.0.0.1:1 alice@gate)"
	done
done

# Many of them, among data, on one connection with a new key each 64 KiB: each has its own.
cat >"$WORK/many.py" <<'P'
import socket, sys
import paramiko
import logging
logging.disable(logging.CRITICAL)
key = paramiko.Ed25519Key.from_private_key_file(sys.argv[1])
t = paramiko.Transport(socket.create_connection(("127.0.0.1", 2222)))
t.start_client(timeout=60)
t.auth_publickey("alice", key)
seen, words = {}, []
parse = t._handler_table[92]
def failure(self, m): # paramiko logs the words and forgets them
    at = m.packet.tell(); m.get_int(); m.get_int(); words.append(m.get_text()); m.packet.seek(at)
    parse(self, m)
t._handler_table[92] = failure
def tell(e):
    what = "%d %s" % (e.code, words[-1])
    seen[what] = seen.get(what, 0) + 1
chan = t.open_session(timeout=60)
chan.exec_command("cat")
for i in range(60):
    chan.sendall(b"x" * 4000)
    try: t.open_channel("direct-tcpip", ("127.0.0.1", 1), ("127.0.0.1", 9), timeout=60)
    except paramiko.ChannelException as e: tell(e)
    if i % 20 == 19: t.renegotiate_keys()
for kind in ("mystery@example.org", "x11"):
    try: t.open_channel(kind, ("127.0.0.1", 1), ("127.0.0.1", 9), timeout=60)
    except paramiko.ChannelException as e: tell(e)
held = [t.open_session(timeout=60)]
try: t.open_session(timeout=60)
except paramiko.ChannelException as e: tell(e)
got = 0
while got < 240000: got += len(chan.recv(65536))
chan.shutdown_write()
print("\n".join("%d x %s" % (n, what) for what, n in seen.items()))
print(chan.recv_exit_status())
t.close()
P
many=$(inbed timeout 120 /usr/bin/python3 -W ignore "$WORK/many.py" "$BED/keys/alice" 2>&1)
is "sixty among data, kinds that there are not, and a session too many" "60 x 2 Connection refused
2 x 3 neither a host and port nor a unix socket
1 x 1 too many sessions on this connection (max_sessions)
0" "$many"
finish
