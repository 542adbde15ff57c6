"""vcard.py: smartcards for tests: Debian's virtual reader (vpcd) in a pcscd of the test's
own, with the file system of Debian's virtual card (vpicc) in each slot.

    with Readers(2) as r: ...      r.env says to PC/SC where it is; r.names, r.cards

Nothing of the machine's own is touched: pcscd gets its socket from here, as from systemd,
and the readers are told to look for their cards on loopback ports. Skip where one of the
packages is missing.
"""
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import types

DRIVER = '/usr/lib/pcsc/drivers/serial/libifdvpcd.so'
PACKAGE = '/usr/lib/python3/site-packages/virtualsmartcard'
# as systemd hands over a socket: descriptor 3, and whose it is
HAND_OVER = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='1')
os.execvp('pcscd', ['pcscd', '--foreground', '--config', sys.argv[2]])
"""
AID = bytes.fromhex('f0') + b'HOLDFAST'


def missing():
    """missing names what is not there; '' if everything is."""
    if not shutil.which('pcscd'):
        return 'pcscd'
    if not os.path.exists(DRIVER):
        return 'vsmartcard-vpcd'
    try:
        iso7816()
    except ImportError as e:
        return f'vsmartcard-vpicc ({e})'
    return ''


def iso7816():
    """iso7816 returns the classes of a card: Debian's package lies outside of Python's path,
    and names a module of Python 2 where Crypto is missing."""
    if PACKAGE not in sys.path:
        sys.path.append(PACKAGE)
    sys.modules.setdefault('sha', types.ModuleType('sha'))
    from virtualsmartcard.SmartcardFilesystem import DF, MF, TransparentStructureEF
    from virtualsmartcard.SmartcardSAM import SAM
    from virtualsmartcard.VirtualSmartcard import Iso7816OS
    return DF, MF, TransparentStructureEF, SAM, Iso7816OS


def new_card(pin, enforces, prepared, size):
    """new_card makes a card with an ISO 7816 file system. prepared: with the folder and the
    file that a maker's tool would have made; enforces: the file opens with the PIN only."""
    DF, MF, EF, SAM, Iso7816OS = iso7816()

    class Pin(SAM):
        """one that says how many tries are left (ISO 7816-4, 63Cx)"""

        def verify(self, p1, p2, PIN):
            os_ = card
            if PIN == b'':
                return (0x9000 if os_.verified else 0x63c0 + self.counter), b''
            if self.counter == 0:
                return 0x6983, b''
            os_.verified = self.PIN == PIN
            self.counter = 3 if os_.verified else self.counter - 1
            return (0x9000 if os_.verified else 0x63c0 + self.counter), b''

    class Card(Iso7816OS):
        verified = False

        def formatResult(self, seekable, le, data, sw, sm):
            return super().formatResult(seekable, 0 if le is None else le, data or b'', sw, sm)

        def execute(self, msg):
            if enforces and msg[1] in (0xb0, 0xd6) and not self.verified:
                return b'\x69\x82'
            if msg[1] == 0xd6 and int.from_bytes(msg[2:4], 'big') + msg[4] > size:
                return b'\x6a\x84'  # vpicc would let the file grow
            return super().execute(msg)

        def reset(self):
            self.verified = False
            super().reset()
        powerUp = powerDown = reset

    sam, mf = Pin(pin, b'1234567890'), MF(filedescriptor=0x38)
    sam.set_MF(mf)
    if prepared:
        df = DF(parent=mf, fid=0x4846, dfname=AID)
        for fid in (1, 2):
            df.append(EF(parent=df, fid=fid, filedescriptor=1, data=bytes(size)))
        mf.append(df)
    card = Card(mf, sam)
    return card


class Slot:
    """Slot is where a reader finds its card: it speaks vpcd's protocol."""

    def __init__(self, port, card):
        self.card = card
        self.server = socket.create_server(('127.0.0.1', port))
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                s, _ = self.server.accept()
            except OSError:
                return
            with s:
                self.serve(s)

    def read(self, s, n):
        got = b''
        while len(got) < n:
            more = s.recv(n - len(got))
            if not more:
                raise ConnectionError
            got += more
        return got

    def serve(self, s):
        try:
            while True:
                msg = self.read(s, int.from_bytes(self.read(s, 2), 'big'))
                if len(msg) > 1:
                    out = self.card.execute(msg)
                elif msg == b'\x04':
                    out = self.card.getATR()
                else:
                    self.card.reset()
                    continue
                s.sendall(len(out).to_bytes(2, 'big') + out)
        except OSError:
            return


def free_ports(n):
    """free_ports returns the first of n neighbours that were free just now."""
    for base in range(36100, 60000, n + 7):
        try:
            for p in range(base, base + n):
                socket.create_server(('127.0.0.1', p)).close()
            return base
        except OSError:
            continue
    raise OSError('no free ports')


class Readers:
    """Readers is a private pcscd with one virtual reader, whose two slots (vpcd keeps no
    more apart) have a card each; n: how many of them a test uses, or cards that it changes
    with put."""

    def __init__(self, n, pin=b'1234', enforces=True, prepared=True, size=768):
        self.dir = tempfile.mkdtemp(prefix='holdfast-cards-')
        self.cards = [new_card(pin, enforces, prepared, size) for _ in range(max(n, 2))]
        base = free_ports(2)
        self.slots = [Slot(base + i, self.cards[i]) for i in range(2)]
        os.mkdir(f'{self.dir}/conf')
        with open(f'{self.dir}/conf/readers', 'w', encoding='ascii') as f:
            f.write(f'FRIENDLYNAME "Virtual"\nDEVICENAME 127.0.0.1:{base:#x}\nLIBPATH {DRIVER}\n'
                    f'CHANNELID {base:#x}\n')
        self.env = {'PCSCLITE_CSOCK_NAME': f'{self.dir}/pcscd'}
        self.names = [f'Virtual 00 0{i}' for i in range(2)]
        self.start()

    def put(self, n):
        """put lays card n into the first slot."""
        self.slots[0].card = self.cards[n]
        self.cards[n].reset()

    def start(self):
        s = socket.socket(socket.AF_UNIX)
        s.bind(f'{self.dir}/pcscd')
        s.listen(16)
        self.log = open(f'{self.dir}/log', 'w', encoding='utf-8')
        self.p = subprocess.Popen([sys.executable, '-c', HAND_OVER, str(s.fileno()), f'{self.dir}/conf'],
                                  pass_fds=[s.fileno()], stdout=self.log, stderr=self.log)
        s.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.p.terminate()
        self.p.wait(20)
        for s in self.slots:
            s.server.close()
        self.log.close()
        shutil.rmtree(self.dir, ignore_errors=True)
