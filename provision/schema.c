/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The table of configuration keys, and the look-ups in it.  A new key is one row here and one field in settings.h; the
 * sample file and the manual are generated from the rows (`sshbay dump --sample`, `--man`).
 */
#include "schema.h"

#include <string.h>

#include "base/str.h"
#include "schema_type.h"

#define IN(field)                                                                                  \
	.offset = offsetof(struct settings, field), .size = sizeof(((struct settings *)0)->field)
#define OF(field) .offset = offsetof(struct spec, field), .size = sizeof(((struct spec *)0)->field)
#define U32MAX    UINT32_MAX
#define U64MAX    (UINT64_MAX - 1)

/* What three-number and two-number kinds write behind the field of their row. */
_Static_assert(offsetof(struct settings, gate.startups_full) ==
		       offsetof(struct settings, gate.startups_begin) + 8,
	       "");
_Static_assert(offsetof(struct settings, gate.source_v6_len) ==
		       offsetof(struct settings, gate.source_v4_len) + 4,
	       "");

static const char *const kex_words[] = { "curve25519-sha256",
					 "curve25519-sha256@libssh.org",
					 "ecdh-sha2-nistp256",
					 "ecdh-sha2-nistp384",
					 "ecdh-sha2-nistp521",
					 "diffie-hellman-group14-sha256",
					 "diffie-hellman-group16-sha512",
					 "diffie-hellman-group18-sha512",
					 "sntrup761x25519-sha512",
					 "sntrup761x25519-sha512@openssh.com",
					 "mlkem768x25519-sha256",
					 NULL };
static const char *const cipher_words[] = { "aes128-gcm@openssh.com",
					    "aes256-gcm@openssh.com",
					    "chacha20-poly1305@openssh.com",
					    "aes256-ctr",
					    "aes192-ctr",
					    "aes128-ctr",
					    NULL };
static const char *const mac_words[] = { "hmac-sha2-256-etm@openssh.com",
					 "hmac-sha2-512-etm@openssh.com", "hmac-sha2-256",
					 "hmac-sha2-512", NULL };

static const char *const jump_words[] = { "own", "any", "no", NULL };
/* As enum settings_rdma. */
static const char *const rdma_netns_words[] = { "exclusive", "set", "shared", NULL };
static const char *const auth_words[] = { "publickey", "password", "keyboard-interactive", NULL };

/* clang-format off */
const struct schema_row schema_rows[] = {
	/* --- gate --- */
	{ "gate", "listen", &schema_type_listen, 1, SETTINGS_LISTEN_MAX, "0.0.0.0:22, [::]:22",
	  "Addresses of the host on which the gate listens. Port 22 of the workspaces' own addresses is served besides.",
	  IN(gate.listen), .count = offsetof(struct settings, gate.nlisten) },
	{ "gate", "user", &schema_type_user, 0, 0, "sshd-gate",
	  "The unprivileged user that the listener and the sessions run as. A number is taken as uid and gid.",
	  IN(gate.user) },
	{ "gate", "host_key", &schema_type_path, 0, 0, "/etc/sshbay/ssh_host_ed25519_key",
	  "The ed25519 host key in OpenSSH's format. It is made at the first start, and its public half beside it.",
	  IN(gate.host_key) },
	{ "gate", "authorized_keys", &schema_type_path, 0, 0, "/etc/sshbay/keys/%u",
	  "The file with a user's public keys; %u is the user name. The file and the directories above it must belong "
	  "to root and be writable by root alone.", IN(gate.authorized_keys) },
	{ "gate", "create", &schema_type_create, 0, 0, "first-login",
	  "Which workspaces a login may create: any user's own one, or only those that have a configuration of their own.",
	  IN(gate.create_on_login) },
	{ "gate", "login_grace", &schema_type_seconds, 1, 3600, "30s",
	  "A connection that has not logged in by then is closed.", IN(gate.login_grace) },
	{ "gate", "max_startups", &schema_type_startups, 0, 100000, "10:30:100",
	  "Connections that have not logged in yet: from begin on, rate percent of new ones are refused, rising to all "
	  "of them at full.", IN(gate.startups_begin) },
	{ "gate", "max_startups_per_source", &schema_type_number, 0, 100000, "8",
	  "The same as a plain limit per source address. 0: no limit.", IN(gate.per_source) },
	{ "gate", "source_prefix", &schema_type_prefixes, 0, 0, "32:64",
	  "How many leading bits of an IPv4 and of an IPv6 address make up one source.", IN(gate.source_v4_len) },
	{ "gate", "max_sessions", &schema_type_number, 1, 1000, "10",
	  "Shells, commands and subsystems that one connection may have open at once.", IN(gate.max_sessions) },
	{ "gate", "max_auth_tries", &schema_type_number, 1, 100, "6",
	  "Failed attempts to log in after which a connection is closed.", IN(gate.max_auth_tries) },
	{ "gate", "alive_interval", &schema_type_seconds, 1, 86400, "15s",
	  "A connection that is silent for so long is asked for a sign of life. 0: never.",
	  IN(gate.alive_interval), .flags = SCHEMA_ZERO },
	{ "gate", "alive_count", &schema_type_number, 1, 1000, "4",
	  "After so many unanswered questions the connection is closed.", IN(gate.alive_count) },
	{ "gate", "rekey", &schema_type_megabytes, 16 << 20, UINT64_C(4095) << 30, "0",
	  "New session keys after so much data. 0: what the cipher calls for.", IN(gate.rekey_mb),
	  .flags = SCHEMA_ZERO },
	{ "gate", "kex", &schema_type_words, 0, 0,
	  "curve25519-sha256,curve25519-sha256@libssh.org,diffie-hellman-group16-sha512,diffie-hellman-group14-sha256",
	  "Key exchange methods, best first.", IN(gate.kex), .words = kex_words },
	{ "gate", "ciphers", &schema_type_words, 0, 0,
	  "aes128-gcm@openssh.com,aes256-gcm@openssh.com,chacha20-poly1305@openssh.com,aes256-ctr,aes192-ctr,aes128-ctr",
	  "Ciphers, best first. The client's order decides.", IN(gate.ciphers), .words = cipher_words },
	{ "gate", "macs", &schema_type_words, 0, 0,
	  "hmac-sha2-256-etm@openssh.com,hmac-sha2-512-etm@openssh.com,hmac-sha2-256,hmac-sha2-512",
	  "Message authentication codes, best first.", IN(gate.macs), .words = mac_words },
	{ "gate", "accept_env", &schema_type_patterns, 0, 0, "LANG LC_* COLORTERM TERM_PROGRAM TERM_PROGRAM_VERSION GIT_*",
	  "Names of environment variables that a client may set; * and ? are wildcards.",
	  IN(gate.accept_env), .flags = SCHEMA_EMPTY },
	{ "gate", "banner", &schema_type_path, 0, 0, "",
	  "A text file of at most 1023 bytes that is shown before the login. Empty: none.",
	  IN(gate.banner), .flags = SCHEMA_EMPTY },
	{ "gate", "transparent_port", &schema_type_port, 1, 65535, "61022",
	  "Local port of the socket that takes connections to port 22 of the workspaces' addresses. Two instances on one "
	  "host need different ones.", IN(gate.transparent_port) },

	{ "gate", "rekey_time", &schema_type_seconds, 60, 86400, "0",
	  "New session keys after so much time. 0: by volume alone.", IN(gate.rekey_time), .flags = SCHEMA_ZERO },
	{ "gate", "idle_timeout", &schema_type_seconds, 1, 31536000, "0",
	  "A shell, command or forwarded connection without traffic for so long is closed. 0: never.",
	  IN(gate.idle_timeout), .flags = SCHEMA_ZERO },
	{ "gate", "unused_timeout", &schema_type_seconds, 1, 31536000, "10m",
	  "A connection without any channel or port forwarded from the workspace for so long is closed; that ends tunnels "
	  "(ssh -N -L) which nobody uses as well. 0: never, as with OpenSSH.", IN(gate.unused_timeout), .flags = SCHEMA_ZERO },
	{ "gate", "max_forwards", &schema_type_number, 1, 64, "64",
	  "Forwarded connections that one connection may have open at once.", IN(gate.max_forwards) },
	{ "gate", "forwarding", &schema_type_bool, 0, 0, "yes",
	  "Forwarding of ports and unix sockets, to and from inside the workspace alone.", IN(gate.forwarding) },
	{ "gate", "agent_forwarding", &schema_type_bool, 0, 0, "no",
	  "Forwarding of the client's agent, when the client asks for it (ssh -A). Everybody who is root inside the workspace "
	  "can use the agent while it lasts; ssh -J needs none.", IN(gate.agent_forwarding) },
	{ "gate", "x11_forwarding", &schema_type_bool, 0, 0, "no",
	  "Forwarding of X11, when the client asks for it (ssh -X). Everybody who is root inside the workspace can watch "
	  "and control the display while it lasts.",
	  IN(gate.x11_forwarding) },
	{ "gate", "jump", &schema_type_choice, 0, 0, "own",
	  "Which workspaces' addresses a login may jump to (ssh -J): those it may enter, any, or none.",
	  IN(gate.jump), .words = jump_words },
	{ "gate", "host_key_per_workspace", &schema_type_bool, 0, 0, "no",
	  "Give each workspace a host key of its own, shown to those who dial its address. It is kept outside its files.",
	  IN(gate.own_host_keys) },
	{ "gate", "revoke_sessions", &schema_type_bool, 0, 0, "no",
	  "After a reload, end the connections of which a key is not accepted any more, or whose user may not enter the "
	  "workspace any more. What has merely expired since the login ends nothing.", IN(gate.revoke_sessions) },
	{ "gate", "motd", &schema_type_path, 0, 0, "",
	  "A text file of at most 2 KiB that terminals are shown after the login. Empty: none.",
	  IN(gate.motd), .flags = SCHEMA_EMPTY },

	/* --- auth --- */
	{ "auth", "methods", &schema_type_methods, 0, 0, "publickey",
	  "What a login needs: lists of methods, separated by blanks, one of which must be completed; the methods of a "
	  "list, separated by commas, are all needed, in that order. publickey password: either will do. "
	  "publickey,keyboard-interactive: both.", IN(auth.methods), .words = auth_words },
	{ "auth", "keys_command", &schema_type_path, 0, 0, "",
	  "A program that prints further authorized keys. It is called with user name, key type and key (base64), must "
	  "belong to root and be writable by root alone. Empty: none.", IN(auth.keys_command), .flags = SCHEMA_EMPTY },
	{ "auth", "keys_command_user", &schema_type_user, 0, 0, "nobody",
	  "The user that keys_command runs as.", IN(auth.keys_user) },
	{ "auth", "trusted_user_ca_keys", &schema_type_path, 0, 0, "",
	  "A file with the public keys of authorities whose user certificates are accepted. Empty: none.",
	  IN(auth.ca_keys), .flags = SCHEMA_EMPTY },
	{ "auth", "authorized_principals", &schema_type_path, 0, 0, "",
	  "A file that lists the principals a certificate may name, one a line, options before it allowed; %u is the "
	  "user name. Empty: the user name itself is the principal.", IN(auth.principals), .flags = SCHEMA_EMPTY },
	{ "auth", "revoked_keys", &schema_type_path, 0, 0, "",
	  "A file with public keys, of users or authorities, that are refused: a text, or a list of ssh-keygen -k. Empty: none.",
	  IN(auth.revoked_keys), .flags = SCHEMA_EMPTY },
	{ "auth", "pam_service", &schema_type_user, 0, 0, "sshbay",
	  "The PAM service that keyboard-interactive asks, in /etc/pam.d.", IN(auth.pam_service) },
	{ "auth", "answer_time", &schema_type_seconds, 1, 300, "10s",
	  "How long keys_command, and PAM's modules between two answers of the user, may take.", IN(auth.answer_time) },

	/* --- penalties --- */
	{ "penalties", "enable", &schema_type_bool, 0, 0, "yes",
	  "Refuse connections from sources that misbehave, for a time that adds up.", IN(penalties.enable) },
	{ "penalties", "authfail", &schema_type_seconds, 1, 86400, "5s",
	  "For a connection that ended after failed attempts to log in.", IN(penalties.authfail), .flags = SCHEMA_ZERO },
	{ "penalties", "noauth", &schema_type_seconds, 1, 86400, "1s",
	  "For one that ended without an attempt.", IN(penalties.noauth), .flags = SCHEMA_ZERO },
	{ "penalties", "grace_exceeded", &schema_type_seconds, 1, 86400, "10s",
	  "For one that used up login_grace.", IN(penalties.grace), .flags = SCHEMA_ZERO },
	{ "penalties", "crash", &schema_type_seconds, 1, 86400, "90s",
	  "For one whose session process died by a signal, or broke the protocol.", IN(penalties.crash), .flags = SCHEMA_ZERO },
	{ "penalties", "refused", &schema_type_seconds, 1, 86400, "10s",
	  "For one that was turned away by max_startups_per_source.", IN(penalties.refused), .flags = SCHEMA_ZERO },
	{ "penalties", "min", &schema_type_seconds, 1, 86400, "15s",
	  "A source is refused once its penalties add up to this.", IN(penalties.min) },
	{ "penalties", "max", &schema_type_seconds, 1, 86400, "10m",
	  "They add up to no more than this.", IN(penalties.max) },
	{ "penalties", "sources", &schema_type_number, 16, 65536, "4096",
	  "Sources that are remembered; then the mildest is forgotten first.", IN(penalties.sources) },
	{ "penalties", "exempt", &schema_type_nets, 0, SETTINGS_EXEMPT_MAX, "",
	  "Networks whose connections get no penalty.", IN(penalties.exempt),
	  .count = offsetof(struct settings, penalties.nexempt), .flags = SCHEMA_EMPTY },

	/* --- network --- */
	{ "network", "control_cidr", &schema_type_pool4, 8, 30, "172.31.199.0/24",
	  "The network from which workspaces get their private address.", IN(network.control_cidr) },
	{ "network", "control_cidr6", &schema_type_pool6, 32, 124, "",
	  "The same for IPv6. Empty: no IPv6.", IN(network.control_cidr6), .flags = SCHEMA_EMPTY },
	{ "network", "nat", &schema_type_bool, 0, 0, "yes",
	  "Workspaces reach the outside under the host's address, and from outside only their port 22 is reached, unless announced.", IN(network.nat) },
	{ "network", "isolate", &schema_type_bool, 0, 0, "no",
	  "Block traffic from one workspace to another.", IN(network.isolate) },
	{ "network", "announce", &schema_type_ifname, 0, 0, "",
	  "A LAN interface on which the host answers ARP and neighbour discovery for the workspaces' addresses; "
	  "from it every port of a workspace can be reached. Empty: none.", IN(network.announce), .flags = SCHEMA_EMPTY },
	{ "network", "data_cidr", &schema_type_pool4, 8, 30, "192.168.199.0/24",
	  "The network from which data plane addresses are taken where none is configured. Empty: none are taken.",
	  IN(network.data_cidr), .flags = SCHEMA_EMPTY },
	{ "network", "dns", &schema_type_dns, 0, SETTINGS_DNS_MAX, "",
	  "Name servers for the workspaces. Empty: those of the host that are not on its loopback.",
	  IN(network.dns), .count = offsetof(struct settings, network.ndns), .flags = SCHEMA_EMPTY },
	{ "network", "mark", &schema_type_number, 1, U32MAX, "103",
	  "Firewall mark of connections that are on their way to the gate.", IN(network.mark) },
	{ "network", "table", &schema_type_number, 1, U32MAX, "101",
	  "Routing table for them.", IN(network.table) },

	/* --- storage --- */
	{ "storage", "state", &schema_type_path, 0, 0, "/var/lib/sshbay",
	  "Records and the workspaces' files. Only root may enter it.", IN(storage.state) },
	{ "storage", "run", &schema_type_path, 0, 0, "/run/sshbay",
	  "Sockets and pinned namespaces; empty after a boot.", IN(storage.run) },
	{ "storage", "images", &schema_type_path, 0, 0, "",
	  "The images that workspaces are made from. Empty: the directory images below state.",
	  IN(storage.images), .flags = SCHEMA_EMPTY },
	{ "storage", "id_base", &schema_type_number64, 100000, U32MAX - 1, "1000000",
	  "First host uid and gid that belongs to workspaces.", IN(storage.id_base) },
	{ "storage", "id_count", &schema_type_number64, 65536, 1 << 24, "262144",
	  "Ids of each workspace. 65536 are too few for rootless containers inside.", IN(storage.id_count) },
	{ "storage", "id_slots", &schema_type_number, 1, 65000, "4096",
	  "Most workspaces that can exist at once. id_base + id_slots * id_count is the end of the range.",
	  IN(storage.id_slots) },
	{ "storage", "reserve_disk", &schema_type_bool, 0, 0, "yes",
	  "Whether a workspace's disk, where it is an image file, takes its whole space when it is made, so that it can always "
	  "be written. no: it grows; on a full store what is written inside is then lost with input/output errors. Project quotas "
	  "reserve nothing.", IN(storage.reserve_disk) },

	/* --- limits --- */
	{ "limits", "cgroup", &schema_type_cgroup, 0, 0, "sshbay",
	  "Control group of this instance, below provisiond's own.", IN(limits.cgroup) },
	{ "limits", "workers", &schema_type_number, 1, 64, "4",
	  "Workspaces that are created, started or stopped at the same time; the others wait.", IN(limits.workers) },
	{ "limits", "start_timeout", &schema_type_seconds, 1, 3600, "60s",
	  "A start that takes longer is given up and undone.", IN(limits.start_timeout) },
	{ "limits", "stop_timeout", &schema_type_seconds, 1, 3600, "10s",
	  "How long the processes of a stopping workspace have before they are killed.", IN(limits.stop_timeout) },
	{ "limits", "connections_per_user", &schema_type_number, 1, 100000, "20",
	  "Connections that one user may have open at once.", IN(limits.connections_per_user) },

	/* --- log --- */
	{ "log", "audit", &schema_type_path, 0, 0, "/var/log/sshbay/audit.log",
	  "The audit log, one JSON object per line. Empty: none.", IN(log.audit), .flags = SCHEMA_EMPTY },

	/* --- hardware --- */
	{ "hardware", "sysfs", &schema_type_path, 0, 0, "/sys",
	  "Where the kernel describes devices. Another directory serves for tests.", IN(hardware.sysfs) },
	{ "hardware", "proc", &schema_type_path, 0, 0, "/proc",
	  "Where GPU drivers describe theirs (driver/nvidia below it).", IN(hardware.proc) },
	{ "hardware", "dev", &schema_type_path, 0, 0, "/dev", "Where device nodes are.", IN(hardware.dev) },
	{ "hardware", "cdi", &schema_type_paths, 0, 0, "/etc/cdi:/run/cdi",
	  "Directories with CDI specifications, later ones win.", IN(hardware.cdi) },
	{ "hardware", "rdma_netns", &schema_type_choice, 0, 0, "exclusive",
	  "When RDMA devices are given. exclusive: when the kernel has each in one network namespace (ib_core's netns_mode=0). "
	  "set: the same, and provisiond asks the kernel for it when it starts, which works until there is a network namespace "
	  "besides the host's. shared: also when they are in all of them; then only the device node and the device controller "
	  "keep a workspace from another's.", IN(hardware.rdma_netns), .words = rdma_netns_words },

	/* --- pool --- */
	{ "pool", "nics", &schema_type_nics, 0, 0, "",
	  "The NICs that nic = auto may take: PCI addresses, MAC addresses or interface names.",
	  IN(pool.nics), .flags = SCHEMA_EMPTY },
	{ "pool", "gpus", &schema_type_gpus, 0, 0, "all",
	  "The GPUs that gpu = auto may take.", IN(pool.gpus), .flags = SCHEMA_EMPTY },

	/* --- workspace, defaults --- */
	{ "workspace", "users", &schema_type_users, 0, SETTINGS_USERS_MAX, "",
	  "Who may log in to it. Without this key: the user of the workspace's name, and those that [defaults] lists.",
	  OF(users), .count = offsetof(struct spec, nusers), .flags = SCHEMA_EMPTY },
	{ "workspace", "image", &schema_type_image, 0, 0, "bookworm",
	  "The image it is created from. An existing workspace keeps its own.", OF(image) },
	{ "workspace", "control_ip", &schema_type_ip4, 0, 0, "auto",
	  "Its private address, out of control_cidr.", OF(control_ip), .flags = SCHEMA_EMPTY | SCHEMA_SINGLE },
	{ "workspace", "control_ip6", &schema_type_ip6, 0, 0, "auto",
	  "Its private IPv6 address, out of control_cidr6.", OF(control_ip6), .flags = SCHEMA_EMPTY | SCHEMA_SINGLE },
	{ "workspace", "attach", &schema_type_ifname, 0, 0, "",
	  "An existing bridge of the host that eth0 becomes a station on, instead of being routed; control_cidr is then a part of "
	  "the network of the bridge's own address. MAC, IP and ARP of what it sends are checked. Empty: routed.",
	  OF(attach), .flags = SCHEMA_EMPTY },
	{ "workspace", "control_gateway", &schema_type_ip4, 0, 0, "auto",
	  "With attach: the gateway of eth0, in the bridge's network. auto: the bridge's own address, so that the host routes "
	  "and nat counts.", OF(control_gateway), .flags = SCHEMA_EMPTY },
	{ "workspace", "control_gateway6", &schema_type_ip6, 0, 0, "auto",
	  "The same for IPv6.", OF(control_gateway6), .flags = SCHEMA_EMPTY },
	{ "workspace", "nic", &schema_type_nic, 0, 0, "none",
	  "The NIC that becomes data0 inside: by name or alternative name, PCI address or MAC address; auto takes one of [pool] "
	  "nics; with /vfN or :N behind it, virtual function N of it; macvlan:NAME, an interface of its own on a shared NIC.",
	  OF(nic) },
	{ "workspace", "data_ip", &schema_type_data4, 0, 0, "auto",
	  "Address and prefix length of data0. auto: one of [network] data_cidr, with the number that control_ip has in its "
	  "network where that is free; none where data_ip6 is set.", OF(data_ip), .flags = SCHEMA_EMPTY | SCHEMA_SINGLE },
	{ "workspace", "data_ip6", &schema_type_addr6, 0, 0, "",
	  "IPv6 address and prefix length of data0.", OF(data_ip6), .flags = SCHEMA_EMPTY | SCHEMA_SINGLE },
	{ "workspace", "data_mtu", &schema_type_number, 576, 65535, "0",
	  "MTU of data0. 0: what the NIC has.", OF(data_mtu), .flags = SCHEMA_ZERO },
	{ "workspace", "data_gateway", &schema_type_ip4, 0, 0, "",
	  "Gateway of data0. It becomes the default route only inside the data plane's own table; eth0 stays the way out.",
	  OF(data_gateway), .flags = SCHEMA_EMPTY | SCHEMA_SINGLE },
	{ "workspace", "data_gateway6", &schema_type_ip6, 0, 0, "",
	  "The same for IPv6.", OF(data_gateway6), .flags = SCHEMA_EMPTY | SCHEMA_SINGLE },
	{ "workspace", "data_routes", &schema_type_routes, 0, SETTINGS_ROUTES_MAX, "",
	  "Static routes through data0: NETWORK via ADDRESS, separated by commas.",
	  OF(routes), .count = offsetof(struct spec, nroutes), .flags = SCHEMA_EMPTY | SCHEMA_SINGLE },
	{ "workspace", "nic_features", &schema_type_features, 0, 0, "",
	  "Offloads of the NIC while it is leased: name on, name off, separated by commas (ethtool -K).",
	  OF(nic_features), .flags = SCHEMA_EMPTY },
	{ "workspace", "nic_policy", &schema_type_policy, 0, 0, "require",
	  "Whether it starts without its NIC: require it, or optional (the NIC is moved in when it appears).", OF(nic_optional) },
	{ "workspace", "nic_admin", &schema_type_admin, 0, 0, "standard",
	  "What root inside may do to the NIC: standard keeps it from EEPROM, flash, registers, self-tests and resets; full "
	  "does not.", OF(nic_full) },
	{ "workspace", "vf_mac", &schema_type_mac, 0, 0, "",
	  "MAC address of a virtual function. Empty: as it is. Like the other vf_ keys it is set at each start.", OF(vf_mac), .flags = SCHEMA_EMPTY | SCHEMA_SINGLE },
	{ "workspace", "vf_vlan", &schema_type_number, 1, 4094, "0",
	  "VLAN of a virtual function. 0: none.", OF(vf_vlan), .flags = SCHEMA_ZERO },
	{ "workspace", "vf_spoofcheck", &schema_type_bool, 0, 0, "yes",
	  "A virtual function may send under its own MAC address only.", OF(vf_spoofcheck) },
	{ "workspace", "vf_trust", &schema_type_bool, 0, 0, "no",
	  "A virtual function may become promiscuous and change its MAC address.", OF(vf_trust) },
	{ "workspace", "rdma", &schema_type_rdma, 0, 0, "none",
	  "The RDMA device it gets: auto, that of its NIC; a device's name; or none. Its node is given at a start: with a NIC that "
	  "comes late (nic_policy = optional) it waits for the next one, as show tells.", OF(rdma) },
	{ "workspace", "rdma_cm", &schema_type_bool, 0, 0, "no",
	  "Give it /dev/infiniband/rdma_cm, which all workspaces share.", OF(rdma_cm) },
	{ "workspace", "dpdk", &schema_type_bool, 0, 0, "no",
	  "Bind its NIC to vfio-pci and give it the node of its IOMMU group, instead of data0; $SSHBAY_DPDK inside is the PCI address. "
	  "Needs an IOMMU, a group without anything of the host's, and vfio-pci.", OF(dpdk) },
	{ "workspace", "hugepages_2m", &schema_type_number, 1, 1 << 20, "0",
	  "Huge pages of 2 MiB that it may use, mounted at /dev/hugepages, out of those that the host has in reserve "
	  "(vm.nr_hugepages).", OF(hugepages_2m), .flags = SCHEMA_ZERO },
	{ "workspace", "hugepages_1g", &schema_type_number, 1, 1 << 12, "0",
	  "Huge pages of 1 GiB that it may use, mounted at /dev/hugepages1G, out of those in reserve (hugepagesz=1G hugepages=N on the "
	  "kernel's command line).", OF(hugepages_1g), .flags = SCHEMA_ZERO },
	{ "workspace", "gpu", &schema_type_gpu, 0, 0, "none",
	  "The GPU that it may use, for itself alone: auto takes the first free one of [pool] gpus; 0, GPU-UUID, a PCI address, "
	  "one of these with /giN/ciN for a MIG instance, or the name of a CDI device (nvidia.com/gpu=0).", OF(gpu) },
	{ "workspace", "cpus", &schema_type_cpus, 0, 0, "",
	  "Cpus it may use: how many, or which ones (a list as in cpuset(7); the single cpu 5 is 5-5), or auto:nic or auto:gpu, "
	  "all of those near its device, with their memory, as its own among those that were chosen so. Empty: all.", OF(cpus), .flags = SCHEMA_EMPTY },
	{ "workspace", "memory", &schema_type_size, 8 << 20, U64MAX, "8G",
	  "Most memory, page cache and tmpfs included.", OF(memory) },
	{ "workspace", "swap", &schema_type_size, 1 << 20, U64MAX, "0",
	  "Most swap, in addition to memory.", OF(swap), .flags = SCHEMA_ZERO },
	{ "workspace", "disk", &schema_type_size, 64 << 20, U64MAX, "unlimited",
	  "Most space for its own files, and one inode for each 16K of it: a project quota where the file system of "
	  "[storage] state has them, else a file system in an image. Takes effect at the next start; an image can only grow.",
	  OF(disk) },
	{ "workspace", "password", &schema_type_hash, 0, 0, "",
	  "A crypt(5) hash (mkpasswd) of the password with which its users may log in, where [auth] methods allows "
	  "passwords. Empty: none.", OF(password), .flags = SCHEMA_EMPTY | SCHEMA_SINGLE },
	{ "workspace", "pids", &schema_type_pids, 16, 4194304, "4096",
	  "Most processes and threads.", OF(pids) },
	{ "workspace", "autostart", &schema_type_bool, 0, 0, "no",
	  "Start it with the host.", OF(autostart) },
	{ "workspace", "root", &schema_type_bool, 0, 0, "yes",
	  "Its users may become root inside by sudo.", OF(root) },
	{ "workspace", "nesting", &schema_type_bool, 0, 0, "no",
	  "Allow user namespaces inside, which rootless containers and browser sandboxes need.", OF(nesting) },
};
/* clang-format on */
const unsigned int schema_nrows = sizeof(schema_rows) / sizeof(schema_rows[0]);
_Static_assert(sizeof(schema_rows) / sizeof(schema_rows[0]) <= SCHEMA_ROWS_MAX,
	       "raise SCHEMA_ROWS_MAX");

/* "workspace NAME" and "defaults" have the rows of "workspace". */
static const char *rows_of(const char *section)
{
	if (strcmp(section, "defaults") == 0 || strncmp(section, "workspace ", 10) == 0)
		return "workspace";
	return section;
}

const struct schema_row *schema_find(const char *section, const char *key)
{
	unsigned int i;

	section = rows_of(section);
	for (i = 0; i < schema_nrows; i++) {
		if (strcmp(schema_rows[i].key, key) == 0 &&
		    strcmp(schema_rows[i].section, section) == 0)
			return &schema_rows[i];
	}
	return NULL;
}

bool schema_is_section(const char *section)
{
	unsigned int i;

	if (strcmp(section, "workspace") == 0)
		return false;
	section = rows_of(section);
	for (i = 0; i < schema_nrows; i++) {
		if (strcmp(schema_rows[i].section, section) == 0)
			return true;
	}
	return false;
}

/* Levenshtein distance, counted up to words of 31 letters. */
static unsigned int distance(const char *a, const char *b)
{
	unsigned int row[32] = { 0 }, i, j, n = (unsigned int)strlen(b);

	if (strlen(a) > 31 || n > 31)
		return 100;
	for (j = 0; j <= n; j++)
		row[j] = j;
	for (i = 1; a[i - 1]; i++) {
		unsigned int corner = row[0];

		row[0] = i;
		for (j = 1; j <= n; j++) {
			unsigned int cost = corner + (a[i - 1] != b[j - 1]);

			corner = row[j];
			if (row[j] + 1 < cost)
				cost = row[j] + 1;
			if (row[j - 1] + 1 < cost)
				cost = row[j - 1] + 1;
			row[j] = cost;
		}
	}
	return row[n];
}

static bool near(const char *typed, const char *word, unsigned int *best)
{
	unsigned int d = distance(typed, word);

	if (d >= *best || d > 1 + strlen(word) / 4)
		return false;
	*best = d;
	return true;
}

const char *schema_suggest_key(const char *section, const char *key, char *buf, size_t size)
{
	const struct schema_row *found = NULL;
	unsigned int i, best = 100;

	section = rows_of(section);
	*buf = '\0';
	for (i = 0; i < schema_nrows; i++) {
		if (strcmp(schema_rows[i].section, section) == 0 &&
		    near(key, schema_rows[i].key, &best))
			found = &schema_rows[i];
	}
	if (found) {
		str_format(buf, size, " (did you mean '%s'?)", found->key);
		return buf;
	}
	for (i = 0; i < schema_nrows; i++) {
		if (strcmp(schema_rows[i].key, key) == 0)
			str_format(buf, size, " (it belongs into [%s])",
				   strcmp(schema_rows[i].section, "workspace")
					   ? schema_rows[i].section
					   : "defaults");
	}
	return buf;
}

const char *schema_suggest_section(const char *section, char *buf, size_t size)
{
	const char *found = NULL;
	unsigned int i, best = 100;

	*buf = '\0';
	for (i = 0; i < schema_nrows; i++) {
		if (near(section, schema_rows[i].section, &best))
			found = schema_rows[i].section;
	}
	if (near(section, "defaults", &best))
		found = "defaults";
	if (found && strcmp(found, "workspace") == 0)
		str_copy(buf, size, " (a workspace has a file of its own: workspaces.d/NAME.ini)");
	else if (found)
		str_format(buf, size, " (did you mean '%s'?)", found);
	return buf;
}

int schema_parse(const struct schema_row *row, const char *text, void *base, struct err *e)
{
	if (*text == '\0' && !(row->flags & SCHEMA_EMPTY))
		return err_set(e, EINVAL, "is empty (%s)", row->type->syntax);
	return row->type->parse(row, text, base, e);
}

const char *schema_print(const struct schema_row *row, const void *base, char *buf, size_t size)
{
	*buf = '\0';
	row->type->print(row, base, buf, size);
	return buf;
}

int schema_defaults(struct settings *s, struct err *e)
{
	unsigned int i;

	for (i = 0; i < schema_nrows; i++) {
		const struct schema_row *row = &schema_rows[i];
		bool spec = strcmp(row->section, "workspace") == 0;

		if (schema_parse(row, row->standard, spec ? (void *)&s->defaults : (void *)s, e) <
		    0)
			return err_wrap(e, "standard value of [%s] %s", row->section, row->key);
	}
	return 0;
}
