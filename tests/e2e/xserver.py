# SPDX-License-Identifier: LGPL-2.1-or-later
"""A display that only reads the setup of each client, says what it was authorised with, and answers a few bytes."""
import socket
import struct
import sys

server = socket.socket()
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind(("127.0.0.1", 6000 + int(sys.argv[1])))
server.listen(16)
print("ready", flush=True)
while True:
    client, _ = server.accept()
    head = client.recv(12, socket.MSG_WAITALL)
    if len(head) == 12:
        order = "<" if head[:1] == b"l" else ">"
        names, data = struct.unpack(order + "6xHH2x", head)
        name = client.recv((names + 3) & ~3, socket.MSG_WAITALL)[:names]
        cookie = client.recv((data + 3) & ~3, socket.MSG_WAITALL)[:data]
        print(name.decode(errors="replace"), cookie.hex(), flush=True)
        client.sendall(b"HELLO-FROM-X")
    client.close()
