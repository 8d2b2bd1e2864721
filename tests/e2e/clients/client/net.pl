#!/usr/bin/perl
# SPDX-License-Identifier: LGPL-2.1-or-later
# Ends of forwards, inside a workspace or in the bed. AT is a port of 127.0.0.1, [HOST]:PORT, or the path of a unix socket.
# usage: net.pl echo AT    serve: send back what comes, close after the peer's end of stream
#        net.pl talk AT    connect: send stdin, then end of stream, and print what comes back
use strict;
use warnings;
use IO::Socket;
use IO::Socket::UNIX;
use IO::Socket::INET;
$| = 1;
my ($mode, $at) = @ARGV;
my $unix = $at =~ m{/};
my $sock = $mode eq 'echo'
	? ($unix ? (unlink($at), IO::Socket::UNIX->new(Local => $at, Listen => 64))[-1]
		: IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $at, Listen => 64, ReuseAddr => 1))
	: ($unix ? IO::Socket::UNIX->new(Peer => $at) : IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $at));
die "$mode $at: $! $@\n" unless $sock;
$SIG{CHLD} = 'IGNORE';
sub copy {
	my ($from, $to, $n, $off, $buf) = @_;
	while ($n = sysread($from, $buf, 65536)) {
		for ($off = 0; $off < $n;) { my $w = syswrite($to, $buf, $n - $off, $off); return unless $w; $off += $w; }
	}
}
if ($mode eq 'echo') {
	while (1) {
		my $conn = $sock->accept or next;
		next if fork;
		copy($conn, $conn);
		exit;
	}
}
my $pid = fork;
if (!$pid) { copy(\*STDIN, $sock); shutdown($sock, 1); exit; }
copy($sock, \*STDOUT);
kill 'TERM', $pid;
