#!/usr/bin/env python3
"""module.py BUILD TEST: one promise of the PKCS#11 module, as any program would call it, with a
vault of its own."""
import ctypes
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'support'))

from p11 import N, ULONG, Params, Refused, Token, buffer  # noqa: E402

BUILD = os.path.abspath(sys.argv[1])
BIG = 50_000_000  # more than a message holds


def refused(function, *args):
    """refused returns the name of the error, or CKR_OK."""
    try:
        function(*args)
    except Refused as e:
        return e.name
    return 'CKR_OK'


def aes(t, **usage):
    return t.create(CLASS=N.CKO_SECRET_KEY, KEY_TYPE=N.CKK_AES, VALUE=bytes(range(16)), ENCRYPT=True,
                    DECRYPT=True, **usage)


def update(t, verb, data, room):
    out, n = ctypes.create_string_buffer(room), ULONG(room)
    t.call(f'C_{verb}Update', t.h, buffer(data), ULONG(len(data)), out, ctypes.byref(n))
    return out.raw[:n.value]


def final(t, verb):
    out, n = ctypes.create_string_buffer(64), ULONG(64)
    t.call(f'C_{verb}Final', t.h, out, ctypes.byref(n))
    return out.raw[:n.value]


def test_parts_of_any_size_are_taken(t):
    key, m = aes(t), t.mechanism('AES_CBC_PAD', Params('x', bytes(16)))
    data = os.urandom(BIG)
    t.call('C_EncryptInit', t.h, m, key)
    sealed = update(t, 'Encrypt', data[:5], 16) + update(t, 'Encrypt', data[5:], BIG + 16)
    sealed += final(t, 'Encrypt')
    assert sealed == t.encrypt(m, key, data)
    t.call('C_DecryptInit', t.h, m, key)
    assert update(t, 'Decrypt', sealed, BIG + 16) + final(t, 'Decrypt') == data


def test_too_small_a_buffer_leaves_a_large_part_for_later(t):
    key, m = aes(t), t.mechanism('AES_CBC', Params('x', bytes(16)))
    data = bytes(BIG)
    t.call('C_EncryptInit', t.h, m, key)
    assert refused(update, t, 'Encrypt', data, 100) == 'CKR_BUFFER_TOO_SMALL'
    assert update(t, 'Encrypt', data, BIG) + final(t, 'Encrypt') == t.encrypt(m, key, data)


def test_a_failed_large_part_ends_the_operation(t):
    key = aes(t)
    m = t.mechanism('AES_GCM', Params('PuPu', bytes(12), 96, b'', 128))
    data = os.urandom(BIG)
    t.call('C_DecryptInit', t.h, m, key)
    while refused(update, t, 'Decrypt', data, BIG) == 'CKR_OK':  # until it is too much to gather
        pass
    assert refused(final, t, 'Decrypt') == 'CKR_OPERATION_NOT_INITIALIZED'
    same = t.encrypt(m, key, data)
    assert t.decrypt(m, key, same) == data


def main():
    with tempfile.TemporaryDirectory(prefix='holdfast-module-') as home:
        os.environ['HOLDFAST_HOME'] = home
        try:
            globals()[f'test_{sys.argv[2]}'](Token(f'{BUILD}/libholdfast-pkcs11.so'))
        finally:
            subprocess.run([f'{BUILD}/holdfast', 'stop'], check=False)


main()
