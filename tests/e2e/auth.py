#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What auth.sh needs a client for that does as it is told: passwords of any bytes, conversations, partial logins.

usage: auth.py ADDRESS PORT WHAT [ARGUMENT...]
"""
import socket
import sys
import time

import paramiko

ADDRESS, PORT, WHAT, ARGS = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4:]


def connect():
    t = paramiko.Transport(socket.create_connection((ADDRESS, PORT), 10))
    t.banner_timeout = t.auth_timeout = 30
    t.start_client(timeout=10)
    return t


def outcome(t, fn):
    """One word, or 'partial METHODS'."""
    try:
        rest = fn()
        return "partial " + ",".join(sorted(rest)) if rest else "in"
    except paramiko.BadAuthenticationType as e:
        return "not-allowed " + ",".join(sorted(e.allowed_types))
    except (paramiko.SSHException, EOFError, OSError):
        pass
    # paramiko says the same of both; the end of the connection follows at once.
    end = time.monotonic() + 0.5
    while t.is_active() and time.monotonic() < end:
        time.sleep(0.02)
    return "refused" if t.is_active() else "disconnected"


def password(user, text):
    t = connect()
    return outcome(t, lambda: t.auth_password(user, text, fallback=False))


def tries(user, n):
    """How many wrong passwords one connection may try."""
    t = connect()
    for i in range(n):
        if outcome(t, lambda: t.auth_password(user, "wrong", fallback=False)) != "refused":
            return i + 1
    return n


def refusal(user):
    """Milliseconds from the request to the refusal."""
    t = connect()
    begin = time.monotonic()
    try:
        t.auth_password(user, "wrong", fallback=False)
    except paramiko.SSHException:
        pass
    took = (time.monotonic() - begin) * 1000
    t.close()
    return took


def alike(one, other):
    """The quickest of each, in turn: what else the machine does only adds to a time. So often as it takes to agree."""
    first, second = [], []
    for n in range(60):
        first.append(refusal(one))
        second.append(refusal(other))
        a, b = min(first), min(second)
        if n >= 8 and abs(a - b) <= max(5, 0.3 * max(a, b)):
            return a, b, True
    return a, b, False


def talk(t, user, answers, hook=None):
    """One conversation; what the server said goes to standard output."""
    given = list(answers)

    def handler(title, text, prompts):
        print("title:", title, "| text:", text.replace("\n", "/"), "| prompts:", prompts)
        sys.stdout.flush()
        if hook:
            hook()
        return [given.pop(0) if given else "" for _ in prompts]

    return outcome(t, lambda: t.auth_interactive(user, handler))


def raw_info_response():
    """Answers that nobody asked for."""
    t = connect()
    t.auth_timeout = 5
    outcome(t, lambda: t.auth_none("alice"))
    m = paramiko.Message()
    m.add_byte(paramiko.common.cMSG_USERAUTH_INFO_RESPONSE)
    m.add_int(1)
    m.add_string("x")
    t._send_message(m)
    for _ in range(50):
        if not t.is_active():
            return "disconnected"
        time.sleep(0.1)
    return "goes on"


def change(user, text):
    """The password together with a request to change it (RFC 4252 section 8)."""
    t = connect()
    send = t._send_message

    def patched(m):
        raw = m.asbytes()
        at = raw.find(b"\0\0\0\x08password")
        if raw[0] == 50 and at > 0:
            at += 12
            m = paramiko.Message(raw[:at] + b"\1" + raw[at + 1 :] + b"\0\0\0\x03new")
        send(m)

    t._send_message = patched
    return outcome(t, lambda: t.auth_password(user, text, fallback=False))


def main():
    if WHAT == "password":
        print(password(ARGS[0], ARGS[1]))
    elif WHAT == "bytes":
        print(password(ARGS[0], bytes.fromhex(ARGS[1])))
    elif WHAT == "change":
        print(change(ARGS[0], ARGS[1]))
    elif WHAT == "tries":
        print(tries(ARGS[0], int(ARGS[1])))
    elif WHAT == "timing":
        known, unknown, same = alike(ARGS[0], ARGS[1])
        print("known %.0f ms unknown %.0f ms" % (known, unknown))
        sys.exit(not same)
    elif WHAT == "talk":
        print(talk(connect(), ARGS[0], ARGS[1:]))
    elif WHAT == "talk-slowly":
        print(talk(connect(), ARGS[0], ARGS[2:], lambda: time.sleep(float(ARGS[1]))))
    elif WHAT == "answers":
        print(raw_info_response())
    elif WHAT == "chain":  # KEY USER METHOD ANSWER
        t = connect()
        key = paramiko.Ed25519Key.from_private_key_file(ARGS[0])
        print(outcome(t, lambda: t.auth_publickey(ARGS[1], key)))
        if ARGS[2] == "password":
            print(outcome(t, lambda: t.auth_password(ARGS[1], ARGS[3], fallback=False)))
        elif ARGS[2] == "publickey":
            print(outcome(t, lambda: t.auth_publickey(ARGS[1], key)))
        else:
            print(talk(t, ARGS[1], ARGS[3:]))
    elif WHAT == "other-user":  # KEY USER OTHER PASSWORD
        t = connect()
        key = paramiko.Ed25519Key.from_private_key_file(ARGS[0])
        print(outcome(t, lambda: t.auth_publickey(ARGS[1], key)))
        print(outcome(t, lambda: t.auth_password(ARGS[2], ARGS[3], fallback=False)))


main()
