#!/usr/bin/env python3
"""stateful.py BUILD TEST: a one-time key of HSS or XMSS signs once, whatever happens."""
import ctypes
import glob
import json
import os
import random
import shutil
import subprocess
import sys
import threading
import time

import e2e

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, f'{HERE}/../support')
import bouncycastle  # noqa: E402
from p11 import N, Refused, Token, ULONG, refused, template  # noqa: E402

PIN = '12345678'


class Client(Token):
    """Client is a session on the token that is there already."""

    def __init__(self):  # pylint: disable=super-init-not-called
        self.lib = ctypes.CDLL(e2e.MODULE)
        self.call('C_Initialize', None)
        self.open()

    def open(self):
        slots, n = (ULONG * 64)(), ULONG(64)
        self.h = ULONG(0)
        self.call('C_GetSlotList', 1, slots, ctypes.byref(n))
        self.slot = slots[0]
        self.call('C_OpenSession', ULONG(slots[0]), ULONG(N.CKF_SERIAL_SESSION | N.CKF_RW_SESSION), None, None,
                  ctypes.byref(self.h))
        try:
            self.login(N.CKU_USER, PIN.encode())
        except Refused as e:
            if e.name != 'CKR_USER_ALREADY_LOGGED_IN':
                raise

    def another(self):
        """another session of the same application."""
        c = object.__new__(Client)
        c.lib = self.lib
        c.open()
        return c

    def pair(self, mech, pub, priv):
        a, b = ULONG(0), ULONG(0)
        self.call('C_GenerateKeyPair', self.h, self.mechanism(mech), *template({'TOKEN': True, **pub}),
                  *template({'TOKEN': True, **priv}), ctypes.byref(a), ctypes.byref(b))
        return a, b

    def find(self, cko):
        found, n = ULONG(0), ULONG(0)
        self.call('C_FindObjectsInit', self.h, *template({'CLASS': cko}))
        self.call('C_FindObjects', self.h, ctypes.byref(found), ULONG(1), ctypes.byref(n))
        self.call('C_FindObjectsFinal', self.h)
        assert n.value == 1
        return found

    def left(self, key):
        return int.from_bytes(self.get(key, 'HSS_KEYS_REMAINING'), sys.byteorder)


def hss_pair(c, *levels, **more):
    """hss_pair: each level is (tree type, one-time type)."""
    return c.pair('HSS_KEY_PAIR_GEN', {}, {'HSS_LEVELS': len(levels), 'HSS_LMS_TYPES': [t for t, _ in levels],
                                           'HSS_LMOTS_TYPES': [o for _, o in levels], **more})


def number(signature, levels):
    """number of an HSS signature: the leaf at each level, and the tree heights (RFC 8554 §6.2)."""
    at, n = 4, 0
    for level, (height, chains) in enumerate(levels):
        n = n << height | int.from_bytes(signature[at:at + 4], 'big')
        at += 12 + 32 * (1 + chains + height) + (24 + 32 if level + 1 < len(levels) else 0)
    assert at == len(signature)
    return n


def start(i):
    os.makedirs(i.home, exist_ok=True)
    with open(f'{i.home}/pin', 'w') as f:
        f.write(PIN)
    r = i.cli('partition', 'create', 't', '--so-pin-file', f'{i.home}/pin', '--pin-file', f'{i.home}/pin')
    assert r.returncode == 0, r.stderr
    os.environ['HOLDFAST_HOME'] = i.home
    return Client()


# --- signers that are disturbed -----------------------------------------------------------


def sign_on(c, out, stop):
    """sign_on signs until the file `stop` is there; what fails is left and tried anew."""
    key, mech, n = c.find(N.CKO_PRIVATE_KEY), c.mechanism('HSS'), 0
    while not os.path.exists(stop):
        message = f'{os.getpid()} {threading.get_ident()} {n}'.encode()
        n += 1
        try:
            signature = c.sign(mech, key, message)
        except Refused as e:
            assert e.name not in ('CKR_KEY_EXHAUSTED', 'CKR_KEY_HANDLE_INVALID'), e
            continue
        out.write(f'{message.hex()} {signature.hex()}\n')


def client_main(path, stop):
    c = Client()
    each = [c.another() for _ in range(2)]
    with open(path, 'w', buffering=1) as out:  # it is there: this client is logged in
        threads = [threading.Thread(target=sign_on, args=(one, out, stop)) for one in each]
        for t in threads:
            t.start()
        for t in threads:
            t.join()


def disturbed(i, roles, seconds):
    stop = f'{i.home}/stop'
    files = [f'{i.home}/signed{n}' for n in range(3)]
    clients = [subprocess.Popen([sys.executable, '-B', __file__, e2e.BUILD, '--client', f, stop], env=i.env)
               for f in files]
    e2e.wait_for(lambda: all(map(os.path.exists, files)))
    end, kills = time.time() + seconds, 0
    while time.time() < end:
        time.sleep(random.uniform(0.3, 1.2))
        i.kill(random.choice(roles))
        kills += 1
    with open(stop, 'w'):
        pass
    assert all(p.wait(120) == 0 for p in clients)
    lines = [line.split() for f in files for line in open(f)]
    return [tuple(bytes.fromhex(w) for w in words) for words in lines], kills


def each_once(i, roles):
    c = start(i)
    pub, priv = hss_pair(c, (6, 3), (6, 3))
    signed, kills = disturbed(i, roles, float(os.environ.get('HOLDFAST_KILL_SECONDS', 12)))
    levels = ((10, 67), (10, 67))
    numbers = [number(signature, levels) for _, signature in signed]
    assert len(numbers) > 100 and len(set(numbers)) == len(numbers), 'a one-time key signed twice'
    c = c.another()
    for message, signature in signed:
        c.verify(c.mechanism('HSS'), pub, message, signature)
    left = c.left(priv)
    assert 1048576 - left > max(numbers), 'more is said to be left than there is'
    value = c.get(pub, 'VALUE')
    said = bouncycastle.verify([('hss', value, *s) for s in signed])
    print(f'{len(signed)} signatures by 6 threads of 3 programs, {kills} kills, {1048576 - left} numbers used; {said}')


def test_no_number_twice_while_the_vault_is_killed(i):
    each_once(i, ['vault'])


def test_no_number_twice_while_any_process_is_killed(i):
    each_once(i, ['vault', 'keeper', 'monitor'])


def test_a_key_is_exhausted_across_kills(i):
    c = start(i)
    pub, priv = hss_pair(c, (5, 4))
    numbers = []
    for n in range(32):
        signature = c.sign(c.mechanism('HSS'), priv, b'm')
        numbers.append(number(signature, ((5, 34),)))
        assert c.left(priv) == 31 - n
        if n % 7 == 3:
            i.kill('vault')
    assert numbers == list(range(32)), numbers
    for _ in range(2):
        assert refused(c.sign, c.mechanism('HSS'), priv, b'm') == 'CKR_KEY_EXHAUSTED'
        i.kill('vault')
    assert c.left(priv) == 0
    c.verify(c.mechanism('HSS'), pub, b'm', signature)


# --- stores that are put back -------------------------------------------------------------


def key_of(i, label, kind='hss:H5W8'):
    r = i.cli('key', 'generate', '--type', kind, '--label', label, '--pin-file', f'{i.home}/pin')
    assert r.returncode == 0, r.stderr


def sign(i, label, times=1):
    for _ in range(times):
        r = i.cli('sign', '--key', label, '--in', f'{i.home}/pin', '--out', f'{i.home}/sig', '--pin-file',
                  f'{i.home}/pin')
    return '' if r.returncode == 0 else r.stderr


def left(i, label):
    r = i.cli('object', 'show', '--json', '--class', 'private', '--label', label, '--pin-file', f'{i.home}/pin')
    return int(json.loads(r.stdout)[0]['HSS_KEYS_REMAINING'])


def put_back(i, copy, pattern):
    i.stop()
    for path in glob.glob(f'{i.home}/data/{pattern}'):
        os.unlink(path)
    for path in glob.glob(f'{copy}/{pattern}'):
        shutil.copy(path, f'{i.home}/data/')


def refuses_for_good(i, label):
    for _ in range(2):
        assert 'KEY_STALE' in sign(i, label)
        assert left(i, label) == 0
        i.stop()
    key_of(i, f'after {label}')
    assert sign(i, f'after {label}', 2) == ''
    i.stop()
    assert sign(i, f'after {label}') == '' and left(i, f'after {label}') == 29
    assert 'KEY_STALE' in sign(i, label)


def older(i, pattern):
    start(i)
    key_of(i, 'k')
    sign(i, 'k', 2)
    i.stop()
    shutil.copytree(f'{i.home}/data', f'{i.home}/copy')
    assert sign(i, 'k', 4) == ''
    put_back(i, f'{i.home}/copy', pattern)
    refuses_for_good(i, 'k')


def test_an_older_store_refuses(i):
    older(i, 'store.db*')


def test_an_older_anchor_refuses(i):
    older(i, 'anchor*')


def test_an_older_store_without_its_anchor_refuses(i):
    start(i)
    key_of(i, 'k')
    sign(i, 'k', 2)
    i.stop()
    shutil.copytree(f'{i.home}/data', f'{i.home}/copy')
    assert sign(i, 'k', 4) == ''
    put_back(i, f'{i.home}/copy', 'store.db*')
    for path in glob.glob(f'{i.home}/data/anchor*'):
        os.unlink(path)
    refuses_for_good(i, 'k')


# --- keys that stay -----------------------------------------------------------------------


def test_a_key_is_neither_copied_nor_taken_out(i):
    c = start(i)
    for flag, value in (('EXTRACTABLE', True), ('COPYABLE', True), ('SENSITIVE', False)):
        assert refused(hss_pair, c, (5, 4), **{flag: value}) == 'CKR_TEMPLATE_INCONSISTENT', flag
    pub, priv = hss_pair(c, (5, 4))
    copy = ULONG(0)
    assert refused(c.call, 'C_CopyObject', c.h, priv, *template({'LABEL': b'two'}),
                   ctypes.byref(copy)) == 'CKR_ACTION_PROHIBITED'
    assert refused(c.get, priv, 'VALUE') == 'CKR_ATTRIBUTE_SENSITIVE'
    assert refused(c.set, priv, COPYABLE=True) == 'CKR_ATTRIBUTE_READ_ONLY'
    assert refused(c.set, priv, HSS_KEYS_REMAINING=31) == 'CKR_ATTRIBUTE_READ_ONLY'
    aes = c.generate(c.mechanism('AES_KEY_GEN'), VALUE_LEN=32, WRAP=True)
    assert refused(c.wrap, c.mechanism('AES_KEY_WRAP_KWP'), aes, priv) == 'CKR_KEY_UNEXTRACTABLE'
    assert refused(c.create, CLASS=N.CKO_PRIVATE_KEY, KEY_TYPE=N.CKK_HSS, PRIVATE=True,
                   VALUE=bytes(100)) == 'CKR_ATTRIBUTE_READ_ONLY'
    again = c.create(CLASS=N.CKO_PUBLIC_KEY, KEY_TYPE=N.CKK_HSS, VALUE=c.get(pub, 'VALUE'))
    assert c.get(again, 'PUBLIC_KEY_INFO') == c.get(pub, 'PUBLIC_KEY_INFO')
    c.verify(c.mechanism('HSS'), again, b'm', c.sign(c.mechanism('HSS'), priv, b'm'))
    c.destroy(priv, pub)


def test_only_approved_sets_in_approved_mode(i):
    start(i)
    r = i.cli('policy', 'set', '--so-pin-file', f'{i.home}/pin', 'non-approved-mechanisms=no', '--yes')
    assert r.returncode == 0, r.stderr
    for kind in ('xmssmt:SHA2_20/4_512', 'xmssmt:SHAKE_20/4_256'):
        r = i.cli('key', 'generate', '--type', kind, '--label', kind, '--pin-file', f'{i.home}/pin')
        assert r.returncode == 1, kind
    for kind in ('xmssmt:SHA2_20/4_192', 'xmssmt:SHAKE256_20/4_256', 'hss:shake256:H5W4'):
        key_of(i, kind, kind)
        assert sign(i, kind) == ''


def test_a_session_key_counts_too(i):
    c = start(i)
    pub, priv = hss_pair(c, (5, 4), TOKEN=False)
    numbers = [number(c.sign(c.mechanism('HSS'), priv, b'm'), ((5, 34),)) for _ in range(16)]
    c.set(priv, LABEL=b'another snapshot')
    numbers += [number(c.sign(c.mechanism('HSS'), priv, b'm'), ((5, 34),)) for _ in range(16)]
    assert numbers == list(range(32)) and c.left(priv) == 0
    assert refused(c.sign, c.mechanism('HSS'), priv, b'm') == 'CKR_KEY_EXHAUSTED'
    c.destroy(pub)


def test_asking_for_the_length_uses_nothing_up(i):
    c = start(i)
    _, priv = hss_pair(c, (5, 4))
    n = ULONG(0)
    for room in (None, ctypes.create_string_buffer(100)):
        n = ULONG(0 if room is None else 100)
        c.call('C_SignInit', c.h, c.mechanism('HSS'), priv)
        got = refused(c.call, 'C_Sign', c.h, b'm', ULONG(1), room, ctypes.byref(n))
        assert got == ('CKR_OK' if room is None else 'CKR_BUFFER_TOO_SMALL') and n.value == 1296
        out = ctypes.create_string_buffer(1296)
        c.call('C_Sign', c.h, b'm', ULONG(1), out, ctypes.byref(n))
    assert c.left(priv) == 30


if __name__ == '__main__':
    if sys.argv[2] == '--client':
        client_main(*sys.argv[3:])
    else:
        sys.exit(e2e.main(globals()))
