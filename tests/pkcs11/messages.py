#!/usr/bin/env python3
"""messages.py BUILD TEST: one promise about messages (PKCS#11 3.2 §5.9, §5.11, §5.14, §5.16) and about
keys wrapped with associated data, through the module, with a vault of its own."""
import ctypes
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'support'))

import own_vault  # noqa: E402
from p11 import N, ULONG, Params, buffer, refused, template  # noqa: E402

BUILD = os.path.abspath(sys.argv[1])
AAD = b'associated'


def key(t, value=bytes(range(16)), kind='AES', **usage):
    return t.create(CLASS=N.CKO_SECRET_KEY, KEY_TYPE=getattr(N, f'CKK_{kind}'), VALUE=value, ENCRYPT=True,
                    DECRYPT=True, **usage)


class Aead:
    """Aead is a message's structure, IV and tag where the module finds and puts them."""

    def __init__(self, kind, iv, fixed=0, generator='NO_GENERATE', tag=16, data=0):
        self.iv, self.tag = buffer(iv), buffer(bytes(tag))
        self.iv_n, self.tag_n = len(iv), tag
        g, iv_at, tag_at = getattr(N, f'CKG_{generator}'), ctypes.addressof(self.iv), ctypes.addressof(self.tag)
        layout, values = {
            'AES_GCM': ('puuupu', (iv_at, len(iv), fixed, g, tag_at, tag * 8)),
            'AES_CCM': ('upuuupu', (data, iv_at, len(iv), fixed, g, tag_at, tag)),
            'CHACHA20_POLY1305': ('pup', (iv_at, len(iv) * 8, tag_at)),
        }[kind]
        self.kind, self.params = kind, Params(layout, *values)
        self.at = buffer(self.params.bytes)
        self.n = ULONG(len(self.params.bytes))

    def args(self):
        return self.at, self.n

    def mechanism(self, t):
        return t.mechanism(self.kind, self.params)

    def made(self):
        return self.iv.raw[:self.iv_n], self.tag.raw[:self.tag_n]


def init(t, verb, mechanism, handle):
    t.call(f'C_Message{verb}Init', t.h, mechanism, handle)


def message(t, verb, p, data, room=None, aad=AAD):
    room = len(data) if room is None else room
    out, n = ctypes.create_string_buffer(max(room, 1)), ULONG(room)
    t.call(f'C_{verb}Message', t.h, *p.args(), buffer(aad), ULONG(len(aad)), buffer(data), ULONG(len(data)),
           out, ctypes.byref(n))
    return out.raw[:n.value]


def begin(t, verb, p, aad=AAD):
    t.call(f'C_{verb}MessageBegin', t.h, *p.args(), buffer(aad), ULONG(len(aad)))


def step(t, verb, p, data, last=False, room=None):
    room = len(data) if room is None else room
    out, n = ctypes.create_string_buffer(max(room, 1)), ULONG(room)
    t.call(f'C_{verb}MessageNext', t.h, *p.args(), buffer(data), ULONG(len(data)), out, ctypes.byref(n),
           ULONG(N.CKF_END_OF_MESSAGE if last else 0))
    return out.raw[:n.value]


def final(t, verb):
    t.call(f'C_Message{verb}Final', t.h)


def gcm(iv, tag=128):
    return Params('PuPu', iv, len(iv) * 8, AAD, tag)


def test_a_message_is_an_encryption_with_its_tag_apart(t):
    k, iv = key(t), bytes(range(12))
    init(t, 'Encrypt', t.mechanism('AES_GCM'), k)  # the parameter may come with the messages only
    for data in [b'first', b'', bytes(1000)]:
        p = Aead('AES_GCM', iv)
        sealed = message(t, 'Encrypt', p, data)
        assert sealed + p.made()[1] == t.encrypt(t.mechanism('AES_GCM', gcm(iv)), k, data)
    final(t, 'Encrypt')
    assert refused(final, t, 'Encrypt') == 'CKR_OPERATION_NOT_INITIALIZED'


def indicator(t):
    flags = ULONG(99)
    t.call('C_GetSessionValidationFlags', t.h, ULONG(N.CKS_LAST_VALIDATION_OK), ctypes.byref(flags))
    return flags.value


def test_an_iv_from_outside_is_no_approved_service(t):
    k, iv, m = key(t, SIGN=True, VERIFY=True), bytes(range(12)), t.mechanism('AES_GCM', gcm(bytes(range(12))))
    sealed = t.encrypt(m, k, b'data')
    assert indicator(t) == 0
    assert t.decrypt(m, k, sealed) == b'data'
    assert indicator(t) == 1
    gmac = t.mechanism('AES_GMAC', Params('PuPu', iv, 96, b'', 128))
    mac = t.sign(gmac, k, b'data')
    assert indicator(t) == 0
    t.verify(gmac, k, b'data', mac)
    assert indicator(t) == 1
    init(t, 'Encrypt', t.mechanism('AES_GCM'), k)
    for generator, approved in (('NO_GENERATE', 0), ('GENERATE', 1), ('GENERATE_RANDOM', 1), ('NO_GENERATE', 0)):
        message(t, 'Encrypt', Aead('AES_GCM', iv, 0, generator), b'data')
        assert indicator(t) == approved, generator
    final(t, 'Encrypt')
    wrapping = t.generate(t.mechanism('AES_KEY_GEN'), VALUE_LEN=32, WRAP=True, UNWRAP=True)
    t.wrap(t.mechanism('AES_GCM', gcm(iv)), wrapping, t.generate(t.mechanism('AES_KEY_GEN'), VALUE_LEN=32,
                                                                EXTRACTABLE=True))
    assert indicator(t) == 0


def test_ccm_and_chacha_take_messages_too(t):
    nonce, data = bytes(range(12)), b'some text'
    for kind, k, plain in [
            ('AES_CCM', key(t), Params('uPPu', len(data), nonce, AAD, 16)),
            ('CHACHA20_POLY1305', key(t, bytes(32), 'CHACHA20'), Params('PP', nonce, AAD))]:
        p = Aead(kind, nonce, data=len(data))
        init(t, 'Encrypt', p.mechanism(t), k)
        sealed = message(t, 'Encrypt', p, data)
        assert sealed + p.made()[1] == t.encrypt(t.mechanism(kind, plain), k, data)
        init(t, 'Decrypt', p.mechanism(t), k)
        assert message(t, 'Decrypt', p, sealed) == data
        p.tag[0] = bytes([p.tag.raw[0] ^ 1])
        assert refused(message, t, 'Decrypt', p, sealed) == 'CKR_AEAD_DECRYPT_FAILED'
        final(t, 'Encrypt')
        final(t, 'Decrypt')


def test_a_message_comes_in_parts(t):
    k, p = key(t), Aead('AES_GCM', bytes(12))
    init(t, 'Encrypt', t.mechanism('AES_GCM'), k)
    begin(t, 'Encrypt', p)
    sealed = step(t, 'Encrypt', p, b'one ') + step(t, 'Encrypt', p, b'') + step(t, 'Encrypt', p, b'two', True)
    assert sealed + p.made()[1] == t.encrypt(t.mechanism('AES_GCM', gcm(bytes(12))), k, b'one two')
    init(t, 'Decrypt', t.mechanism('AES_GCM'), k)
    begin(t, 'Decrypt', p)
    assert step(t, 'Decrypt', p, sealed[:5]) == b''  # nothing leaves before the tag is checked
    assert step(t, 'Decrypt', p, sealed[5:], True, 7) == b'one two'
    assert refused(step, t, 'Decrypt', p, b'') == 'CKR_OPERATION_NOT_INITIALIZED'
    final(t, 'Encrypt')
    final(t, 'Decrypt')


def test_too_small_a_buffer_leaves_the_message_as_it_was(t):
    k, p = key(t), Aead('AES_GCM', bytes(12), 0, 'GENERATE_COUNTER')
    init(t, 'Encrypt', t.mechanism('AES_GCM'), k)
    assert refused(message, t, 'Encrypt', p, b'abc', 2) == 'CKR_BUFFER_TOO_SMALL'
    assert message(t, 'Encrypt', p, b'abc') != b'abc'
    assert p.made()[0] == bytes(12)  # the count did not go on for nothing
    begin(t, 'Encrypt', p)
    assert refused(step, t, 'Encrypt', p, b'abc', False, 1) == 'CKR_BUFFER_TOO_SMALL'
    first = step(t, 'Encrypt', p, b'abc')
    assert refused(step, t, 'Encrypt', p, b'def', True, 0) == 'CKR_BUFFER_TOO_SMALL'
    sealed = first + step(t, 'Encrypt', p, b'def', True)
    init(t, 'Decrypt', t.mechanism('AES_GCM'), k)
    assert message(t, 'Decrypt', p, sealed) == b'abcdef'
    begin(t, 'Decrypt', p)
    assert refused(step, t, 'Decrypt', p, sealed, True, 5) == 'CKR_BUFFER_TOO_SMALL'
    assert step(t, 'Decrypt', p, sealed, True) == b'abcdef'


def test_a_counter_begins_at_zero_and_never_anew(t):
    k = key(t)
    init(t, 'Encrypt', t.mechanism('AES_GCM'), k)
    seen = []
    for i in range(3):
        p = Aead('AES_GCM', b'\xaa\xbb\xcc\xdf' + bytes(8), 28, 'GENERATE_COUNTER')
        message(t, 'Encrypt', p, b'x')
        seen.append(p.made()[0])
    assert seen == [b'\xaa\xbb\xcc\xd0' + bytes(7) + bytes([i]) for i in range(3)]
    final(t, 'Encrypt')
    copy = ULONG(0)
    attributes, n = template({'LABEL': b'copy'})
    t.call('C_CopyObject', t.h, k, attributes, n, ctypes.byref(copy))
    for handle in (k, copy):  # neither a new beginning nor another handle
        init(t, 'Encrypt', t.mechanism('AES_GCM'), handle)
        p = Aead('AES_GCM', b'\xaa\xbb\xcc\xdd' + bytes(8), 28, 'GENERATE_COUNTER')
        begin(t, 'Encrypt', p)
        seen.append(p.made()[0])
        step(t, 'Encrypt', p, b'', True)
        final(t, 'Encrypt')
    assert [iv[-1] for iv in seen] == [0, 1, 2, 3, 4]


@own_vault.needs_daemon
def test_a_restart_ends_messages_and_not_the_count(t):
    k, p = key(t, TOKEN=True), Aead('AES_GCM', bytes(12), 0, 'GENERATE_COUNTER')
    init(t, 'Encrypt', t.mechanism('AES_GCM'), k)
    for _ in range(5):
        message(t, 'Encrypt', p, b'x')
    last = p.made()[0]
    own_vault.stop(BUILD)
    assert refused(message, t, 'Encrypt', p, b'x') == 'CKR_DEVICE_ERROR'  # what is lost is not begun anew
    init(t, 'Encrypt', t.mechanism('AES_GCM'), k)
    message(t, 'Encrypt', p, b'x')
    assert p.made()[0] > last


def test_a_counter_that_is_used_up_refuses(t):
    init(t, 'Encrypt', t.mechanism('AES_GCM'), key(t))
    for i in range(256):
        p = Aead('AES_GCM', bytes(12), 88, 'GENERATE_COUNTER')
        message(t, 'Encrypt', p, b'x')
        assert p.made()[0] == bytes(11) + bytes([i])
    assert refused(message, t, 'Encrypt', p, b'x') == 'CKR_TOKEN_RESOURCE_EXCEEDED'
    # Other bits, and fixed ones that look like numbers, could give an IV that was there.
    wider = Aead('AES_GCM', bytes(12), 80, 'GENERATE_COUNTER')
    assert refused(message, t, 'Encrypt', wider, b'x') == 'CKR_MECHANISM_PARAM_INVALID'


def test_all_sessions_share_a_keys_count(t):
    k, seen = key(t), []
    for _ in range(3):
        another = ULONG(0)
        t.call('C_OpenSession', t.slot, ULONG(N.CKF_SERIAL_SESSION | N.CKF_RW_SESSION), None, None,
               ctypes.byref(another))
        own, t.h = t.h, another
        p = Aead('AES_GCM', bytes(12), 32, 'GENERATE_COUNTER')
        init(t, 'Encrypt', t.mechanism('AES_GCM'), k)
        message(t, 'Encrypt', p, b'x')
        seen.append(p.made()[0])
        final(t, 'Encrypt')
        t.call('C_CloseSession', t.h)
        t.h = own
    assert seen == [bytes(11) + bytes([i]) for i in range(3)], seen


def test_a_counter_over_a_base_wants_the_same_base(t):
    base = bytes(range(0x10, 0x1c))
    init(t, 'Encrypt', t.mechanism('AES_GCM'), key(t))
    p = Aead('AES_GCM', base, 32, 'GENERATE_COUNTER_XOR')
    for i in range(3):  # left in place or put there anew: both are the base
        message(t, 'Encrypt', p, b'x')
        assert p.made()[0] == base[:-1] + bytes([base[-1] ^ i])
    message(t, 'Encrypt', Aead('AES_GCM', base, 32, 'GENERATE_COUNTER_XOR'), b'x')
    other = Aead('AES_GCM', bytes(12), 32, 'GENERATE_COUNTER_XOR')
    assert refused(message, t, 'Encrypt', other, b'x') == 'CKR_MECHANISM_PARAM_INVALID'
    plain = Aead('AES_GCM', bytes(12), 32, 'GENERATE_COUNTER')
    assert refused(message, t, 'Encrypt', plain, b'x') == 'CKR_MECHANISM_PARAM_INVALID'


def test_other_generators_keep_the_fixed_bits(t):
    init(t, 'Encrypt', t.mechanism('AES_GCM'), key(t))
    for generator in ('GENERATE', 'GENERATE_RANDOM'):
        seen = set()
        for _ in range(50):
            p = Aead('AES_GCM', b'fixed---------', 40, generator)
            message(t, 'Encrypt', p, b'x')
            assert p.made()[0].startswith(b'fixed')
            seen.add(p.made()[0])
        assert len(seen) == 50
    for fixed, generator in [(96, 'GENERATE'), (97, 'GENERATE_COUNTER'), (64, 'GENERATE_RANDOM')]:
        p = Aead('AES_GCM', bytes(12), fixed, generator)
        assert refused(message, t, 'Encrypt', p, b'x') == 'CKR_MECHANISM_PARAM_INVALID'


def test_a_nonce_of_ccm_is_made_too(t):
    k = key(t)
    init(t, 'Encrypt', t.mechanism('AES_CCM'), k)
    init(t, 'Decrypt', t.mechanism('AES_CCM'), k)
    for i in range(2):
        p = Aead('AES_CCM', bytes(13), 8, 'GENERATE_COUNTER', data=4)
        sealed = message(t, 'Encrypt', p, b'data')
        assert p.made()[0] == bytes(12) + bytes([i])
        assert message(t, 'Decrypt', p, sealed) == b'data'


def test_a_bad_message_ends_and_the_process_goes_on(t):
    k, p = key(t), Aead('AES_GCM', bytes(12))
    init(t, 'Encrypt', t.mechanism('AES_GCM'), k)
    init(t, 'Decrypt', t.mechanism('AES_GCM'), k)
    sealed = message(t, 'Encrypt', p, b'data')
    assert refused(message, t, 'Decrypt', p, b'forged') == 'CKR_AEAD_DECRYPT_FAILED'
    begin(t, 'Decrypt', p, b'other')
    assert refused(step, t, 'Decrypt', p, sealed, True) == 'CKR_AEAD_DECRYPT_FAILED'
    assert refused(step, t, 'Decrypt', p, sealed, True) == 'CKR_OPERATION_NOT_INITIALIZED'
    assert message(t, 'Decrypt', p, sealed) == b'data'
    for wrong in (Aead('AES_GCM', b''), Aead('AES_GCM', bytes(12), tag=3), Aead('AES_CCM', bytes(12))):
        assert refused(message, t, 'Encrypt', wrong, b'data') == 'CKR_MECHANISM_PARAM_INVALID'


def test_one_message_at_a_time(t):
    k, p = key(t), Aead('AES_GCM', bytes(12))
    assert refused(message, t, 'Encrypt', p, b'x') == 'CKR_OPERATION_NOT_INITIALIZED'
    init(t, 'Encrypt', t.mechanism('AES_GCM'), k)
    assert refused(init, t, 'Encrypt', t.mechanism('AES_GCM'), k) == 'CKR_OPERATION_ACTIVE'
    assert refused(step, t, 'Encrypt', p, b'x') == 'CKR_OPERATION_NOT_INITIALIZED'
    begin(t, 'Encrypt', p)
    assert refused(begin, t, 'Encrypt', p) == 'CKR_OPERATION_ACTIVE'
    assert refused(message, t, 'Encrypt', p, b'x') == 'CKR_OPERATION_ACTIVE'
    assert refused(final, t, 'Encrypt') == 'CKR_OPERATION_ACTIVE'
    assert t.encrypt(t.mechanism('AES_GCM', gcm(bytes(12))), k, b'beside it')  # another kind of operation
    t.call('C_MessageEncryptInit', t.h, None, k)
    assert refused(final, t, 'Encrypt') == 'CKR_OPERATION_NOT_INITIALIZED'
    for verb in ('Encrypt', 'Decrypt'):
        init(t, verb, t.mechanism('AES_GCM'), k)
    t.call('C_SessionCancel', t.h, ULONG(N.CKF_MESSAGE_ENCRYPT))
    assert refused(final, t, 'Encrypt') == 'CKR_OPERATION_NOT_INITIALIZED'
    final(t, 'Decrypt')


def hmac_key(t, **more):
    return t.create(CLASS=N.CKO_SECRET_KEY, KEY_TYPE=N.CKK_GENERIC_SECRET, VALUE=bytes(32), SIGN=True,
                    VERIFY=True, **more)


def sign_message(t, data, param=None):
    p, n = (None, 0) if param is None else (buffer(param.bytes), len(param.bytes))
    out, size = ctypes.create_string_buffer(4096), ULONG(4096)
    t.call('C_SignMessage', t.h, p, ULONG(n), buffer(data), ULONG(len(data)), out, ctypes.byref(size))
    return out.raw[:size.value]


def verify_message(t, data, signature, param=None):
    p, n = (None, 0) if param is None else (buffer(param.bytes), len(param.bytes))
    t.call('C_VerifyMessage', t.h, p, ULONG(n), buffer(data), ULONG(len(data)), buffer(signature),
           ULONG(len(signature)))


def sign_next(t, data, room=None):
    if room is None:
        t.call('C_SignMessageNext', t.h, None, ULONG(0), buffer(data), ULONG(len(data)), None, None)
        return b''
    out, n = ctypes.create_string_buffer(max(room, 1)), ULONG(room)
    t.call('C_SignMessageNext', t.h, None, ULONG(0), buffer(data), ULONG(len(data)), out, ctypes.byref(n))
    return out.raw[:n.value]


def verify_next(t, data, signature=None):
    s, n = (None, 0) if signature is None else (buffer(signature), len(signature))
    t.call('C_VerifyMessageNext', t.h, None, ULONG(0), buffer(data), ULONG(len(data)), s, ULONG(n))


def test_messages_are_signed_and_verified(t):
    k, m = hmac_key(t), t.mechanism('SHA256_HMAC')
    want = t.sign(m, k, b'one two')
    init(t, 'Sign', m, k)
    init(t, 'Verify', m, k)
    assert sign_message(t, b'one two') == want
    for _ in range(2):
        t.call('C_SignMessageBegin', t.h, None, ULONG(0))
        sign_next(t, b'one ')
        assert refused(sign_next, t, b'two', 31) == 'CKR_BUFFER_TOO_SMALL'
        assert sign_next(t, b'two', 32) == want
    verify_message(t, b'one two', want)
    assert refused(verify_message, t, b'one too', want) == 'CKR_SIGNATURE_INVALID'
    t.call('C_VerifyMessageBegin', t.h, None, ULONG(0))
    verify_next(t, b'one ')
    verify_next(t, b'two', want)
    assert refused(verify_next, t, b'two', want) == 'CKR_OPERATION_NOT_INITIALIZED'
    verify_message(t, b'one two', want)
    final(t, 'Sign')
    final(t, 'Verify')


def test_large_messages_come_back(t):
    data, k, p = os.urandom(40_000_000), key(t), Aead('AES_GCM', bytes(12))
    init(t, 'Encrypt', t.mechanism('AES_GCM'), k)
    init(t, 'Decrypt', t.mechanism('AES_GCM'), k)
    assert message(t, 'Decrypt', p, message(t, 'Encrypt', p, data)) == data
    h, m = hmac_key(t), t.mechanism('SHA256_HMAC')
    init(t, 'Sign', m, h)
    init(t, 'Verify', m, h)
    signature = sign_message(t, data)
    assert signature == t.sign(m, h, data)
    verify_message(t, data, signature)


def test_a_mac_with_an_iv_wants_one_for_each_message(t):
    k = t.create(CLASS=N.CKO_SECRET_KEY, KEY_TYPE=N.CKK_AES, VALUE=bytes(16), SIGN=True, VERIFY=True)
    first, second = Params('PuPu', bytes(12), 96, b'', 128), Params('PuPu', b'\1' * 12, 96, b'', 128)
    init(t, 'Sign', t.mechanism('AES_GMAC', first), k)
    init(t, 'Verify', t.mechanism('AES_GMAC', first), k)
    assert refused(sign_message, t, b'data') == 'CKR_MECHANISM_PARAM_INVALID'
    macs = [sign_message(t, b'data', p) for p in (first, second)]
    assert macs == [t.sign(t.mechanism('AES_GMAC', p), k, b'data') for p in (first, second)]
    verify_message(t, b'data', macs[1], second)
    assert refused(verify_message, t, b'data', macs[1], first) == 'CKR_SIGNATURE_INVALID'


def test_each_message_is_a_use_of_the_key(t):
    k, p = key(t), Aead('AES_GCM', bytes(12))
    init(t, 'Encrypt', t.mechanism('AES_GCM'), k)
    message(t, 'Encrypt', p, b'x')
    t.set(k, ENCRYPT=False)
    assert refused(message, t, 'Encrypt', p, b'x') == 'CKR_KEY_FUNCTION_NOT_PERMITTED'
    t.set(k, ENCRYPT=True)
    message(t, 'Encrypt', p, b'x')
    t.destroy(k)
    assert refused(message, t, 'Encrypt', p, b'x') == 'CKR_KEY_HANDLE_INVALID'


def test_a_pin_for_each_use_is_one_for_each_message(t):
    public = {'EC_PARAMS': bytes.fromhex('06082a8648ce3d030107'), 'VERIFY': True, 'TOKEN': False}
    private = {'SIGN': True, 'TOKEN': False, 'PRIVATE': True, 'ALWAYS_AUTHENTICATE': True}
    handles = ULONG(0), ULONG(0)
    t.call('C_GenerateKeyPair', t.h, t.mechanism('EC_KEY_PAIR_GEN'), *template(public), *template(private),
           *map(ctypes.byref, handles))
    init(t, 'Sign', t.mechanism('ECDSA_SHA256'), handles[1])
    for _ in range(2):
        assert refused(sign_message, t, b'x') == 'CKR_USER_NOT_LOGGED_IN'
        t.login(N.CKU_CONTEXT_SPECIFIC)
        n = ULONG(0)
        t.call('C_SignMessage', t.h, None, ULONG(0), b'x', ULONG(1), None, ctypes.byref(n))
        assert n.value == 64 == len(sign_message(t, b'x'))


def test_a_logout_ends_messages_under_private_keys(t):
    k = t.create(CLASS=N.CKO_SECRET_KEY, KEY_TYPE=N.CKK_AES, VALUE=bytes(16), ENCRYPT=True, PRIVATE=True)
    init(t, 'Encrypt', t.mechanism('AES_GCM'), k)
    begin(t, 'Encrypt', Aead('AES_GCM', bytes(12)))
    t.call('C_Logout', t.h)
    t.login(N.CKU_USER)
    assert refused(final, t, 'Encrypt') == 'CKR_OPERATION_NOT_INITIALIZED'


def test_mechanisms_tell_what_takes_messages(t):
    class Info(ctypes.Structure):
        _fields_ = [('min', ULONG), ('max', ULONG), ('flags', ULONG)]

    def flags(name):
        info = Info()
        t.call('C_GetMechanismInfo', t.slot, ULONG(getattr(N, f'CKM_{name}')), ctypes.byref(info))
        return info.flags

    crypt = N.CKF_MESSAGE_ENCRYPT | N.CKF_MESSAGE_DECRYPT | N.CKF_MULTI_MESSAGE
    signs = N.CKF_MESSAGE_SIGN | N.CKF_MESSAGE_VERIFY
    assert flags('AES_GCM') & (crypt | signs) == crypt
    assert flags('AES_CBC') & (crypt | signs) == 0
    assert flags('SHA256_HMAC') & (crypt | signs) == signs | N.CKF_MULTI_MESSAGE
    assert flags('SHA256') & (crypt | signs) == 0
    assert refused(init, t, 'Encrypt', t.mechanism('AES_CBC', Params('x', bytes(16))), key(t)) == \
        'CKR_MECHANISM_INVALID'


def wrap(t, p, wrapping, wrapped, aad=AAD, room=64):
    out, n = ctypes.create_string_buffer(max(room, 1)), ULONG(room)
    t.call('C_WrapKeyAuthenticated', t.h, p.mechanism(t), wrapping, wrapped, buffer(aad), ULONG(len(aad)), out,
           ctypes.byref(n))
    return out.raw[:n.value]


def unwrap(t, p, wrapping, blob, aad=AAD, **attributes):
    h = ULONG(0)
    attributes = attributes or {'CLASS': N.CKO_SECRET_KEY, 'KEY_TYPE': N.CKK_AES, 'TOKEN': False,
                                'SENSITIVE': False, 'EXTRACTABLE': True}
    a, n = template(attributes)
    t.call('C_UnwrapKeyAuthenticated', t.h, p.mechanism(t), wrapping, buffer(blob), ULONG(len(blob)), a, n,
           buffer(aad), ULONG(len(aad)), ctypes.byref(h))
    return h


def wrapping_key(t, kind='AES', value=bytes(range(32)), **more):
    return t.create(CLASS=N.CKO_SECRET_KEY, KEY_TYPE=getattr(N, f'CKK_{kind}'), VALUE=value, WRAP=True,
                    UNWRAP=True, ENCRYPT=True, **more)


def test_a_key_is_wrapped_with_associated_data(t):
    k = t.create(CLASS=N.CKO_SECRET_KEY, KEY_TYPE=N.CKK_AES, VALUE=bytes(range(24)), EXTRACTABLE=True,
                 SENSITIVE=False)
    for kind, wk in [('AES_GCM', wrapping_key(t)), ('AES_CCM', wrapping_key(t)),
                     ('CHACHA20_POLY1305', wrapping_key(t, 'CHACHA20'))]:
        p = Aead(kind, bytes(12), 0, 'GENERATE', data=24)
        assert refused(wrap, t, p, wk, k, AAD, 23) == 'CKR_BUFFER_TOO_SMALL'
        blob = wrap(t, p, wk, k)
        assert len(blob) == 24
        assert t.get(unwrap(t, p, wk, blob), 'VALUE') == bytes(range(24))
        assert refused(unwrap, t, p, wk, blob, b'other') == 'CKR_WRAPPED_KEY_INVALID'
        assert refused(unwrap, t, p, wk, blob[:-1] + b'?') == 'CKR_WRAPPED_KEY_INVALID'
        p.tag[0] = bytes([p.tag.raw[0] ^ 1])
        assert refused(unwrap, t, p, wk, blob) == 'CKR_WRAPPED_KEY_INVALID'
    assert p.made()[0] == bytes(12)  # ChaCha20's structure names no generator


def test_an_authenticated_wrap_is_what_the_cipher_makes(t):
    wk, value = wrapping_key(t), bytes(range(16))
    p = Aead('AES_GCM', bytes(range(12)))
    blob = wrap(t, p, wk, t.create(CLASS=N.CKO_SECRET_KEY, KEY_TYPE=N.CKK_AES, VALUE=value, EXTRACTABLE=True))
    assert blob + p.made()[1] == t.encrypt(t.mechanism('AES_GCM', gcm(bytes(range(12)))), wk, value)


def test_rules_of_wrapping_hold_with_associated_data(t):
    p, wk = Aead('AES_GCM', bytes(12), 0, 'GENERATE'), wrapping_key(t)
    bound = t.create(CLASS=N.CKO_SECRET_KEY, KEY_TYPE=N.CKK_AES, VALUE=bytes(16), EXTRACTABLE=False)
    assert refused(wrap, t, p, wk, bound) == 'CKR_KEY_UNEXTRACTABLE'
    picky = t.create(CLASS=N.CKO_SECRET_KEY, KEY_TYPE=N.CKK_AES, VALUE=bytes(16), EXTRACTABLE=True,
                     WRAP_WITH_TRUSTED=True)
    assert refused(wrap, t, p, wk, picky) == 'CKR_KEY_NOT_WRAPPABLE'
    free = t.create(CLASS=N.CKO_SECRET_KEY, KEY_TYPE=N.CKK_AES, VALUE=bytes(16), EXTRACTABLE=True)
    choosy = wrapping_key(t, WRAP_TEMPLATE={'LABEL': b'this one'})
    assert refused(wrap, t, p, choosy, free) == 'CKR_KEY_HANDLE_INVALID'
    assert refused(wrap, t, p, key(t, WRAP=False), free) == 'CKR_KEY_FUNCTION_NOT_PERMITTED'
    ruled = wrapping_key(t, UNWRAP_TEMPLATE={'EXTRACTABLE': False})
    blob = wrap(t, p, ruled, free)
    conflict = {'CLASS': N.CKO_SECRET_KEY, 'KEY_TYPE': N.CKK_AES, 'TOKEN': False, 'EXTRACTABLE': True}
    assert refused(unwrap, t, p, ruled, blob, **conflict) == 'CKR_TEMPLATE_INCONSISTENT'
    del conflict['EXTRACTABLE']
    assert t.get(unwrap(t, p, ruled, blob, **conflict), 'EXTRACTABLE') == b'\0'


def test_wrap_parameters_put_the_tag_behind(t):
    wk, value = wrapping_key(t), bytes(range(16))
    k = t.create(CLASS=N.CKO_SECRET_KEY, KEY_TYPE=N.CKK_AES, VALUE=value, EXTRACTABLE=True)
    iv = buffer(b'fixd' + bytes(8))
    at = ctypes.addressof(iv)
    counter = N.CKG_GENERATE_COUNTER
    for kind, params in [('AES_GCM', Params('puuuPu', at, 12, 32, counter, AAD, 128)),
                         ('AES_CCM', Params('upuuuPu', 16, at, 12, 32, counter, AAD, 16))]:
        m = t.mechanism(kind, params)
        n = ULONG(0)
        t.call('C_WrapKey', t.h, m, wk, k, None, ctypes.byref(n))
        blob = t.wrap(m, wk, k)
        assert n.value == len(blob) == 32 and iv.raw[:4] == b'fixd'
        h = t.unwrap(m, wk, blob, CLASS=N.CKO_SECRET_KEY, KEY_TYPE=N.CKK_AES, SENSITIVE=False, EXTRACTABLE=True)
        assert t.get(h, 'VALUE') == value
    assert iv.raw[:12] == b'fixd' + bytes(7) + b'\1'  # one count a key, whatever the mode


own_vault.run(BUILD, globals(), sys.argv[2])
