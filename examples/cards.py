#!/usr/bin/env python3
"""cards.py: the people and their smartcards of ceremony.sh, where Debian's virtual reader
is installed.

    cards.py missing             says what is not installed; nothing: all is there
    cards.py serve DIR N         a card service with one reader and N cards, until SIGTERM;
                                 prints where the service is, and the reader's name
    cards.py put DIR K           lays card K, of 1 to N, into the reader
    cards.py deal DIR COMMAND... runs the command; each time that it asks for a card, the
                                 next is laid in and Enter pressed
"""
import os
import signal
import socket
import subprocess
import sys

sys.path.insert(0, f'{os.path.dirname(os.path.abspath(__file__))}/../tests/support')
import vcard  # noqa: E402


def serve(where, n):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with vcard.Readers(int(n)) as readers, socket.socket(socket.AF_UNIX) as s:
        s.bind(f'{where}/reader')
        s.listen()
        print(readers.env['PCSCLITE_CSOCK_NAME'], readers.names[0], flush=True)
        while True:
            hand, _ = s.accept()
            with hand:
                readers.put(int(hand.recv(16)) - 1)
                hand.sendall(b'done')


def put(where, k):
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(f'{where}/reader')
        s.sendall(str(k).encode())
        if s.recv(16) != b'done':
            sys.exit(f'cards.py: there is no card {k}')


def deal(where, *command):
    p = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    said, k = b'', 0
    while c := p.stderr.read(1):
        said += c
        sys.stderr.buffer.write(c)
        if said.endswith(b'press Enter. '):
            k += 1
            put(where, k)
            sys.stderr.buffer.write(b'\n')
            p.stdin.write(b'\n')
            p.stdin.flush()
    sys.exit(p.wait())


VERBS = {'missing': lambda: print(vcard.missing(), end=''), 'serve': serve, 'put': put, 'deal': deal}
if len(sys.argv) < 2 or sys.argv[1] not in VERBS:
    sys.exit(__doc__)
VERBS[sys.argv[1]](*sys.argv[2:])
