#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Who is who and what is where: host keys of workspaces, `sshbay ssh-config` and `explain`, banner and message of the day,
# jumps through the gate (ssh -J).
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

printf 'Only for those who are allowed.\n' >"$WORK/banner"
printf 'Backups run at night.\n' >"$WORK/motd"
chmod 755 "$WORK"
bed_up - <<INI
[gate]
host_key_per_workspace = yes
banner = $WORK/banner
motd = $WORK/motd
[workspace client]
users = alice, bob
control_ip = 172.31.199.1
[workspace server]
users = alice
control_ip = 172.31.199.2
[workspace theirs]
users = bob
control_ip = 172.31.199.9
[workspace floating]
users = alice
INI
audit() { cat "$BED/log/audit.log"; }
shown_key() { inbed ssh-keyscan -t ed25519 -T 5 -p "${2:-22}" "$1" 2>/dev/null | awk '{ print $3 }'; }
file_key() { awk '{ print $2 }' "$1"; }

# --- the jumper's view: our own configuration, checked strictly ---
bay ssh-config alice --host 127.0.0.1 >"$WORK/alice.conf"
cat >>"$WORK/alice.conf" <<CFG

Host *
	IdentityFile $BED/keys/alice
	IdentitiesOnly yes
	IdentityAgent none
	BatchMode yes
	StrictHostKeyChecking yes
	UserKnownHostsFile $WORK/known
	GlobalKnownHostsFile /dev/null
	UpdateHostKeys no
	ConnectTimeout 10
CFG
sed "s,keys/alice,keys/bob," "$WORK/alice.conf" >"$WORK/bob.conf"
bay ssh-config alice --host 127.0.0.1 --known-hosts >"$WORK/known"
bay ssh-config bob --host 127.0.0.1 --known-hosts >>"$WORK/known"
as() { # USER ssh arguments
	local who=$1
	shift
	timeout 60 "$BED/run" ssh -F "$WORK/$who.conf" "$@"
}

# --- host keys ---
gate_key=$(file_key "$BED/etc/ssh_host_ed25519_key.pub")
client_key=$(file_key "$BED/state/hostkeys/client.pub")
is "the gate's address shows the gate's key" "$gate_key" "$(shown_key 127.0.0.1 2222)"
is "a workspace's address shows that workspace's key" "$client_key" "$(shown_key 172.31.199.1)"
is "an address without workspace shows the gate's key" "$gate_key" "$(shown_key 172.31.199.77)"
is "every key is another one" 4 "$(printf '%s\n' "$gate_key" "$client_key" "$(shown_key 172.31.199.2)" "$(shown_key 172.31.199.9)" | sort -u | wc -l)"
is "private keys are root's alone" "600 0 700" "$(stat -c '%a %u' "$BED/state/hostkeys/client") $(stat -c %a "$BED/state/hostkeys")"

# --- ssh-config ---
is "ssh-config: the gate by its name" alice "$(as alice 127.0.0.1 hostname)"
is "ssh-config: a workspace by name" client "$(as alice client hostname)"
is "ssh-config: a workspace by name and machine" server "$(as alice server.127.0.0.1 hostname)"
is "ssh-config: a workspace by address" client "$(as alice 172.31.199.1 hostname)"
is "ssh-config: a workspace without an address" floating "$(as alice floating hostname)"
unlike "ssh-config: nobody else's workspace" theirs "$(cat "$WORK/alice.conf")"
t "the block parses" ssh -G -F "$WORK/alice.conf" client
sed -i "s,$client_key,$gate_key," "$WORK/known"
as alice client true 2>"$WORK/err"
is "a wrong key in known_hosts is noticed" 255 $?
sed -i "/^client/s,$gate_key,$client_key," "$WORK/known"
is "and the right one is not" client "$(as alice client hostname)"
is "SSHFP records are those of ssh-keygen" \
	"$(ssh-keygen -r client.box.test -f "$BED/state/hostkeys/client.pub" | grep ' 4 2 ')" \
	"$(bay ssh-config alice --host box.test --sshfp | grep ^client)"
is "--json: every host" "None client server floating" \
	"$(bay ssh-config alice --json | python3 -c 'import json,sys; h=[x["workspace"] for x in json.load(sys.stdin)]; print(*(x for x in [None,"client","server","floating"] if x in h))')"
bay ssh-config 'Al ice' 2>"$WORK/err"
is "a user that is none is a usage error" 2 $?
bay ssh-config alice --host 'a b' 2>"$WORK/err"
is "so is a host that is none" 2 $?
bay ssh-config alice --host 10.0.0.1 --sshfp 2>"$WORK/err"
is "and an address in the DNS" 2 $?

# --- keys stay ---
bay stop client >/dev/null && bay start client >/dev/null
is "a restart keeps the host key" "$client_key" "$(shown_key 172.31.199.1)"
bay destroy client >/dev/null
is "destroy keeps the host key" "$client_key" "$(shown_key 172.31.199.1)"
as alice -o RekeyLimit=64K client 'head -c 300000 /dev/zero; sleep 3; head -c 300000 /dev/zero' >"$WORK/rekeyed" &
long=$!
sleep 1
"$ROOT/scripts/testbed" kill "$BED" provisiond && "$ROOT/scripts/testbed" start "$BED" provisiond
wait $long
is "a connection exchanges keys again across a restart of provisiond" "0 600000" "$? $(stat -c %s "$WORK/rekeyed")"
is "a restart of provisiond keeps the host key" "$client_key" "$(shown_key 172.31.199.1)"
bay destroy --purge client >/dev/null
t "destroy --purge removes it" [ ! -e "$BED/state/hostkeys/client" ]
new_key=$(shown_key 172.31.199.1)
t "and the next one is another one" test "${new_key:-$client_key}" != "$client_key"
bay ssh-config alice --host 127.0.0.1 --known-hosts >"$WORK/known"
bay ssh-config bob --host 127.0.0.1 --known-hosts >>"$WORK/known"

# --- explain ---
why() { bay explain "$@" | grep -E "^$FACT " | sed 's/^[a-z0-9]* *//'; }
FACT=workspace
is "explain: the default workspace" alice "$(why alice)"
is "explain: user+workspace" client "$(why alice+client)"
is "explain: a dialled address" client "$(why alice@172.31.199.1)"
is "explain: --address" server "$(why alice --address 172.31.199.2)"
is "explain: by a workspace's name" client "$(why alice@client)"
is "explain: an address that is not the pool's" alice "$(why alice@192.0.2.1)"
FACT=rule
like "explain: names the line of the address" "workspaces.d/client.ini:[0-9]+ \[workspace\] control_ip" "$(why alice@172.31.199.1)"
FACT=result
like "explain: not among the users" "^refused: .*workspaces.d/theirs.ini:2 \[workspace\] users" "$(why alice+theirs)"
like "explain: not among the users, by address" "^refused: .*theirs.ini:2" "$(why alice@172.31.199.9)"
like "explain: address and name do not agree" "^refused: .*no such workspace has this address" "$(why alice+server@172.31.199.1)"
like "explain: an address that nobody has" "^refused: .*no workspace has this address" "$(why alice@172.31.199.77)"
like "explain: no user name" "^refused: 'Alice' names no user" "$(why Alice)"
like "explain: no workspace name" "^refused: 'alice\+\.\./x'" "$(why alice+../x)"
like "explain: escapes what it shows" 'a\\x1b' "$(why $'a\e[2J')"
like "explain: what is accepted" "enters workspace 'client' as unix user 'bob'" "$(why bob+client)"
printf 'from="10.0.0.0/8" %s\nnonsense\n' "$(cat "$BED/keys/bob.pub")" >>"$BED/etc/keys/alice"
FACT='keys?'
like "explain: the keys file and its lines" "etc/keys/alice: 2 keys" "$(why alice)"
like "explain: a line that is no key" "not a key.*etc/keys/alice:3" "$(why alice)"
like "explain: from= matches" "accepted  \(.*alice:2\)" "$(why alice --from 10.2.3.4)"
like "explain: from= does not" "not.*  \(.*alice:2\)" "$(why alice --from 192.0.2.1)"
head -1 "$BED/etc/keys/alice" >"$WORK/k" && cp "$WORK/k" "$BED/etc/keys/alice"
like "explain: no keys file" "no such file" "$(why nobody)"
FACT=state
like "explain: it would be created" "this login creates it" "$(why alice+unborn)$(why nobody)"
like "explain: it runs" "exists and is running, address 172.31.199.2" "$(why alice+server)"
bay explain alice@nowhere 2>"$WORK/err"
is "explain: neither address nor workspace" "1" $?
is "explain: --json" "client 2" "$(bay explain alice+client --json | python3 -c 'import json,sys
f={x["name"]: x for x in json.load(sys.stdin)}; print(f["workspace"]["value"], f["users"]["line"])')"

# --- banner, message of the day ---
pty() { on -tt "$@" </dev/null 2>/dev/null | tr -d '\r'; }
text=$(printf 'exit\n' | on -tt alice+server@gate 2>"$WORK/err" | tr -d '\r')
like "the banner comes before the login" "^Only for those who are allowed" "$(cat "$WORK/err")"
like "a terminal is told the workspace" "^workspace 'server' on .*, up for" "$text"
like "its address" "^  address  172.31.199.2" "$text"
like "its data plane" "^  data     none" "$text"
like "its limits" "^  limits   memory 1G, .*512 processes" "$text"
like "and what the administrator says" "^Backups run at night" "$text"
t "in no more than 8 lines" [ "$(sed -n "/^workspace 'server'/,/^Backups/p" <<<"$text" | wc -l)" -le 8 ]
text=$(printf 'exit\n' | on -tt bob@gate 2>/dev/null | tr -d '\r')
is "a new workspace's other address is told once" 1 "$(grep -c 'next time also: ssh bob@172' <<<"$text")"
like "and that it is new" "just created" "$text"
is "a command with a terminal is clean" "x" "$(pty alice@gate 'echo x')"
is "a command is clean" "$(printf 'x\n' | od -c)" "$(on alice@gate 'echo x' 2>/dev/null | od -c)"
is "a shell without a terminal is clean" "" "$(on -T alice@gate </dev/null 2>/dev/null | od -c | grep -v '^0000000$')"
is "sftp is clean" "Remote working directory: /home/alice" "$(echo pwd | inbed sftp -q -F "$BED/ssh_config" -b - alice@gate 2>/dev/null | grep -v '^sftp>')"

# --- jumps ---
jump() { # USER VIA TARGET: plain -J without any prepared block
	local who=$1 via=$2 to=$3
	shift 3
	timeout 60 "$BED/run" ssh -F "$WORK/$who.conf" -o HostKeyAlias="${alias:-client.127.0.0.1}" \
		-o ProxyCommand="ssh -F $WORK/$who.conf -W %h:%p $via" "$to" "$@"
}
is "-J to the own workspace's address" client "$(jump alice alice@127.0.0.1 alice@172.31.199.1 hostname)"
is "-J to the workspace that is jumped through" client "$(jump alice alice+client@127.0.0.1 alice@172.31.199.1 hostname)"
is "-J by a workspace's name" client "$(jump alice alice@127.0.0.1 alice@client hostname)"
# shellcheck disable=SC2016 # expands inside
is "the workspace sees the true client" "127.0.0.1 172.31.199.1 22" \
	"$(jump alice alice@127.0.0.1 alice@172.31.199.1 'echo $SSH_CONNECTION' | awk '{ print $1, $3, $4 }')"
is "a chain of two jumps" server "$(as alice -J alice@127.0.0.1,alice@172.31.199.1 alice@server hostname)"
via=$(audit | grep '"ev":"auth.ok"' | grep '"dst":"172.31.199.2"' | tail -1 | sed -n 's/.*"via":"\([0-9a-f]*\)".*/\1/p')
like "the audit log has the chain" '"dst":"172.31.199.1".*"via":"[0-9a-f]{32}"' "$(audit | grep "\"conn\":\"$via\"" | grep auth.ok)"
head -c 3000000 /dev/urandom >"$WORK/file"
inbed scp -q -F "$WORK/alice.conf" "$WORK/file" alice@client:up && inbed scp -q -F "$WORK/alice.conf" alice@client:up "$WORK/back"
t "scp through a jump" cmp "$WORK/file" "$WORK/back"
printf 'get up %s\n' "$WORK/back2" | inbed sftp -q -F "$WORK/alice.conf" -b - client >/dev/null 2>&1
t "sftp through a jump" cmp "$WORK/file" "$WORK/back2"
if command -v rsync >/dev/null && as alice client command -v rsync >/dev/null; then
	inbed rsync -e "ssh -F $WORK/alice.conf" "$WORK/file" client:up2
	is "rsync through a jump" "$(sha256sum <"$WORK/file")" "$(as alice client 'sha256sum <up2')"
else
	skip "rsync through a jump" "no rsync on both sides"
fi
jump alice alice@127.0.0.1 bob@172.31.199.9 true 2>"$WORK/err"
is "-J to somebody else's workspace fails" 255 $?
like "because it is prohibited" "administratively prohibited" "$(cat "$WORK/err")"
like "which the audit log has" '"ev":"jump".*"user":"alice".*"result":"refused".*172.31.199.9' "$(audit)"
jump alice alice@127.0.0.1 alice@theirs true 2>"$WORK/err"
like "by name, too" "administratively prohibited" "$(cat "$WORK/err")"
inbed sh -c 'exec timeout 30 python3 -c "
import socket
s = socket.create_server((\"0.0.0.0\", 22))
while True:
    c, _ = s.accept()
    c.send(b\"HOST\")
    c.close()
"' &
trap_pid=$!
t "something listens on the host's port 22" await 5 inbed bash -c 'grep -q HOST </dev/tcp/169.254.1.1/22'
unlike "port 22 of the host's loopback is not reached" HOST "$(on -W 127.0.0.1:22 alice@gate </dev/null 2>&1)"
unlike "nor by name" HOST "$(on -W localhost:22 alice@gate </dev/null 2>&1)"
unlike "nor by the host's address" HOST "$(on -W 169.254.1.1:22 alice@gate </dev/null 2>&1)"
kill $trap_pid 2>/dev/null
wait $trap_pid 2>/dev/null
unlike "no other port of a pool address leads to the gate" SSH- "$(on -W 172.31.199.2:2222 alice@gate </dev/null 2>&1)"

# One jumper's failures are held against that jumper, not against all that jump.
sed -i 's/^exempt = .*/exempt = ::1\/128, 172.31.199.0\/24/' "$BED/sshbay.ini"
bay reload >/dev/null
bad() { # from 127.0.0.5, through the gate, with a key that nobody knows
	jump alice "-b 127.0.0.5 alice@127.0.0.1" eve@172.31.199.1 true 2>/dev/null
}
for _ in 1 2 3 4; do bad; done
like "failures behind a jump are the jumper's" '"ev":"auth.fail".*"src":"127.0.0.5".*"via"|"ev":"auth.fail","conn":"[0-9a-f]*","src":"127.0.0.5"' "$(audit)"
is "others jump on" client "$(jump alice "-b 127.0.0.6 alice@127.0.0.1" alice@172.31.199.1 hostname)"

sed -i '/^\[gate\]/a jump = any' "$BED/sshbay.ini"
bay reload >/dev/null
alias=theirs.127.0.0.1
bay ssh-config bob --host 127.0.0.1 --known-hosts >>"$WORK/known"
is "jump = any: anybody's workspace, with that user's key" theirs \
	"$(timeout 60 "$BED/run" ssh -F "$WORK/bob.conf" -o HostKeyAlias=theirs.127.0.0.1 -o ProxyCommand="ssh -F $WORK/alice.conf -W %h:%p alice@127.0.0.1" bob@172.31.199.9 hostname)"
sed -i 's/^jump = any/jump = no/' "$BED/sshbay.ini"
bay reload >/dev/null
alias=
jump alice alice@127.0.0.1 alice@172.31.199.1 true 2>"$WORK/err"
like "jump = no: not even one's own" "administratively prohibited" "$(cat "$WORK/err")"
FACT=jump
like "explain: jumps are off" "^no: .*\[gate\] jump" "$(why alice+server)"
like "ssh-config without jumps uses the gate's login" "User alice\+client" "$(bay ssh-config alice)"
finish
