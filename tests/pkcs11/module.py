#!/usr/bin/env python3
"""module.py BUILD TEST: one promise of the PKCS#11 module, as any program would call it, with a
vault of its own."""
import ctypes
import hmac
import os
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'support'))

from p11 import N, ULONG, Fields, Params, Refused, Token, buffer, template  # noqa: E402

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


def kdf_params(t, more, key=None):
    """kdf_params is a counter KDF over HMAC-SHA-256 that makes keys of these lengths besides."""
    counter = Params('bu', 0, 32).bytes
    fields = [(N.CK_SP800_108_ITERATION_VARIABLE, counter), (N.CK_SP800_108_BYTE_ARRAY, b'label')]
    if key is not None:
        fields.append((N.CK_SP800_108_KEY_HANDLE, bytes(key)))
    templates = [template({'CLASS': N.CKO_SECRET_KEY, 'KEY_TYPE': N.CKK_GENERIC_SECRET, 'VALUE_LEN': n,
                           'TOKEN': False, 'SENSITIVE': False, 'EXTRACTABLE': True}) for n in more]
    handles = [ULONG(0) for _ in more]
    rows = b''.join(struct.pack('@LLL', ctypes.addressof(a), n.value, ctypes.addressof(h))
                    for (a, n), h in zip(templates, handles))
    array = buffer(rows)
    params = Params('uFup', N.CKM_SHA256_HMAC, Fields(fields), len(more),
                    ctypes.addressof(array) if more else 0)
    params.kept += [templates, array]
    return params, handles


def generic(t, value):
    return t.create(CLASS=N.CKO_SECRET_KEY, KEY_TYPE=N.CKK_GENERIC_SECRET, VALUE=value, DERIVE=True)


def derived(t, params, length):
    return t.derive(t.mechanism('SP800_108_COUNTER_KDF', params), generic(t, bytes(32)), SENSITIVE=False,
                    EXTRACTABLE=True, CLASS=N.CKO_SECRET_KEY, KEY_TYPE=N.CKK_GENERIC_SECRET, VALUE_LEN=length)


def segment(i):
    return hmac.digest(bytes(32), struct.pack('>L', i) + b'label', 'sha256')


def test_a_kdf_makes_further_keys_of_outputs_of_their_own(t):
    params, more = kdf_params(t, [16, 40])
    first = derived(t, params, 48)
    assert t.get(first, 'VALUE') == segment(1) + segment(2)[:16]
    assert t.get(more[0], 'VALUE') == segment(3)[:16]
    assert t.get(more[1], 'VALUE') == segment(4) + segment(5)[:8]


def test_a_kdf_takes_a_key_as_data(t):
    params, _ = kdf_params(t, [], generic(t, b'and more'))
    want = hmac.digest(bytes(32), struct.pack('>L', 1) + b'labeland more', 'sha256')
    assert t.get(derived(t, params, 32), 'VALUE') == want


def test_of_keys_derived_together_all_or_none_come(t):
    params, more = kdf_params(t, [16, 100_000])  # no key is that long
    assert refused(derived, t, params, 16) != 'CKR_OK'
    assert [h.value for h in more] == [0, 0]
    t.call('C_FindObjectsInit', t.h, None, ULONG(0))
    found, n = (ULONG * 8)(), ULONG(0)
    t.call('C_FindObjects', t.h, found, ULONG(8), ctypes.byref(n))
    assert n.value == 1  # the base key


def main():
    with tempfile.TemporaryDirectory(prefix='holdfast-module-') as home:
        os.environ['HOLDFAST_HOME'] = home
        try:
            globals()[f'test_{sys.argv[2]}'](Token(f'{BUILD}/libholdfast-pkcs11.so'))
        finally:
            subprocess.run([f'{BUILD}/holdfast', 'stop'], check=False)


main()
