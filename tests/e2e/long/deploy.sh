#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Programs that manage or mount a machine over ssh, where they are installed: ansible, mosh, sshfs, lftp.
# shellcheck disable=SC2016 # what stands in quotes is for the other side
. "$(dirname "$0")/../clients/lib.sh"
INNER=172.31.199.1
bed_up - <<INI
[workspace alice]
users = alice
control_ip = $INNER
INI
CONF=$BED/ssh_config TMP=$WORK/tmp
mkdir "$TMP"
same() { [ "$1" = "$2" ] || { echo "want '$1', got '$2'"; return 1; }; }
s() { inbed timeout 100 ssh -F "$CONF" -o BatchMode=yes "$@"; }
have() { command -v "$1" >/dev/null || { skip "$1" "$1 is not installed"; return 1; }; }
# Debian's packages of this machine, with what their programs link, into a workspace that has no network.
bring() { # LOGIN PACKAGE...
	local login=$1
	shift
	dpkg -L "$@" 2>/dev/null | while IFS= read -r f; do [ -d "$f" ] || echo "$f"; done | tar -C / -T - -c 2>/dev/null | s "$login@gate" 'sudo tar -C / -x --skip-old-files'
}

# --- ansible: two workspaces, two forks, each way of moving files ---
play() { # WORDS...
	inbed env HOME="$TMP" ANSIBLE_SSH_CONTROL_PATH_DIR="$TMP/cp" ANSIBLE_HOST_KEY_CHECKING=False ANSIBLE_NOCOLOR=1 ANSIBLE_PYTHON_INTERPRETER=/usr/bin/python3 LC_ALL=C.UTF-8 \
		timeout 200 ansible all -i "$TMP/hosts" -f 2 --ssh-common-args "-F $CONF -o ControlMaster=auto -o ControlPersist=60s" "$@"
}
both() { # TEXT COMMAND...: both workspaces say it
	local out
	if out=$("${@:2}" 2>&1) && same 2 "$(grep -c "$1" <<<"$out")"; then return 0; fi
	tail -20 <<<"$out"
	return 1
}
moved() { # METHOD: of transfer
	both 'CHANGED' env ANSIBLE_SSH_TRANSFER_METHOD="$1" "$BASH" -c "$(declare -f inbed play); play -m copy -a 'src=$TMP/data dest=/home/{{ ansible_user }}/$1 mode=0640'" &&
		same "$(sha256sum <"$TMP/data")" "$(s alice@gate "sha256sum <$1")"
}
if have ansible; then
	export BED TMP CONF
	PYTHON="python3-minimal python3.11-minimal libpython3.11-minimal libpython3.11-stdlib libexpat1 libffi8 libbz2-1.0 liblzma5 libssl3"
	for u in alice bob; do
		# shellcheck disable=SC2086 # words
		bring $u $PYTHON
	done
	printf '%s\n' "a ansible_host=gate ansible_user=alice" "b ansible_host=gate ansible_user=bob" >"$TMP/hosts"
	head -c 2M /dev/urandom >"$TMP/data"
	t "ansible: ping" both '"ping": "pong"' play -m ping
	t "ansible: ping, pipelined" both '"ping": "pong"' env ANSIBLE_PIPELINING=True "$BASH" -c "$(declare -f inbed play); play -m ping"
	t "ansible: become root by sudo" both '^0$' play -b -a 'id -u'
	t "ansible: become root, pipelined" both '^0$' env ANSIBLE_PIPELINING=True "$BASH" -c "$(declare -f inbed play); play -b -a 'id -u'"
	for m in sftp scp piped; do t "ansible: copy by $m" moved $m; done
	t "ansible: what fails is told" both 'non-zero return code' sh -c "! $BASH -c '$(declare -f inbed play); play -a false'"
	for f in "$TMP"/cp/*; do [ ! -S "$f" ] || inbed ssh -F "$CONF" -o ControlPath="$f" -O exit gate 2>/dev/null; done
fi

# --- mosh: its server is started over ssh, which ends; then UDP to the workspace's address ---
roam() {
	local port key
	bring alice mosh libprotobuf32 libutempter0 libstdc++6
	# -s: on the address that was dialled, which has to be the workspace's own.
	s "alice@$INNER" 'LC_ALL=C.UTF-8 mosh-server new -s -c 8 -l LANG=C.UTF-8 -- bash -c "echo >here; read x; echo got-\$x >got"' >"$TMP/mosh" 2>&1
	read -r _ _ port key < <(grep '^MOSH CONNECT' "$TMP/mosh" | tr -d '\r')
	[ -n "$key" ] || { cat "$TMP/mosh"; return 1; }
	{ await 50 s alice@gate 'test -e here'; printf 'typed\r'; await 50 s alice@gate 'test -s got'; } |
		inbed env TERM=xterm LC_ALL=C.UTF-8 MOSH_KEY="$key" timeout 150 script -qfec "stty rows 24 cols 80; mosh-client $INNER $port" /dev/null >"$TMP/screen" 2>&1
	same got-typed "$(s alice@gate 'cat got')" || { tail -c 300 "$TMP/screen" | cat -v; return 1; }
}
! have mosh-client || t "mosh: a session over UDP goes on after ssh has ended" roam

# --- sshfs ---
mounted() {
	local m=$TMP/mnt status
	mkdir "$m"
	inbed sshfs -F "$CONF" -o reconnect,ServerAliveInterval=5 alice@gate: "$m" || return
	inbed sh -ec "cd $m; mkdir fs; head -c 3000000 /dev/zero >fs/zero; echo text >fs/a; mv fs/a fs/b; ln -s b fs/l; chmod 600 fs/b; cat fs/l; rm fs/zero; ls fs" >"$TMP/fs"
	status=$?
	inbed fusermount3 -u "$m"
	[ $status = 0 ] && same "text b l" "$(xargs <"$TMP/fs")" && same "600 b" "$(s alice@gate 'cd fs; stat -c "%a %n" b')"
}
if ! have sshfs; then :; elif [ ! -w /dev/fuse ]; then skip "sshfs" "there is no /dev/fuse"; else t "sshfs: a mounted home" mounted; fi

# --- lftp mirror ---
mirrored() {
	mkdir -p "$TMP/m/d" && for i in $(seq 50); do echo "$i" >"$TMP/m/d/$i"; done
	inbed timeout 100 lftp -c "set sftp:connect-program 'ssh -a -x -F $CONF'; open -u alice, sftp://gate; mirror -R -P 4 $TMP/m m; rm m/d/7; mirror -P 4 m $TMP/back" &&
		same "49 50" "$(find "$TMP/back" -type f | wc -l) $(cat "$TMP/back/d/50")"
}
! have lftp || t "lftp: mirror both ways in parallel" mirrored
finish
