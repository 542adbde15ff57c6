#!/usr/bin/env python3
"""state.py BUILD TEST: one promise about operations put by and taken up again (PKCS#11 3.2 §5.6.4 and
§5.6.5), through the module, with a vault of its own."""
import ctypes
import hashlib
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'support'))

import own_vault  # noqa: E402
from p11 import N, ULONG, Params, buffer, refused, template  # noqa: E402

BUILD = os.path.abspath(sys.argv[1])
P256 = bytes.fromhex('06082a8648ce3d030107')


def save(t, room=1024):
    out, n = ctypes.create_string_buffer(max(room, 1)), ULONG(room)
    t.call('C_GetOperationState', t.h, out, ctypes.byref(n))
    return out.raw[:n.value]


def restore(t, state, cipher=0, auth=0):
    t.call('C_SetOperationState', t.h, buffer(state), ULONG(len(state)), cipher or ULONG(0), auth or ULONG(0))


def feed(t, verb, data):
    t.call(f'C_{verb}Update', t.h, buffer(data), ULONG(len(data)))


def final(t, verb):
    out, n = ctypes.create_string_buffer(4096), ULONG(4096)
    t.call(f'C_{verb}Final', t.h, out, ctypes.byref(n))
    return out.raw[:n.value]


def update(t, data):
    out, n = ctypes.create_string_buffer(len(data) + 64), ULONG(len(data) + 64)
    t.call('C_EncryptUpdate', t.h, buffer(data), ULONG(len(data)), out, ctypes.byref(n))
    return out.raw[:n.value]


def secret(t, kind='AES', value=bytes(range(16)), **more):
    return t.create(CLASS=N.CKO_SECRET_KEY, KEY_TYPE=getattr(N, f'CKK_{kind}'), VALUE=value, ENCRYPT=True,
                    SIGN=True, **more)


def test_a_digest_goes_on_twice_from_where_it_was(t):
    assert refused(save, t) == 'CKR_OPERATION_NOT_INITIALIZED'
    t.call('C_DigestInit', t.h, t.mechanism('SHA256'))
    feed(t, 'Digest', b'one ')
    n = ULONG(0)
    t.call('C_GetOperationState', t.h, None, ctypes.byref(n))
    assert refused(save, t, n.value - 1) == 'CKR_BUFFER_TOO_SMALL'
    state = save(t)
    assert len(state) == n.value
    for end in (b'two', b'three'):
        restore(t, state)
        feed(t, 'Digest', end)
        assert final(t, 'Digest') == hashlib.sha256(b'one ' + end).digest()


def test_a_mu_goes_on_too(t):
    m = t.mechanism('ML_DSA_EXTERNAL_MU_GEN', Params('uPP', 0, bytes(64), b''))
    t.call('C_DigestInit', t.h, m)
    feed(t, 'Digest', b'one ')
    state = save(t)
    for end in (b'two', b'three'):
        restore(t, state)
        feed(t, 'Digest', end)
        assert final(t, 'Digest') == t.digest(m, b'one ' + end)


def test_the_key_is_asked_for_and_has_to_be_the_same(t):
    key, other, m = secret(t), secret(t), t.mechanism('AES_CMAC')
    t.call('C_SignInit', t.h, m, key)
    feed(t, 'Sign', b'one ')
    state = save(t)
    assert refused(restore, t, state) == 'CKR_KEY_NEEDED'
    assert refused(restore, t, state, 0, other) == 'CKR_KEY_CHANGED'
    assert refused(restore, t, state, key, key) == 'CKR_KEY_NOT_NEEDED'
    feed(t, 'Sign', b'two')  # what was refused left the operation as it was
    want = final(t, 'Sign')
    restore(t, state, 0, key)
    feed(t, 'Sign', b'two')
    assert final(t, 'Sign') == want == t.sign(m, key, b'one two')
    t.set(key, SIGN=False)
    assert refused(restore, t, state, 0, key) == 'CKR_KEY_FUNCTION_NOT_PERMITTED'


def test_ciphers_and_digests_are_put_by_together(t):
    key, iv = secret(t), bytes(16)
    for name, params in [('AES_CBC_PAD', Params('x', iv)), ('AES_CTR', Params('ux', 128, iv)),
                         ('AES_GCM', Params('PuPu', iv[:12], 96, b'', 128))]:
        m = t.mechanism(name, params)
        t.call('C_EncryptInit', t.h, m, key)
        t.call('C_DigestInit', t.h, t.mechanism('SHA512'))
        feed(t, 'Digest', b'data')
        first = update(t, bytes(40))
        state = save(t)
        t.call('C_SessionCancel', t.h, ULONG(N.CKF_ENCRYPT | N.CKF_DIGEST))
        assert refused(restore, t, state) == 'CKR_KEY_NEEDED'
        restore(t, state, key)
        assert first + update(t, bytes(40)) + final(t, 'Encrypt') == t.encrypt(m, key, bytes(80))
        assert final(t, 'Digest') == hashlib.sha512(b'data').digest()


@own_vault.needs_daemon
def test_a_state_is_of_use_to_nobody_else_and_not_altered(t):
    t.call('C_DigestInit', t.h, t.mechanism('SHA256'))
    feed(t, 'Digest', b'one ')
    state = save(t)
    for i in range(0, len(state), 7):
        bad = state[:i] + bytes([state[i] ^ 1]) + state[i + 1:]
        assert refused(restore, t, bad) == 'CKR_SAVED_STATE_INVALID'
    for bad in (b'', state[:-1], state + b'\0', bytes(3000)):
        assert refused(restore, t, bad) == 'CKR_SAVED_STATE_INVALID'
    code = ('import sys; sys.path.insert(0, sys.argv[1]); sys.argv[1:] = [sys.argv[2]]\n'
            'import ctypes; from p11 import *\n'
            'class Again(Token):\n'
            ' def __init__(s, m):\n'
            '  s.lib = ctypes.CDLL(m); s.h = ULONG(0); s.call("C_Initialize", None)\n'
            f'  s.call("C_OpenSession", ULONG({t.slot.value}), ULONG(6), None, None, ctypes.byref(s.h))\n'
            f't = Again(sys.argv[1]); state = bytes.fromhex("{state.hex()}")\n'
            'print(refused(t.call, "C_SetOperationState", t.h, buffer(state), ULONG(len(state)), ULONG(0), ULONG(0)))\n')
    support = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'support')
    said = subprocess.run([sys.executable, '-B', '-c', code, support, f'{BUILD}/libholdfast-pkcs11.so'],
                          capture_output=True, text=True, check=True).stdout
    assert said.strip() == 'CKR_SAVED_STATE_INVALID'
    restore(t, state)


def test_a_state_ends_with_the_login_and_when_newer_ones_push_it_out(t):
    t.call('C_DigestInit', t.h, t.mechanism('SHA256'))
    feed(t, 'Digest', b'x')
    first = save(t)
    for _ in range(31):
        save(t)
    restore(t, first)
    last = save(t)
    assert refused(restore, t, first) == 'CKR_SAVED_STATE_INVALID'
    restore(t, last)
    t.call('C_Logout', t.h)
    assert refused(restore, t, last) == 'CKR_SAVED_STATE_INVALID'


def pair(t, mech, public, **private):
    halves = ULONG(0), ULONG(0)
    t.call('C_GenerateKeyPair', t.h, t.mechanism(mech), *template({'TOKEN': False, **public}),
           *template({'TOKEN': False, 'SIGN': True, **private}), *map(ctypes.byref, halves))
    return halves


def rsa(t):
    return pair(t, 'RSA_PKCS_KEY_PAIR_GEN', {'MODULUS_BITS': 2048, 'VERIFY': True, 'ENCRYPT': True}, DECRYPT=True)


def twice(t, m, key, verb, ends):
    """twice begins an operation, and gives what it gives when it is ended, put by in between, twice."""
    t.call(f'C_{verb}Init', t.h, m, key)
    t.call(f'C_{verb}Update', t.h, *ends[0])
    state = save(t)
    given = []
    for _ in range(2):
        t.call(f'C_{verb}Update', t.h, *ends[1])
        given.append(final(t, verb))
        restore(t, state, *((0, key) if verb == 'Sign' else (key, 0)))
    t.call('C_SessionCancel', t.h, ULONG(N.CKF_SIGN | N.CKF_ENCRYPT | N.CKF_DECRYPT))
    return given


def test_signatures_in_parts_are_put_by(t):
    ends, whole = [(buffer(b'one and '), ULONG(8)), (buffer(bytes(24)), ULONG(24))], b'one and ' + bytes(24)
    own, ec = rsa(t), pair(t, 'EC_KEY_PAIR_GEN', {'EC_PARAMS': P256, 'VERIFY': True})
    ml = pair(t, 'ML_DSA_KEY_PAIR_GEN', {'PARAMETER_SET': N.CKP_ML_DSA_44, 'VERIFY': True})
    pss = Params('uuu', N.CKM_SHA256, N.CKG_MGF1_SHA256, 32)
    for name, (public, private), params in [
            ('RSA_PKCS', own, None), ('SHA256_RSA_PKCS', own, None), ('RSA_X_509', own, None),
            ('SHA256_RSA_PKCS_PSS', own, pss), ('ECDSA', ec, None), ('ECDSA_SHA256', ec, None),
            ('ML_DSA', ml, None), ('HASH_ML_DSA', ml, Params('uPu', 0, b'', N.CKM_SHA256)),
            ('HASH_ML_DSA_SHA512', ml, None)]:
        m = t.mechanism(name, params)
        for signature in twice(t, m, private, 'Sign', ends):
            t.verify(m, public, whole, signature)
    for name, kind in [('AES_CMAC', 'AES'), ('AES_MAC', 'AES'), ('AES_XCBC_MAC', 'AES'),
                       ('SHA256_HMAC', 'GENERIC_SECRET'), ('SHA3_512_HMAC', 'GENERIC_SECRET')]:
        key, m = secret(t, kind), t.mechanism(name)
        assert twice(t, m, key, 'Sign', ends) == [t.sign(m, key, whole)] * 2, name


def streamed(t, m, key):
    """streamed are three ends of a cipher that gives as it takes, the last two after it was put by."""
    t.call('C_EncryptInit', t.h, m, key)
    first = update(t, bytes(37))
    state, ends = save(t), []
    for _ in range(2):
        ends.append(first + update(t, bytes(43)) + final(t, 'Encrypt'))
        restore(t, state, key)
    t.call('C_SessionCancel', t.h, ULONG(N.CKF_ENCRYPT))
    return ends


def test_ciphers_of_every_kind_are_put_by(t):
    counter = buffer(bytes(8))
    salsa = Params('pB', ctypes.addressof(counter), bytes(8))
    for name, key, params in [('AES_CFB64', secret(t), Params('x', bytes(16))),
                              ('AES_CTS', secret(t), Params('x', bytes(16))),
                              ('SALSA20', secret(t, 'SALSA20', bytes(32)), salsa)]:
        m = t.mechanism(name, params)
        assert streamed(t, m, key) == [t.encrypt(m, key, bytes(80))] * 2, name
    public, private = rsa(t)
    for name, params in [('RSA_PKCS', None), ('RSA_PKCS_OAEP', Params('uuuP', N.CKM_SHA256, N.CKG_MGF1_SHA256,
                                                                      N.CKZ_DATA_SPECIFIED, b''))]:
        m = t.mechanism(name, params)
        parts = [(buffer(b'one '), ULONG(4), buffer(bytes(512)), ctypes.byref(ULONG(512)))] * 2
        for sealed in twice(t, m, public, 'Encrypt', parts):
            assert t.decrypt(m, private, sealed) == b'one one '


def test_messages_are_not_put_by(t):
    t.call('C_MessageEncryptInit', t.h, t.mechanism('AES_GCM'), secret(t))
    assert refused(save, t) == 'CKR_STATE_UNSAVEABLE'


@own_vault.needs_daemon
def test_a_restart_ends_what_was_taken_up(t):
    t.call('C_DigestInit', t.h, t.mechanism('SHA256'))
    feed(t, 'Digest', b'x')
    state = save(t)
    restore(t, state)
    own_vault.stop(BUILD)
    assert refused(final, t, 'Digest') == 'CKR_DEVICE_ERROR'
    assert refused(restore, t, state) == 'CKR_SAVED_STATE_INVALID'


def test_a_seed_is_taken_and_the_numbers_stay_random(t):
    seen = set()
    for _ in range(20):
        t.call('C_SeedRandom', t.h, buffer(b'the same'), ULONG(8))
        out = ctypes.create_string_buffer(4096)
        t.call('C_GenerateRandom', t.h, out, ULONG(4096))
        seen.add(out.raw[:4096])
    assert len(seen) == 20
    t.call('C_SeedRandom', t.h, None, ULONG(0))


own_vault.run(BUILD, globals(), sys.argv[2])
