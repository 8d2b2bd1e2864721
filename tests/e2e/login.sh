#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Logins: the first one creates the workspace; selection by user name, user+workspace and dialled address; from the host,
# from a LAN host, from another workspace; running, stopped and not yet created; refusals.
. "$(dirname "$0")/../lib.sh"
bed_up - <<'E2'
[network]
control_cidr6 = fd00:199::/64
[workspace client]
users = user, alice
control_ip = 172.31.199.1
[workspace server]
users = user
control_ip = 172.31.199.2
[testbed]
lan = yes
cable = client:server
E2

# --- the first login ---
is "the first login creates the workspace" "alice alice" "$(on alice@gate 'echo $(id -un) $(hostname)')"
is "exec prints nothing of ours" "" "$(on alice@gate true 2>&1)"
is "the second login finds it" running "$(bay show alice --json | python3 -c 'import json,sys; print(json.load(sys.stdin)["state"])')"
like "the login user has sudo" '^0$' "$(on alice@gate sudo id -u)"
is "home, shell and environment" "/home/alice /bin/bash alice" "$(on alice@gate 'echo $HOME $SHELL $LOGNAME')"
like "a terminal login reports the creation" 'creating workspace .bob' "$(on -tt bob@gate true </dev/null)"
like "it says how to come back" 'ssh bob@172\.31\.199\.' "$(bay destroy --purge bob >/dev/null; on -tt bob@gate true </dev/null)"

# --- selection ---
is "user+workspace selects" "alice client" "$(on alice+client@gate 'echo $(id -un) $(hostname)')"
is "the dialled address selects, from the host" "user client" "$(on user@172.31.199.1 'echo $(id -un) $(hostname)')"
is "an address of a workspace not yet created" "user server" "$(on user@172.31.199.2 'echo $(id -un) $(hostname)')"
bay stop server >/dev/null
is "an address of a stopped workspace" "user server" "$(on user@172.31.199.2 'echo $(id -un) $(hostname)')"
is "ssh_config has the workspaces by name" "user client" "$(on client 'echo $(id -un) $(hostname)')"
lan() { timeout 30 "$BED/lan" ssh -F "$BED/ssh_config" -o BatchMode=yes "$@"; }
is "from a host of the LAN, running" client "$(lan user@172.31.199.1 hostname)"
is "the peer's address is kept" 198.18.0.2 "$(lan user@172.31.199.1 'echo ${SSH_CONNECTION%% *}')"
bay stop client >/dev/null
is "from a host of the LAN, stopped" client "$(lan user@172.31.199.1 hostname)"
bay destroy --purge client >/dev/null
is "from a host of the LAN, not yet created" client "$(lan user@172.31.199.1 hostname)"
# From another workspace: alice's key goes into her workspace.
on alice@gate 'umask 077; mkdir -p .ssh; cat >.ssh/k' <"$BED/keys/alice"
inside() { on alice@gate "ssh -i .ssh/k -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null $* 2>/dev/null"; }
if on alice@gate 'command -v ssh >/dev/null'; then
	is "from another workspace" client "$(inside alice@172.31.199.1 hostname)"
else
	# The default image has no ssh client: carry the connection with bash's /dev/tcp and look at the banner.
	like "from another workspace: the gate answers on its port 22" '^SSH-2.0-' \
		"$(on alice@gate 'exec 3<>/dev/tcp/172.31.199.1/22; head -n1 <&3')"
	bay stop client >/dev/null
	like "from another workspace to a stopped one" '^SSH-2.0-' \
		"$(on alice@gate 'exec 3<>/dev/tcp/172.31.199.1/22; head -n1 <&3')"
fi
is "names of workspaces resolve inside" "172.31.199.2" "$(on alice@gate 'getent ahostsv4 server' | awk '{print $1; exit}')"

# --- refusals ---
denied() { on -o NumberOfPasswordPrompts=0 "$@" 2>&1; }
like "an unknown user is refused" 'Permission denied' "$(denied -i "$BED/keys/alice" nobody_here@gate true)"
like "a wrong key is refused" 'Permission denied' "$(timeout 20 "$BED/run" ssh -F none -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null \
	-o IdentitiesOnly=yes -i "$BED/keys/bob" -p 2222 alice@127.0.0.1 true 2>&1)"
is "a refused login creates nothing" "" "$(bay list | grep nobody_here)"
refused=$(on bob+client@gate true 2>&1; echo "status $?")
like "a workspace one may not enter is refused" 'sshbay: .*client' "$refused"
like "with our exit status" 'status 254' "$refused"
like "an address nobody has is explained" "172.31.199.77.*no workspace" "$(on alice@172.31.199.77 true 2>&1)"
for name in ALICE ' alice' 'alice ' '..' 'alice/../bob' '-oX' '0' '4294967295' 'alicе' "$(printf 'a%.0s' {1..33})" \
	"$(printf 'a%.0s' {1..3000})" $'alice\nbob' $'alice\e[31m'; do
	out=$(denied -i "$BED/keys/alice" -l "$name" gate true)
	like "user name $(printf '%q' "${name:0:20}") is refused" 'denied|Received disconnect|remote username contains|invalid' "$out"
done
is "the bad names made nothing" "alice bob client server" "$(bay list | awk 'NR > 1 {print $1}' | sort | tr '\n' ' ' | sed 's/ $//')"
like "the audit log escapes names" '\\\\x1b|auth.fail' "$(cat "$BED/log/audit.log")"
t "the audit log is JSON line by line" python3 -c 'import json,sys
for l in open(sys.argv[1]): json.loads(l)' "$BED/log/audit.log"
printf 'alice' >"$WORK/k"
is "10 wrong keys end the connection" 1 "$(for i in 1 2 3 4 5 6 7 8 9 10; do ssh-keygen -q -t ed25519 -N '' -f "$WORK/k$i"; done
	args=(); for i in 1 2 3 4 5 6 7 8 9 10; do args+=(-i "$WORK/k$i"); done
	denied -o IdentityFile=none "${args[@]}" -l alice gate true | grep -cE 'Too many authentication failures|disconnect|Permission denied')"
for kind in 'ecdsa -b 256' 'ecdsa -b 384' 'ecdsa -b 521' 'rsa -b 2048'; do
	rm -f "$WORK/kk"*
	# shellcheck disable=SC2086 # words
	ssh-keygen -q -t $kind -N '' -f "$WORK/kk"
	cat "$WORK/kk.pub" >>"$BED/etc/keys/carol"
	is "a key of type $kind logs in" carol "$(on -o IdentityFile="$WORK/kk" -l carol gate 'id -un' 2>&1)"
done
finish
