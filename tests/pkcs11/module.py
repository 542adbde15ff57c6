#!/usr/bin/env python3
"""module.py BUILD TEST: one promise of the PKCS#11 module, as any program would call it, with a
vault of its own."""
import ctypes
import hashlib
import hmac
import os
import re
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'support'))

import own_vault  # noqa: E402
from p11 import N, ULONG, Fields, Params, Token, buffer, refused, template  # noqa: E402

BUILD = os.path.abspath(sys.argv[1])
BIG = 50_000_000  # more than a message holds


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


def single(t, verb, data, room, at=None):
    """single does all at once, into a buffer of its own or `at` bytes behind where the data begin."""
    own, n = ctypes.create_string_buffer(max(len(data), room) + (at or 0) + 1), ULONG(room)
    out = ctypes.c_void_p(ctypes.addressof(own) + (at or 0))
    if at is not None:
        ctypes.memmove(own, data, len(data))
    rv = refused(t.call, f'C_{verb}', t.h, buffer(data) if at is None else own, ULONG(len(data)), out,
                 ctypes.byref(n))
    return rv, ctypes.string_at(out.value, n.value) if rv == 'CKR_OK' else n.value


def test_too_small_a_buffer_leaves_large_data_for_later(t):
    key, data = aes(t), os.urandom(BIG + 5)
    for name, param, more in (('AES_GCM', Params('PuPu', bytes(12), 96, b'', 128), 16),
                              ('AES_CBC_PAD', Params('x', bytes(16)), 16 - len(data) % 16),
                              ('AES_CTR', Params('ux', 128, bytes(16)), 0)):
        m, n, whole = t.mechanism(name, param), len(data), len(data) + more
        t.call('C_EncryptInit', t.h, m, key)
        for room in (0, 100, n - 1, whole - 1):
            assert single(t, 'Encrypt', data, room) == ('CKR_BUFFER_TOO_SMALL', whole), (name, room)
        rv, sealed = single(t, 'Encrypt', data, whole)
        assert rv == 'CKR_OK' and len(sealed) == whole
        assert refused(final, t, 'Encrypt') == 'CKR_OPERATION_NOT_INITIALIZED'
        need = whole if name == 'AES_CBC_PAD' else n  # what padding is, only its decryption tells
        t.call('C_DecryptInit', t.h, m, key)
        for room in (0, need - 17, need - 1, need // 2):
            assert single(t, 'Decrypt', sealed, room) == ('CKR_BUFFER_TOO_SMALL', need), (name, room)
        assert single(t, 'Decrypt', sealed, need) == ('CKR_OK', data), name


def test_large_data_may_overlap_what_comes_of_them(t):
    key, data = aes(t), os.urandom(BIG)
    m = t.mechanism('AES_GCM', Params('PuPu', bytes(12), 96, b'', 128))
    want = t.encrypt(m, key, data)
    for at in (0, 1, 16, 4095, BIG // 2):
        t.call('C_EncryptInit', t.h, m, key)
        assert single(t, 'Encrypt', data, BIG + 16, at) == ('CKR_OK', want), at


def test_a_part_may_be_digested_and_encrypted_in_place(t):
    key, m = aes(t), t.mechanism('AES_CBC', Params('x', bytes(16)))
    data = os.urandom(4096)
    want = t.encrypt(m, key, data)
    for at in (0, 16, 4080, 4096):
        t.call('C_DigestInit', t.h, t.mechanism('SHA256'))
        t.call('C_EncryptInit', t.h, m, key)
        room, n = ctypes.create_string_buffer(data, 3 * len(data)), ULONG(len(data))
        out = ctypes.c_void_p(ctypes.addressof(room) + at)
        t.call('C_DigestEncryptUpdate', t.h, room, ULONG(len(data)), out, ctypes.byref(n))
        assert room.raw[at:at + len(data)] == want and final(t, 'Encrypt') == b''
        assert final(t, 'Digest') == hashlib.sha256(data).digest(), at


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


def pair(t, mech, public, private):
    halves = ULONG(0), ULONG(0)
    pub, n = template({'TOKEN': False, **public})
    priv, m = template({'TOKEN': False, 'PRIVATE': False, 'SENSITIVE': False, 'EXTRACTABLE': True, **private})
    t.call('C_GenerateKeyPair', t.h, t.mechanism(mech), pub, n, priv, m, *map(ctypes.byref, halves))
    return halves


def test_diffie_hellman_agrees_and_with_plain_arithmetic(t):
    domain = t.generate(t.mechanism('DH_PKCS_PARAMETER_GEN'), PRIME_BITS=2048)
    p, g = t.get(domain, 'PRIME'), t.get(domain, 'BASE')
    pairs = [pair(t, 'DH_PKCS_KEY_PAIR_GEN', {'PRIME': p, 'BASE': g}, {'DERIVE': True}) for _ in range(2)]
    y, x = t.get(pairs[1][0], 'VALUE'), t.get(pairs[0][1], 'VALUE')
    number = {name: int.from_bytes(v, 'big') for name, v in {'p': p, 'g': g, 'x': x, 'y': y}.items()}
    assert int.from_bytes(t.get(pairs[0][0], 'VALUE'), 'big') == pow(number['g'], number['x'], number['p'])
    shared = pow(number['y'], number['x'], number['p']).to_bytes(256, 'big')
    for length, want in ((256, shared), (32, shared[-32:])):
        made = t.derive(t.mechanism('DH_PKCS_DERIVE', Params('x', y)), pairs[0][1], SENSITIVE=False,
                        EXTRACTABLE=True, VALUE_LEN=length)
        assert t.get(made, 'VALUE') == want
    for bad in (b'\1', p, b''):
        m = t.mechanism('DH_PKCS_DERIVE', Params('x', bad))
        assert refused(lambda: t.derive(m, pairs[0][1], VALUE_LEN=16)) == 'CKR_MECHANISM_PARAM_INVALID'


RFC_6979 = {  # appendix A.2.1, DSA of 1024 bits; the signature of "sample" with SHA-256
    'PRIME': '86F5CA03DCFEB225063FF830A0C769B9DD9D6153AD91D7CE27F787C43278B447E6533B86B18BED6E8A48B784A14C252C'
             '5BE0DBF60B86D6385BD2F12FB763ED8873ABFD3F5BA2E0A8C0A59082EAC056935E529DAF7C610467899C77ADEDFC846C'
             '881870B7B19B2B58F9BE0521A17002E3BDD6B86685EE90B3D9A1B02B782B1779',
    'SUBPRIME': '996F967F6C8E388D9E28D01E205FBA957A5698B1',
    'BASE': '07B0F92546150B62514BB771E2A0C0CE387F03BDA6C56B505209FF25FD3C133D89BBCD97E904E09114D9A7DEFDEADFC9'
            '078EA544D2E401AEECC40BB9FBBF78FD87995A10A1C27CB7789B594BA7EFB5C4326A9FE59A070E136DB77175464ADCA4'
            '17BE5DCE2F40D10A46A3A3943F26AB7FD9C0398FF8C76EE0A56826A8A88F1DBD',
}
RFC_6979_Y = ('5DF5E01DED31D0297E274E1691C192FE5868FEF9E19A84776454B100CF16F65392195A38B90523E2542EE61871C0440CB87C'
              '322FC4B4D2EC5E1E7EC766E1BE8D4CE935437DC11C3C8FD426338933EBFE739CB3465F4D3668C5E473508253B1E682F65CBD'
              'C4FAE93C2EA212390E54905A86E2223170B44EAA7DA5DD9FFCFB7F3B')
RFC_6979_SIGNATURE = '81F2F5850BE5BC123C43F71A3033E9384611C5454CDD914B65EB6C66A8AAAD27299BEE6B035F5E89'


def test_dsa_verifies_the_signature_of_rfc_6979(t):
    domain = {name: bytes.fromhex(v) for name, v in RFC_6979.items()}
    key = t.create(CLASS=N.CKO_PUBLIC_KEY, KEY_TYPE=N.CKK_DSA, VERIFY=True,
                   VALUE=bytes.fromhex(RFC_6979_Y), **domain)
    good = bytes.fromhex(RFC_6979_SIGNATURE)
    t.verify(t.mechanism('DSA_SHA256'), key, b'sample', good)
    outside = (int(RFC_6979['PRIME'], 16) - 1).to_bytes(128, 'big')  # of order 2
    assert refused(lambda: t.create(CLASS=N.CKO_PUBLIC_KEY, KEY_TYPE=N.CKK_DSA, VERIFY=True, VALUE=outside,
                                    **domain)) == 'CKR_ATTRIBUTE_VALUE_INVALID'
    assert refused(t.verify, t.mechanism('DSA_SHA256'), key, b'simple', good) == 'CKR_SIGNATURE_INVALID'
    short = refused(t.verify, t.mechanism('DSA_SHA256'), key, b'sample', good[:-1])
    assert short == 'CKR_SIGNATURE_LEN_RANGE'
    assert refused(t.verify, t.mechanism('DSA_SHA1'), key, b'sample', good) == 'CKR_SIGNATURE_INVALID'


def test_dsa_signs_with_parameters_of_its_own(t):
    made = t.generate(t.mechanism('DSA_PARAMETER_GEN'), PRIME_BITS=1024)
    domain = {name: t.get(made, name) for name in ('PRIME', 'SUBPRIME', 'BASE')}
    public, private = pair(t, 'DSA_KEY_PAIR_GEN', domain, {})
    for mech in [m for m in dir(N) if re.fullmatch(r'CKM_DSA_SHA(3_)?\d+', m)]:
        signature = t.sign(t.mechanism(mech[4:]), private, b'a message')
        assert len(signature) == 2 * len(domain['SUBPRIME'])
        t.verify(t.mechanism(mech[4:]), public, b'a message', signature)
    whole = t.create(CLASS=N.CKO_PRIVATE_KEY, KEY_TYPE=N.CKK_DSA, SIGN=True,
                     VALUE=t.get(private, 'VALUE'), **domain)
    digest = hashlib.sha1(b'a message').digest()
    t.verify(t.mechanism('DSA_SHA1'), public, b'a message', t.sign(t.mechanism('DSA'), whole, digest))


def test_a_key_under_ecdh_is_kwp_under_the_agreed_key(t):
    for mech, agreement, gen, curve, size in (
            ('ECDH_AES_KEY_WRAP', 'ECDH1_DERIVE', 'EC_KEY_PAIR_GEN', '06082a8648ce3d030107', 65),
            ('ECDH_COF_AES_KEY_WRAP', 'ECDH1_COFACTOR_DERIVE', 'EC_KEY_PAIR_GEN', '06052b81040022', 97),
            ('ECDH_X_AES_KEY_WRAP', 'ECDH1_DERIVE', 'EC_MONTGOMERY_KEY_PAIR_GEN', '06032b656e', 32)):
        public, private = pair(t, gen, {'EC_PARAMS': bytes.fromhex(curve), 'WRAP': True},
                               {'DERIVE': True, 'UNWRAP': True})
        m = t.mechanism(mech, Params('uuL', 256, N.CKD_SHA256_KDF, b'shared'))
        wrapped = t.wrap(m, public, t.create(CLASS=N.CKO_SECRET_KEY, KEY_TYPE=N.CKK_GENERIC_SECRET,
                                             VALUE=b'a secret of 21 bytes!', EXTRACTABLE=True))
        readable = {'CLASS': N.CKO_SECRET_KEY, 'SENSITIVE': False, 'EXTRACTABLE': True}
        back = t.unwrap(m, private, wrapped, KEY_TYPE=N.CKK_GENERIC_SECRET, **readable)
        assert t.get(back, 'VALUE') == b'a secret of 21 bytes!'
        agreed = t.derive(t.mechanism(agreement, Params('uLL', N.CKD_SHA256_KDF, b'shared', wrapped[:size])),
                          private, KEY_TYPE=N.CKK_AES, VALUE_LEN=32, UNWRAP=True, **readable)
        again = t.unwrap(t.mechanism('AES_KEY_WRAP_KWP'), agreed, wrapped[size:],
                         KEY_TYPE=N.CKK_GENERIC_SECRET, **readable)
        assert t.get(again, 'VALUE') == b'a secret of 21 bytes!'
        for bad in (wrapped[:-1] + bytes([wrapped[-1] ^ 1]), wrapped[:size], bytes(size) + wrapped[size:]):
            assert refused(lambda: t.unwrap(m, private, bad, KEY_TYPE=N.CKK_GENERIC_SECRET, **readable)) in (
                'CKR_WRAPPED_KEY_INVALID', 'CKR_WRAPPED_KEY_LEN_RANGE')


class AsyncData(ctypes.Structure):
    _fields_ = [('version', ULONG), ('value', ctypes.c_void_p), ('length', ULONG), ('object', ULONG),
                ('additional', ULONG)]


PAIR = b'C_GenerateKeyPair'


def expecting(t, key, signature, mech='DSA_SHA256'):
    t.call('C_VerifySignatureInit', t.h, t.mechanism(mech), key, buffer(signature), ULONG(len(signature)))


def test_a_signature_may_come_before_the_data(t):
    domain = {name: bytes.fromhex(v) for name, v in RFC_6979.items()}
    key = t.create(CLASS=N.CKO_PUBLIC_KEY, KEY_TYPE=N.CKK_DSA, VERIFY=True,
                   VALUE=bytes.fromhex(RFC_6979_Y), **domain)
    good = bytes.fromhex(RFC_6979_SIGNATURE)

    def whole(data):
        return refused(t.call, 'C_VerifySignature', t.h, data, ULONG(len(data)))

    def parts(*data):
        for part in data:
            t.call('C_VerifySignatureUpdate', t.h, part, ULONG(len(part)))
        return refused(t.call, 'C_VerifySignatureFinal', t.h)

    assert whole(b'sample') == parts() == 'CKR_OPERATION_NOT_INITIALIZED'
    for answer, signature, data in (('CKR_OK', good, b'sample'), ('CKR_SIGNATURE_INVALID', good, b'simple'),
                                    ('CKR_SIGNATURE_INVALID', bytes(len(good)), b'sample'),
                                    ('CKR_SIGNATURE_LEN_RANGE', good[:-1], b'sample'),
                                    ('CKR_SIGNATURE_LEN_RANGE', b'', b'sample')):
        for check in (whole, lambda d: parts(d[:2], d[2:])):
            expecting(t, key, signature)
            assert check(data) == answer
            assert check is not whole or whole(data) == 'CKR_OPERATION_NOT_INITIALIZED'
    expecting(t, key, good)
    assert refused(expecting, t, key, good) == 'CKR_OPERATION_ACTIVE'
    n = ULONG(len(good))  # it is no operation of C_Verify
    assert refused(t.call, 'C_Verify', t.h, b'sample', ULONG(6), good, n) == 'CKR_OPERATION_NOT_INITIALIZED'
    assert whole(b'sample') == 'CKR_OK'
    for end in (lambda: t.call('C_VerifySignatureInit', t.h, None, key, None, ULONG(0)),
                lambda: t.call('C_SessionCancel', t.h, ULONG(N.CKF_VERIFY))):
        expecting(t, key, good)
        end()
        assert whole(b'sample') == 'CKR_OPERATION_NOT_INITIALIZED'
    missing = refused(t.call, 'C_VerifySignatureInit', t.h, t.mechanism('DSA_SHA256'), key, None, ULONG(40))
    assert missing == 'CKR_ARGUMENTS_BAD'


def test_a_session_tells_whether_its_last_service_was_approved(t):
    flags, kind = ULONG(7), ULONG(N.CKS_LAST_VALIDATION_OK)

    def approved():
        t.call('C_GetSessionValidationFlags', t.h, kind, ctypes.byref(flags))
        return flags.value
    assert approved() == 0
    out, n = ctypes.create_string_buffer(64), ULONG(64)
    for name, flag in (('SHA256', 1), ('MD5', 0), ('SHA256', 1)):
        t.call('C_DigestInit', t.h, t.mechanism(name))
        n.value = 64
        t.call('C_Digest', t.h, b'sample', ULONG(6), out, ctypes.byref(n))
        assert approved() == flag, name
    assert refused(t.call, 'C_DigestInit', t.h, t.mechanism('AES_ECB')) == 'CKR_MECHANISM_INVALID'
    assert approved() == 0
    for h, k, at, rv in ((t.h, kind, None, 'CKR_ARGUMENTS_BAD'),
                         (t.h, ULONG(99), ctypes.byref(flags), 'CKR_ARGUMENTS_BAD'),
                         (ULONG(999), kind, ctypes.byref(flags), 'CKR_SESSION_HANDLE_INVALID')):
        assert refused(t.call, 'C_GetSessionValidationFlags', h, k, at) == rv


def async_session(t):
    h = ULONG(0)
    flags = ULONG(N.CKF_SERIAL_SESSION | N.CKF_RW_SESSION | N.CKF_ASYNC_SESSION)
    t.call('C_OpenSession', t.slot, flags, None, None, ctypes.byref(h))
    return h


def begin_pair(t, h, bits, **private):
    halves = ULONG(0), ULONG(0)
    pub, n = template({'TOKEN': True, 'MODULUS_BITS': bits, 'PUBLIC_EXPONENT': b'\1\0\1', 'LABEL': b'apart'})
    priv, m = template({'TOKEN': True, **private})
    return refused(t.call, 'C_GenerateKeyPair', h, t.mechanism('RSA_PKCS_KEY_PAIR_GEN'), pub, n, priv, m,
                   *map(ctypes.byref, halves))


def complete(t, h, function=PAIR):
    data, rv = AsyncData(), 'CKR_PENDING'
    while rv == 'CKR_PENDING':
        rv = refused(t.call, 'C_AsyncComplete', h, function, ctypes.byref(data))
        time.sleep(0.01)
    return rv, data


def test_a_pair_is_made_while_the_session_goes_on(t):
    h = async_session(t)
    assert begin_pair(t, h, 4096) == 'CKR_PENDING'
    assert begin_pair(t, h, 4096) == 'CKR_OPERATION_ACTIVE'
    out = ctypes.create_string_buffer(8)
    t.call('C_GenerateRandom', h, out, ULONG(8))
    rv, data = complete(t, h)
    assert rv == 'CKR_OK' and data.object != data.additional
    assert len(t.get(ULONG(data.object), 'MODULUS')) == 512
    t.sign(t.mechanism('SHA256_RSA_PKCS'), ULONG(data.additional), b'data')
    assert complete(t, h)[0] == 'CKR_OPERATION_NOT_INITIALIZED'


def test_calls_apart_are_asked_for_as_the_standard_says(t):
    h, data, number = async_session(t), AsyncData(), ULONG(0)
    assert complete(t, h)[0] == 'CKR_OPERATION_NOT_INITIALIZED'
    assert complete(t, h, b'C_Nonsense')[0] == 'CKR_OPERATION_NOT_INITIALIZED'
    assert complete(t, ULONG(999))[0] == 'CKR_SESSION_HANDLE_INVALID'
    assert refused(t.call, 'C_AsyncComplete', h, None, ctypes.byref(data)) == 'CKR_ARGUMENTS_BAD'
    assert refused(t.call, 'C_AsyncGetID', h, PAIR, ctypes.byref(number)) == 'CKR_OPERATION_NOT_INITIALIZED'
    assert begin_pair(t, h, 2048, SIGN=True, TOKEN=False) == 'CKR_PENDING'
    assert refused(t.call, 'C_AsyncComplete', h, PAIR, None) == 'CKR_ARGUMENTS_BAD'
    assert refused(t.call, 'C_AsyncGetID', h, PAIR, None) == 'CKR_ARGUMENTS_BAD'
    assert refused(t.call, 'C_AsyncGetID', h, PAIR, ctypes.byref(number)) == 'CKR_STATE_UNSAVEABLE'
    assert complete(t, h)[0] == 'CKR_OK'
    assert begin_pair(t, h, 100) == 'CKR_PENDING'  # what is wrong is told when it is done
    assert complete(t, h)[0] == 'CKR_ATTRIBUTE_VALUE_INVALID'
    for session, rv in ((t.h, 'CKR_SESSION_ASYNC_NOT_SUPPORTED'), (h, 'CKR_SAVED_STATE_INVALID')):
        assert refused(t.call, 'C_AsyncJoin', session, PAIR, ULONG(1), None, ULONG(0)) == rv
    assert begin_pair(t, t.h, 2048) == 'CKR_OK'  # in other sessions nothing changed


@own_vault.needs_daemon
def test_a_call_apart_outlives_the_program_that_began_it(t):
    number = ULONG(0)
    if os.fork() == 0:  # another application: what it does not end, its end ends
        t.call('C_Initialize', None)
        h = async_session(t)
        t.call('C_Login', h, ULONG(N.CKU_USER), b'12345678', ULONG(8))
        assert begin_pair(t, h, 3072) == 'CKR_PENDING'
        t.call('C_AsyncGetID', h, PAIR, ctypes.byref(number))
        with open(os.environ['HOLDFAST_HOME'] + '/id', 'w', encoding='ascii') as f:
            f.write(str(number.value))
        os._exit(0)
    assert os.wait()[1] == 0
    with open(os.environ['HOLDFAST_HOME'] + '/id', encoding='ascii') as f:
        number.value = int(f.read())
    h = async_session(t)
    assert refused(t.call, 'C_AsyncJoin', h, PAIR, ULONG(number.value + 1), None, ULONG(0)) == (
        'CKR_SAVED_STATE_INVALID')
    t.call('C_AsyncJoin', h, PAIR, number, None, ULONG(0))
    rv, data = complete(t, h)
    assert rv == 'CKR_OK' and len(t.get(ULONG(data.object), 'MODULUS')) == 384


def test_more_calls_apart_than_may_wait_are_told_so(t):
    sessions = [async_session(t) for _ in range(33)]
    told = [begin_pair(t, h, 100) for h in sessions]
    assert told == ['CKR_PENDING'] * 32 + ['CKR_TOKEN_RESOURCE_EXCEEDED'], told
    assert complete(t, sessions[0])[0] == 'CKR_ATTRIBUTE_VALUE_INVALID'
    assert begin_pair(t, sessions[32], 100) == 'CKR_PENDING'
    for h in sessions[1:]:
        assert complete(t, h)[0] == 'CKR_ATTRIBUTE_VALUE_INVALID'


def test_a_mebibyte_of_data_is_kept_and_more_is_told_so(t):
    data = {'CLASS': N.CKO_DATA, 'TOKEN': True, 'PRIVATE': True, 'LABEL': b'large'}
    value = os.urandom(1 << 20)
    h = t.create(VALUE=value, **data)
    assert t.get(h, 'VALUE') == value
    t.call('C_CopyObject', t.h, h, *template({'LABEL': b'copy'}), ctypes.byref(ULONG(0)))
    assert refused(t.create, VALUE=bytes((1 << 20) + (1 << 16)), **data) == 'CKR_ATTRIBUTE_VALUE_INVALID'
    t.call('C_DestroyObject', t.h, h)


def test_data_of_any_length_come_back(t):
    key = aes(t)
    for n in (1, 4096, 8100, 8192, 16384, 100_000, (1 << 20) - 16, 1 << 20, (1 << 20) + 50_000, 1_200_000):
        data, iv = os.urandom(n), os.urandom(12)
        for aad in (b'', os.urandom(5000)):
            m = t.mechanism('AES_GCM', Params('PuPu', iv, 96, aad, 128))
            sealed = t.encrypt(m, key, data)
            assert len(sealed) == n + 16 and t.decrypt(m, key, sealed) == data
            t.call('C_EncryptInit', t.h, m, key)
            t.call('C_EncryptUpdate', t.h, buffer(data), ULONG(n), buffer(bytes(n)), ctypes.byref(ULONG(n)))
            assert final(t, 'Encrypt') == sealed[n:]
        for name, params in (('AES_CBC_PAD', Params('x', bytes(16))), ('AES_CTR', Params('ux', 128, bytes(16))),
                             ('AES_OFB', Params('x', bytes(16))), ('AES_CFB128', Params('x', bytes(16)))):
            m = t.mechanism(name, params)
            sealed = t.encrypt(m, key, data)
            t.call('C_EncryptInit', t.h, m, key)
            out, room = ctypes.create_string_buffer(n + 16), ULONG(n + 16)
            t.call('C_EncryptUpdate', t.h, buffer(data), ULONG(n), out, ctypes.byref(room))
            assert out.raw[:room.value] + final(t, 'Encrypt') == sealed and t.decrypt(m, key, sealed) == data


def test_large_data_find_no_room_and_then_enough(t):
    key, data = aes(t), os.urandom(100_000)
    m = t.mechanism('AES_GCM', Params('PuPu', bytes(12), 96, b'', 128))
    t.call('C_EncryptInit', t.h, m, key)
    for room in (0, 99_999, 100_015):
        out, n = ctypes.create_string_buffer(room + 1), ULONG(room)
        assert refused(t.call, 'C_Encrypt', t.h, buffer(data), ULONG(len(data)), out,
                       ctypes.byref(n)) == 'CKR_BUFFER_TOO_SMALL'
        assert n.value == 100_016
    out = ctypes.create_string_buffer(n.value)
    t.call('C_Encrypt', t.h, buffer(data), ULONG(len(data)), out, ctypes.byref(n))
    assert t.decrypt(m, key, out.raw) == data


def test_encryption_may_overlap_its_data(t):
    key = aes(t)
    m = t.mechanism('AES_GCM', Params('PuPu', bytes(12), 96, b'', 128))
    for n in (4096, 20_000, 100_000, 1 << 20):
        data = os.urandom(n)
        want = t.encrypt(m, key, data)
        for at, to in ((0, 0), (16, 0), (0, 16), (n, 0), (0, n), (n // 2, 0), (0, n // 2)):
            room, got = ctypes.create_string_buffer(2 * n + 64), ULONG(n + 16)
            where = ctypes.addressof(room)
            ctypes.memmove(where + at, data, n)
            t.call('C_EncryptInit', t.h, m, key)
            t.call('C_Encrypt', t.h, ctypes.c_void_p(where + at), ULONG(n), ctypes.c_void_p(where + to),
                   ctypes.byref(got))
            assert room.raw[to:to + n + 16] == want, (n, at, to)


def test_what_fails_for_its_length_gives_nothing(t):
    key, iv = aes(t), Params('x', bytes(16))
    short_counter = Params('ux', 12, bytes(16))  # comes round after 65,536 bytes
    cases = [('AES_CBC', iv, [4095, 16_385, 65_537, 131_080, (1 << 20) - 1]), ('AES_ECB', None, [65_537]),
             ('AES_CTR', short_counter, [65_537, 131_072, 1 << 20])]
    for name, param, lengths in cases:
        for n in lengths:
            room, got = buffer(b'?' * (n + 64)), ULONG(n + 64)
            t.call('C_EncryptInit', t.h, t.mechanism(name, param), key)
            assert refused(t.call, 'C_Encrypt', t.h, buffer(bytes(n)), ULONG(n), room,
                           ctypes.byref(got)) == 'CKR_DATA_LEN_RANGE'
            assert room.raw == b'?' * (n + 64), (name, n)


def shared_memory():
    """shared_memory: KiB that this process sees of what it shares with vaults; None: it shares nothing."""
    maps = open('/proc/self/smaps', encoding='utf-8').read()
    found = re.findall(r'memfd:holdfast(?:.*\n)*?Rss: +(\d+) kB', maps)
    return sum(map(int, found)) if found else None


def test_memory_of_long_messages_goes_back(t):
    key, m = aes(t), t.mechanism('AES_CBC', Params('x', bytes(16)))
    data = os.urandom(1 << 20)
    sealed = t.encrypt(m, key, data)
    for _ in range(5):
        assert t.encrypt(m, key, data) == sealed
    if shared_memory() is None:
        print('no memory is shared by this transport')
        sys.exit(77)
    assert shared_memory() > 1024
    until = time.monotonic() + 120
    while shared_memory() > 64:
        assert time.monotonic() < until, shared_memory()
        time.sleep(0.2)
    assert t.encrypt(m, key, data) == sealed


own_vault.run(BUILD, globals(), sys.argv[2])
