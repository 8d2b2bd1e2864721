#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What goes through the lens, packet by packet and in bulk: NULs, forged marks, global requests in their order; -W, -D and
# -R under rekeying; and what is said of a forward that is refused or fails.
. "$(dirname "$0")/../lib.sh"
python=/usr/bin/python3
bed_up
chmod 0711 "$WORK"
GATE=$(daemon_pid gate) log=$BED/log/audit.log
on alice@gate true
lens() { # CASE
	local verdict name detail
	if ! $python -c 'import paramiko' 2>/dev/null; then skip "$1" "python3-paramiko is not installed"; return; fi
	while IFS=$'\t' read -r verdict name detail; do
		if [ "$verdict" = ok ]; then ok "$name"; else not_ok "$name" "$detail"; fi
	done < <(timeout 200 "$BED/run" $python -W ignore "$ROOT/tests/e2e/lens.py" "$1" "$GATE" "$BED/keys/alice" 2>&1 || printf 'not ok\t%s ends\tin time\n' "$1")
}
denied() { grep '"chan.forward.deny"' "$log" | tail -n 1; }

# --- packets ---
for case in nul forged order nomore; do lens $case; done
like "port 1 of every address is a port as others" '"kind":"listen","target":"[*:]*:1: .*only root may use ports' "$(grep -a '"chan.forward.deny"' "$log")"
like "OpenSSH says no-more-sessions, and its session runs" 'Requesting no-more-sessions.* in ' "$(on -v alice@gate echo in 2>&1 | tr '\r\n' '  ')"
before=$(grep -c '"chan.forward.deny"' "$log")
lens spam
t "not each of 300 refusals is a line in the audit log" test $(($(grep -c '"chan.forward.deny"' "$log") - before)) -le 21

# --- inside: what answers ---
on alice@gate 'cat >echo.pl && { setsid perl echo.pl </dev/null >/dev/null 2>&1 & }' <<'PL'
use IO::Socket::INET; $SIG{CHLD} = "IGNORE";
my $l = IO::Socket::INET->new(LocalAddr => "0.0.0.0:7501", Listen => 9, ReuseAddr => 1) or die;
while (my $c = $l->accept) {
	next if fork;
	sysread($c, my $d, 65536);
	if ($d =~ /^GET (\S+)/) { print $c "HTTP/1.0 200 OK\r\n\r\nasked for $1\n"; exit }
	do { my $o = 0; while ($o < length $d) { $o += syswrite($c, $d, length($d) - $o, $o) // exit } } while sysread($c, $d, 65536);
	exit
}
PL
await 5 on alice@gate 'perl -MIO::Socket::INET -e "exit !IO::Socket::INET->new(PeerAddr => q(127.0.0.1:7501))"'
cat >"$WORK/echo.py" <<'PY'
import socket, sys, threading
def serve(s):
    while True:
        c, _ = s.accept()
        threading.Thread(target=echo, args=(c,)).start()
def echo(c):
    while True:
        d = c.recv(1 << 16)
        if not d: break
        c.sendall(d)
    c.close()
for a in sys.argv[1:]:
    s = socket.socket(socket.AF_UNIX if a[0] == "/" else socket.AF_INET)
    s.bind(a if a[0] == "/" else ("127.0.0.1", int(a))); s.listen(9)
    threading.Thread(target=serve, args=(s,)).start()
PY
"$BED/run" $python "$WORK/echo.py" "$WORK/client" 7502 >/dev/null 2>&1 & server=$!
master() { ON_LIMIT=300 on -MN -S "$WORK/ctl" "$@" alice@gate 2>"$WORK/master" & MASTER=$!; await 10 on -S "$WORK/ctl" -O check alice@gate; }
leave() { on -S "$WORK/ctl" -O exit alice@gate >/dev/null 2>&1; wait "$MASTER" 2>/dev/null; }

# --- -W, -D ---
is "-W" "through and back" "$(echo "through and back" | on -W 127.0.0.1:7501 alice@gate)"
head -c 5M /dev/urandom >"$WORK/data"
is "-W with 5 MB" "$(sha256sum <"$WORK/data")" "$(on -W alice:7501 alice@gate <"$WORK/data" | sha256sum)"
like "-W to where nothing listens" 'stdio forwarding failed' "$(on -W 127.0.0.1:9 alice@gate </dev/null 2>&1)"
master -D 7503
if command -v curl >/dev/null; then
	get() { inbed curl -s -S -m 60 "$@" 2>&1; }
	is "-D, the name resolved inside" "asked for /page" "$(get --socks5-hostname 127.0.0.1:7503 http://alice:7501/page)"
	is "-D to an address" "asked for /x" "$(get --socks5 127.0.0.1:7503 http://127.0.0.1:7501/x)"
	is "-D by SOCKS 4a" "asked for /4" "$(get --socks4a 127.0.0.1:7503 http://alice:7501/4)"
	like "-D to a name that is none" 'curl: \(' "$(get --socks5-hostname 127.0.0.1:7503 http://nowhere.invalid:7501/)"
	like "of which the audit log has the reason" '"target":"nowhere.invalid:7501: .*no such host","result":"refused"' "$(denied)"
else
	skip "-D" "curl is not installed"
fi
leave

# --- -R in bulk, while the keys change ---
on alice@gate 'cat >bulk.pl' <<'PL'
use IO::Socket::UNIX; use IO::Socket::INET; use Digest::MD5;
my ($to, $left) = @ARGV;
my $s = $to =~ m{/} ? IO::Socket::UNIX->new(Peer => $to) : IO::Socket::INET->new(PeerAddr => "127.0.0.1:$to");
die "$!\n" unless $s;
open my $r, "<", "/dev/urandom"; sysread($r, my $block, 1 << 20);
my ($there, $back) = (Digest::MD5->new, Digest::MD5->new);
if (!(my $pid = fork)) {
	for (1 .. $left) { my $o = 0; while ($o < length $block) { $o += syswrite($s, $block, length($block) - $o, $o) // die } }
	shutdown($s, 1); exit
}
$there->add($block) for 1 .. $left;
while (sysread($s, my $d, 1 << 16)) { $back->add($d) }
print $there->digest eq $back->digest ? "same\n" : "different\n";
PL
for k in aes128-gcm@openssh.com chacha20-poly1305@openssh.com; do
	master -c $k -o RekeyLimit=1M -R "/tmp/bulk:$WORK/client" -R 7504:127.0.0.1:7502
	is "-R of a socket: 50 MB there and back, keys changing, $k" same "$(on alice@gate perl bulk.pl /tmp/bulk 50)"
	is "-R of a port: 50 MB there and back, keys changing, $k" same "$(on alice@gate perl bulk.pl 7504 50)"
	leave
done

# --- refused: who learns why ---
try() { # LOCAL-OPTION...: -v's words of a forward that is used at once
	on -v -o ExitOnForwardFailure=yes "$@" 2>&1 | tr -d '\r' | grep -a 'Remote: sshbay'
}
like "-v: a dial that fails" 'sshbay: forward to 127.0.0.1:9: Connection refused' "$(try -W 127.0.0.1:9 alice@gate </dev/null)"
like "and the audit log" '"kind":"dial","target":"127.0.0.1:9: Connection refused","result":"refused"' "$(denied)"
like "-v: a port that is only root's" 'sshbay: forward from localhost:80: .*only root may use ports' "$(try -N -R 80:127.0.0.1:1 alice@gate)"
like "and the audit log" '"kind":"listen","target":"localhost:80: .*only root may use ports[^"]*","result":"refused"' "$(denied)"
like "-v: a path that is taken" 'sshbay: forward from /tmp: Address already in use' "$(try -N -R "/tmp:$WORK/client" alice@gate)"
like "-v: a directory that is not there" 'sshbay: forward from /none/s: No such file' "$(try -N -R "/none/s:$WORK/client" alice@gate)"
like "-v: a kind that is none" 'sshbay: forward to \(unknown\): ' "$(try -w 0:0 alice@gate true)"
printf 'permitopen="127.0.0.1:7501" %s\n' "$(cat "$BED/keys/carol.pub")" >"$BED/etc/keys/carol"
like "-v: not where the key leads" 'forward to 127.0.0.1:7502: not permitted \(the key leads to other' "$(try -W 127.0.0.1:7502 carol@gate </dev/null)"
like "-v: no socket either" 'forward from /tmp/c: not permitted' "$(try -N -R "/tmp/c:$WORK/client" carol@gate)"
printf 'restrict,pty %s\n' "$(cat "$BED/keys/carol.pub")" >"$BED/etc/keys/carol"
like "-v: not for this key" 'not permitted \(by the gate.s settings, or an option of the key\)' "$(try -W 127.0.0.1:7501 carol@gate </dev/null)"
like "and the audit log" '"user":"carol".*"target":"127.0.0.1:7501: not permitted' "$(denied)"
like "a terminal is told of what was refused before it" 'sshbay: forward from localhost:80: .*only root may use ports' "$(echo "sleep 0.5; exit" | on -tt -R 80:127.0.0.1:1 alice@gate 2>/dev/null)"
is "a command's output is its own" ran "$(on -R 80:127.0.0.1:1 alice@gate echo ran 2>/dev/null)"
unlike "also on a terminal" 'sshbay' "$(on -tt -R 80:127.0.0.1:1 alice@gate echo ran 2>/dev/null)"
unlike "and its errors" 'sshbay' "$(on -R 80:127.0.0.1:1 alice@gate 'echo ran >&2' 2>&1)"
master
{ echo 'echo REA""DY'; await 10 test -e "$WORK/tried"; echo exit; } | on -tt -S "$WORK/ctl" alice@gate >"$WORK/terminal" 2>/dev/null & shell=$!
await 10 grep -qa READY "$WORK/terminal"
out=$(on -S "$WORK/ctl" alice@gate 'sleep 0.5; echo ran' & on -S "$WORK/ctl" -O forward -R "81:127.0.0.1:1" alice@gate >/dev/null 2>&1; wait)
await 5 grep -qa sshbay: "$WORK/terminal"
: >"$WORK/tried"
wait $shell
like "a terminal that is there is told at once" 'sshbay: forward from localhost:81: .*only root may use ports' "$(cat "$WORK/terminal")"
is "but one line, and no command beside it" "1 ran" "$(grep -ca sshbay: "$WORK/terminal") $out"
leave
kill $server
finish
