#!/usr/bin/env python3
"""partitions.py BUILD TEST: hundreds of partitions in one HSM; HOLDFAST_PARTITIONS says how many.
As e2e.py, which it stands on."""
import concurrent.futures
import ctypes
import json
import os
import sys
import time

import e2e

MANY = int(os.environ.get('HOLDFAST_PARTITIONS', 500))
PIN = '12345678'


def must(i, *args):
    r = i.cli(*args)
    assert r.returncode == 0, f'{args}: {r.stderr}'
    return r.stdout


def create(i, n):
    must(i, 'partition', 'create', f'room-{n:04}', '--so-pin-file', f'{i.home}/pin', '--pin-file', f'{i.home}/pin')


def listed(i):
    return json.loads(must(i, 'partition', 'list', '--json'))


def slots():
    """slots: [(slot, label)] as a program sees them; the empty one for a new token has no label."""
    lib = ctypes.CDLL(e2e.MODULE)
    n = ctypes.c_ulong()
    assert lib.C_Initialize(None) == 0
    assert lib.C_GetSlotList(ctypes.c_ubyte(1), None, ctypes.byref(n)) == 0
    ids = (ctypes.c_ulong * n.value)()
    assert lib.C_GetSlotList(ctypes.c_ubyte(1), ids, ctypes.byref(n)) == 0
    found = []
    for slot in ids[:n.value]:
        info = ctypes.create_string_buffer(512)
        assert lib.C_GetTokenInfo(ctypes.c_ulong(slot), info) == 0
        found.append((slot, info.raw[:32].decode().strip()))
    assert lib.C_Finalize(None) == 0
    return found


def signs(i, partition):
    with open(f'{i.home}/data-to-sign', 'w') as f:
        f.write(partition)
    where = ['--partition', partition, '--pin-file', f'{i.home}/pin', '--key', 'k', '--in', f'{i.home}/data-to-sign']
    must(i, 'sign', *where, '--out', f'{i.home}/{partition}.sig')
    must(i, 'verify', *where, '--signature', f'{i.home}/{partition}.sig')


def timed(what, f, *args):
    began = time.monotonic()
    r = f(*args)
    print(f'{what}: {time.monotonic() - began:.2f} s')
    return r


def test_hundreds_of_partitions(i):
    names = [f'room-{n:04}' for n in range(MANY)]
    os.makedirs(i.home)
    with open(f'{i.home}/holdfast.conf', 'w') as f:
        f.write('argon2-memory = 64\nargon2-passes = 1\n')
    with open(f'{i.home}/pin', 'w') as f:
        f.write(PIN)
    must(i, 'status')
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        timed(f'{MANY} created', list, pool.map(lambda n: create(i, n), range(MANY)))
    ends = names[0], names[-1]
    for name in ends:
        must(i, 'key', 'generate', '--partition', name, '--pin-file', f'{i.home}/pin', '--type', 'ec:P-256',
             '--label', 'k')
    before = {p['label']: (p['slot'], p['serial']) for p in listed(i)}
    assert sorted(before) == names and len(set(before.values())) == MANY
    i.stop()

    timed('started again', must, i, 'status')
    after = timed('listed', listed, i)
    assert {p['label']: (p['slot'], p['serial']) for p in after} == before  # slots are stable
    os.environ['HOLDFAST_HOME'] = i.home
    seen = timed('slots and tokens', slots)
    assert sorted((label, slot) for slot, label in seen if label) == \
        sorted((label, slot) for label, (slot, _) in before.items())
    for name in ends:
        timed(f'{name} signs', signs, i, name)
    r = i.cli('sign', '--partition', names[1], '--pin-file', f'{i.home}/pin', '--key', 'k', '--in', f'{i.home}/pin')
    assert r.returncode != 0  # the key is in no other
    must(i, 'partition', 'delete', ends[1], '--yes')
    assert len(listed(i)) == MANY - 1


def test_a_label_hides_no_other_partition(i):
    os.makedirs(i.home, 0o700)
    with open(f'{i.home}/pin', 'w') as f:
        f.write(PIN)
    make = 'partition', 'create', '--so-pin-file', f'{i.home}/pin', '--pin-file', f'{i.home}/pin'
    must(i, *make, 'first')
    serial = listed(i)[0]['serial']
    must(i, *make, serial)
    must(i, *make, '0')
    for name, label in (serial, 'first'), ('first', 'first'), ('0', '0'):
        assert json.loads(must(i, 'partition', 'show', name, '--json'))['label'] == label


if __name__ == '__main__':
    sys.exit(e2e.main(globals()))
