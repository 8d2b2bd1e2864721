#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The limit `disk` by an image on a loop device: bytes, inodes, growth, refusals, and a worker that dies at each step of it.
# (Project quotas: lab/disk.sh; this kernel need not have them.) Needs the build with failure injection (build/faults).
# shellcheck disable=SC2016 # expanded inside
SSHBAY_BIN=${SSHBAY_BIN:-$(cd "$(dirname "$0")/../.." && pwd)/build/faults/bin}
export SSHBAY_BIN
. "$(dirname "$0")/../lib.sh"
if [ ! -e /dev/loop-control ] || ! command -v mkfs.ext4 >/dev/null; then
	skip "disk by images" "no loop devices or no mkfs.ext4 on this machine"
	finish
fi
bed_up - <<'E2'
[workspace alice]
users = alice
disk = 128M
[workspace bob]
users = bob
disk = 64M
E2
bed() { "$ROOT/scripts/testbed" "$1" "$BED" "$2"; }
restart_with() { bed kill provisiond; SSHBAY_FAULT=${1:-} bed start provisiond; }
field() { bay show "$1" --json | python3 -c 'import json,sys; print(json.load(sys.stdin)[sys.argv[1]])' "$2"; }
between() { [ "$2" -ge "$1" ] && [ "$2" -le "$3" ] || { echo "$2 is not in $1..$3"; return 1; }; }
loops() { losetup -a | grep -c "$BED/"; }
file() { echo "$BED/state/workspaces/$1/disk"; }
set_disk() { # NAME SIZE: as configured now
	printf '[workspace]\nusers = %s\n%s\n' "$1" "${2:+disk = $2}" >"$BED/workspaces.d/$1.ini"
	bay reload >/dev/null
}
refusal() { out=$(on "$1@gate" true 2>&1); echo "$? $out"; }

# --- what is there ---
is "no device is taken before" 0 "$(loops)"
like "doctor says which way is taken" 'disk: limited by (an image|project quotas)' "$(bay doctor 2>&1)"
like "the first login tells the limit" 'rootfs +bookworm[^ ]*, 128M' "$(on -tt alice@gate true </dev/null 2>&1)"
t "df inside shows about that size" between 100000 "$(on alice@gate 'df --output=size / | tail -1')" 131072
is "and its inodes" 16384 "$(on alice@gate 'df --output=itotal / | tail -1 | tr -d " "')"
is "one device is taken" 1 "$(loops)"
is "the way, the size, the inodes are shown" "image 134217728 16384" "$(field alice disk_way) $(field alice disk_size) $(field alice inodes)"
is "the space is taken at once" 1 $(($(stat -c '%b * %B' "$(file alice)") >= 134217728))
unlike "no mount of it is seen on the host" "$BED/state|/files|/dev/loop[0-9]+ .*$BED" "$(inbed cat /proc/self/mountinfo)"
used=$(field alice disk_used); inodes=$(field alice inodes_used)
on alice@gate 'head -c 20M /dev/zero >a; mkdir d; seq 100 | (cd d && xargs touch); sync'
t "what is used is shown" between $((used + 20 * 1048576)) "$(field alice disk_used)" $((used + 25 * 1048576))
t "and the inodes" between $((inodes + 102)) "$(field alice inodes_used)" $((inodes + 110))

# --- D26: bytes and inodes, and nobody else is disturbed ---
blocks=$(on bob@gate true && stat -c %b "$(file bob)")
like "bytes end with 'no space'" 'No space left on device' "$(on bob@gate 'head -c 80M /dev/zero >big; sync' 2>&1)"
is "on the host it is as large as before" "$blocks" "$(stat -c %b "$(file bob)")"
t "a login works on a full disk" on bob@gate 'test "$(df --output=avail / | tail -1)" -lt 64'
t "and others write on" on alice@gate 'head -c 10M /dev/zero >b && sync'
on bob@gate 'rm big'
like "inodes end with 'no space'" 'No space left on device' "$(on bob@gate 'mkdir f; cd f; seq 20000 | xargs touch' 2>&1)"
t "there were as many as promised" between 16000 "$(field bob inodes_used)" 16384
t "a login works without inodes" on bob@gate true
t "and others make files" on alice@gate 'seq 200 | xargs touch'
for dir in /dev /run /dev/shm; do
	t "$dir has an end of its own" on carol@gate "test \$(df --output=itotal $dir | tail -1) -gt 0 -a \$(df --output=itotal $dir | tail -1) -le 65536"
done
like "the inodes of /dev/shm end" 'No space left' "$(on carol@gate 'mkdir /dev/shm/x && cd /dev/shm/x && seq 70000 | xargs touch' 2>&1)"
on carol@gate 'rm -rf /dev/shm/x; echo hers >hers'

# --- stop, start, die, change ---
t "a stop" bay stop alice bob
is "gives the devices back" 0 "$(loops)"
t "the files are there again" on alice@gate 'test "$(stat -c %s a)" = 20971520 && test -e d/100'
restart_with
t "a running one is adopted" on alice@gate 'test -e d/100'
t "and still tells its use" between $((used + 20 * 1048576)) "$(field alice disk_used)" 134217728
on alice@gate 'head -c 1000000 /dev/urandom >r; sync; sha256sum r >r.sum'
for _ in 1 2 3; do
	kill -KILL "$(field alice init_pid)"
	await 60 sh -c "$BED/sshbay list | grep -q 'alice.*stopped'"
	on alice@gate 'sha256sum -c r.sum' >"$WORK/sum" 2>&1 || break
done
like "whole after its ws-init was killed, three times" 'r: OK' "$(cat "$WORK/sum")"
# Somebody on the host holds the old root: the start that follows must not put the file on a second device.
exec 9<"/proc/$(field alice init_pid)/root"
bay stop alice >/dev/null
is "a root that is held keeps its device" 1 "$(loops)"
like "a start goes on with that one" 'r: OK' "$(on alice@gate 'sha256sum -c r.sum; echo more >more; sync')"
is "and takes no second" 1 "$(loops)"
exec 9<&-
set_disk alice 256M; bay stop alice >/dev/null
if [ $((0x$(awk '/^CapEff/ { print $2 }' /proc/self/status) >> 24 & 1)) = 1 ]; then
	size=256 grows=1
	t "grown at the next start" between 210000 "$(on alice@gate 'df --output=size / | tail -1')" 262144
else
	size=128 grows=
	skip "grown at the next start" "no CAP_SYS_RESOURCE on this machine (lab/disk.sh does it)"
	like "growth that is not allowed is told" "^254 .*grow the disk of 'alice'.*CAP_SYS_RESOURCE" "$(refusal alice)"
	set_disk alice 128M
fi
t "with what it had" on alice@gate 'sha256sum -c r.sum && test -e d/100'
bay stop alice >/dev/null; set_disk alice 80M
like "it does not shrink, and says so" "^254 .*'alice'.*disk = 80M.*has ${size}M.*cannot become smaller" "$(refusal alice)"
is "a refusal leaves no device" 0 "$(loops)"
is "nor does it change the file" $((size << 20)) "$(stat -c %s "$(file alice)")"
set_disk alice ''
t "without disk it keeps its size" between $((size * 800)) "$(on alice@gate 'df --output=size / | tail -1')" $((size * 1024))
bay stop carol >/dev/null; set_disk carol 64M
like "files made without a limit cannot get one so" "^254 .*'carol'.*project quotas.*disk = unlimited" "$(refusal carol)"
set_disk carol ''
is "nothing happened to them" hers "$(on carol@gate 'cat hers')"
is "a size that is none is refused" 78 "$(printf '[workspace]\ndisk = 1M\n' >"$BED/workspaces.d/x1.ini"; bay check >/dev/null 2>&1; echo $?; rm "$BED/workspaces.d/x1.ini")"

# --- a full store (R10), an image that grows ---
set_disk user 900T
like "too much for the store: need and have" "^254 .*no space on $BED/state.*need 900T, have [0-9]+" "$(refusal user)"
is "nothing is left of it" "" "$(find "$BED/state/workspaces" -maxdepth 1 -name "*user*")"
set_disk user 64M
t "with less it works" on user@gate true
t "purged" bay destroy --purge user
sed -i 's/^\[storage\]$/&\nreserve_disk = no/' "$BED/sshbay.ini"; set_disk user 512M
t "reserve_disk = no" on user@gate 'head -c 30M /dev/urandom >a; sync'
grown=$(stat -c %b "$(file user)")
t "takes what is used" between 60000 "$grown" 300000
on user@gate 'rm a; sync'
less() { on user@gate sync; [ "$(stat -c %b "$(file user)")" -lt $((grown - 50000)) ]; }
t "and gives back what is freed" await 60 less
t "destroying the workspaces frees the devices" sh -c "$BED/sshbay destroy --purge alice bob carol user && ! losetup -a | grep '$BED/'"

# --- a worker that fails or dies at each point ---
set_disk alice 64M
[ $FAILED = 0 ] || finish
for point in disk.space disk.mkfs disk.rename disk.loop disk.mount rootfs.overlay step.rootfs.up.done step.init.up; do
	for how in ENOSPC kill; do
		case $how$point in ENOSPC*rename | ENOSPC*overlay | ENOSPCstep*) continue ;; esac
		restart_with "$point=$how"
		like "$point: $how is reported" '^254 .*sshbay: ' "$(refusal alice)"
		restart_with
		t "$point: $how leaves nothing" residue
		is "$point: $how leaves no device" 0 "$(loops)"
	done
done
# One that has files keeps them; what dies while it grows is grown by the next start.
on alice@gate 'echo kept >kept'; bay stop alice >/dev/null; [ -z "$grows" ] || set_disk alice 96M
for point in ${grows:+disk.grow} disk.loop rootfs.overlay; do
	restart_with "$point=kill"
	like "with files, $point: kill is reported" '^254 ' "$(refusal alice)"
done
restart_with "disk.mount=hang"
"$BED/run" ssh -F "$BED/ssh_config" -o BatchMode=yes alice@gate true >/dev/null 2>&1 & p=$!
await 60 sh -c "losetup -a | grep '$BED/'"; restart_with; wait $p
is "the files are there after all that" kept "$(on alice@gate 'cat kept')"
[ -z "$grows" ] || t "and the disk has grown" between 80000 "$(on alice@gate 'df --output=size / | tail -1')" 98304
is "on one device" 1 "$(loops)"
# A lost record: whose files these are is told by the image.
ids=$(field alice id_base)
bed kill provisiond; rm "$BED"/state/records/alice.ini*; bed start provisiond
await 60 sh -c "'$BED/sshbay' list | grep -q 'alice *stopped'"
is "without its record it keeps its ids" "$ids" "$(field alice id_base)"
is "and its files" kept "$(on alice@gate 'cat kept')"
bay destroy --purge alice >/dev/null
is "no device is left" 0 "$(loops)"
finish
