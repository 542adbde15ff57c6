#!/usr/bin/env python3
"""attributes.py BUILD TEST: attributes that are policy hold for any program, and keys come in in
every form. Each test says what is allowed and what is refused."""
import ctypes
import os
import subprocess
import sys
import time

for folder in ('support', 'vectors'):
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', folder))

import der  # noqa: E402
import own_vault  # noqa: E402
from p11 import N, ULONG, Params, buffer, refused, template  # noqa: E402

BUILD = os.path.abspath(sys.argv[1])
P256 = bytes.fromhex('06082a8648ce3d030107')
READABLE = {'CLASS': N.CKO_SECRET_KEY, 'SENSITIVE': False, 'EXTRACTABLE': True}
KWP = 'AES_KEY_WRAP_KWP'


def aes(t, value=bytes(range(16)), **more):
    return t.create(**{'CLASS': N.CKO_SECRET_KEY, 'KEY_TYPE': N.CKK_AES, 'VALUE': value, 'WRAP': True,
                       'UNWRAP': True, 'EXTRACTABLE': True, **more})


def generic(t, value=bytes(32), **more):
    return t.create(CLASS=N.CKO_SECRET_KEY, KEY_TYPE=N.CKK_GENERIC_SECRET, VALUE=value, DERIVE=True, **more)


def pair(t, mech, public, private):
    halves = ULONG(0), ULONG(0)
    pub, priv = template({'TOKEN': False, **public}), template({'TOKEN': False, **private})
    t.call('C_GenerateKeyPair', t.h, t.mechanism(mech), *pub, *priv, *map(ctypes.byref, halves))
    return halves


def cbc(t):
    return t.mechanism('AES_CBC_PAD', Params('x', bytes(16)))


def test_allowed_mechanisms_are_all_that_a_key_does(t):
    key = aes(t, ENCRYPT=True, ALLOWED_MECHANISMS=[N.CKM_AES_CBC_PAD, N.CKM_AES_CTR])
    assert t.encrypt(cbc(t), key, b'data')
    assert refused(t.encrypt, t.mechanism('AES_ECB'), key, bytes(16)) == 'CKR_MECHANISM_INVALID'
    assert refused(t.wrap, t.mechanism(KWP), key, aes(t)) == 'CKR_MECHANISM_INVALID'
    assert refused(t.set, key, ALLOWED_MECHANISMS=[N.CKM_AES_ECB]) == 'CKR_ATTRIBUTE_READ_ONLY'
    assert t.get(key, 'ALLOWED_MECHANISMS') == b''.join(
        m.to_bytes(8, 'little') for m in (N.CKM_AES_CBC_PAD, N.CKM_AES_CTR))


def test_allowed_mechanisms_hold_for_a_second_key_too(t):
    base = generic(t, b'one')
    for allowed, want in ((N.CKM_CONCATENATE_BASE_AND_KEY, 'CKR_OK'),
                          (N.CKM_SHA256_HMAC, 'CKR_MECHANISM_INVALID')):
        other = generic(t, b'two', ALLOWED_MECHANISMS=[allowed])
        joined = t.mechanism('CONCATENATE_BASE_AND_KEY', Params('u', other.value))
        assert refused(t.derive, joined, base, KEY_TYPE=N.CKK_GENERIC_SECRET, **READABLE) == want


def test_allowed_mechanisms_hold_for_a_digested_key(t):
    for allowed, want in ((N.CKM_SHA256, 'CKR_OK'), (N.CKM_SHA256_HMAC, 'CKR_MECHANISM_INVALID')):
        key = generic(t, ALLOWED_MECHANISMS=[allowed])
        t.call('C_DigestInit', t.h, t.mechanism('SHA256'))
        assert refused(t.call, 'C_DigestKey', t.h, key) == want
        t.call('C_SessionCancel', t.h, ULONG(N.CKF_DIGEST))


def test_only_a_trusted_key_wraps_what_wants_one(t):
    wraps = aes(t, TOKEN=True, MODIFIABLE=True)
    precious = aes(t, bytes(16), WRAP_WITH_TRUSTED=True)
    assert refused(t.wrap, t.mechanism(KWP), wraps, precious) == 'CKR_KEY_NOT_WRAPPABLE'
    assert refused(t.set, wraps, TRUSTED=True) != 'CKR_OK'
    assert refused(aes, t, TRUSTED=True) != 'CKR_OK'
    assert refused(t.set, precious, WRAP_WITH_TRUSTED=False) == 'CKR_ATTRIBUTE_READ_ONLY'
    t.call('C_Logout', t.h)
    t.login(N.CKU_SO)
    t.set(wraps, TRUSTED=True)
    t.call('C_Logout', t.h)
    t.login(N.CKU_USER)
    assert t.wrap(t.mechanism(KWP), wraps, aes(t, bytes(16), WRAP_WITH_TRUSTED=True))


def test_a_wrap_template_chooses_what_is_wrapped(t):
    wraps = aes(t, WRAP_TEMPLATE={'KEY_TYPE': N.CKK_AES, 'LABEL': b'goes out'})
    assert t.wrap(t.mechanism(KWP), wraps, aes(t, LABEL=b'goes out'))
    assert refused(t.wrap, t.mechanism(KWP), wraps, aes(t, LABEL=b'stays')) == 'CKR_KEY_HANDLE_INVALID'
    assert refused(t.wrap, t.mechanism(KWP), wraps, generic(t, EXTRACTABLE=True, LABEL=b'goes out')) == (
        'CKR_KEY_HANDLE_INVALID')


def rules(t, make):
    """rules: what comes of make obeys {EXTRACTABLE: False, LABEL: ruled}, and no template gainsays it."""
    made = make(KEY_TYPE=N.CKK_AES, VALUE_LEN=16, CLASS=N.CKO_SECRET_KEY)
    assert t.get(made, 'EXTRACTABLE') == b'\0' and t.get(made, 'LABEL') == b'ruled'
    assert make(KEY_TYPE=N.CKK_AES, VALUE_LEN=16, CLASS=N.CKO_SECRET_KEY, EXTRACTABLE=False)
    assert refused(make, KEY_TYPE=N.CKK_AES, VALUE_LEN=16, CLASS=N.CKO_SECRET_KEY, EXTRACTABLE=True) == (
        'CKR_TEMPLATE_INCONSISTENT')


RULED = {'EXTRACTABLE': False, 'LABEL': b'ruled'}


def test_an_unwrap_template_rules_what_is_unwrapped(t):
    wraps = aes(t, UNWRAP_TEMPLATE=RULED)
    wrapped = t.wrap(t.mechanism(KWP), wraps, aes(t))

    def make(VALUE_LEN, **attributes):
        return t.unwrap(t.mechanism(KWP), wraps, wrapped, **attributes)

    rules(t, make)


def test_a_derive_template_rules_what_is_derived(t):
    base = generic(t, DERIVE_TEMPLATE=RULED)
    rules(t, lambda **a: t.derive(t.mechanism('SHA256_KEY_DERIVATION'), base, **a))


def test_each_base_of_a_derivation_rules_what_is_derived(t):
    other = generic(t, DERIVE_TEMPLATE=RULED)
    joined = t.mechanism('CONCATENATE_BASE_AND_KEY', Params('u', other.value))
    rules(t, lambda **a: t.derive(joined, generic(t), **a))
    contrary = generic(t, DERIVE_TEMPLATE={'LABEL': b'else'})
    assert refused(t.derive, joined, contrary, KEY_TYPE=N.CKK_AES, VALUE_LEN=16, CLASS=N.CKO_SECRET_KEY) == (
        'CKR_TEMPLATE_INCONSISTENT')


def test_templates_of_a_kem_rule_what_it_gives(t):
    public, private = pair(t, 'ML_KEM_KEY_PAIR_GEN', {'PARAMETER_SET': N.CKP_ML_KEM_768, 'ENCAPSULATE': True,
                                                      'ENCAPSULATE_TEMPLATE': RULED},
                           {'DECAPSULATE': True, 'DECAPSULATE_TEMPLATE': RULED})
    kem = t.mechanism('ML_KEM')
    rules(t, lambda **a: t.encapsulate(kem, public, **a)[1])
    ciphertext = t.encapsulate(kem, public, KEY_TYPE=N.CKK_AES, VALUE_LEN=16, CLASS=N.CKO_SECRET_KEY)[0]
    rules(t, lambda **a: t.decapsulate(kem, private, ciphertext, **a))


def test_templates_nest_so_deep_and_no_deeper(t):
    inner, worked = {'LABEL': b'deep'}, 0
    for depth in range(1, 40):
        inner = {'UNWRAP_TEMPLATE': inner}
        if refused(aes, t, **inner) == 'CKR_OK':
            worked = depth
    assert worked == 4
    many = {name: b'' for name in [n[4:] for n in dir(N) if n.startswith('CKA_')]}
    assert refused(aes, t, UNWRAP_TEMPLATE=many) != 'CKR_OK'


def test_always_authenticate_wants_the_pin_for_each_use(t):
    _, private = pair(t, 'EC_KEY_PAIR_GEN', {'EC_PARAMS': P256},
                      {'SIGN': True, 'PRIVATE': True, 'ALWAYS_AUTHENTICATE': True})
    m = t.mechanism('ECDSA_SHA256')
    assert refused(t.sign, m, private, b'data') == 'CKR_USER_NOT_LOGGED_IN'
    assert refused(t.login, N.CKU_CONTEXT_SPECIFIC) == 'CKR_OPERATION_NOT_INITIALIZED'
    for pin, want in ((b'12345678', 'CKR_OK'), (b'87654321', 'CKR_PIN_INCORRECT')):
        t.call('C_SignInit', t.h, m, private)
        assert refused(t.login, N.CKU_CONTEXT_SPECIFIC, pin) == want
        out, n = buffer(bytes(100)), ULONG(100)
        sign = refused(t.call, 'C_Sign', t.h, b'data', ULONG(4), out, ctypes.byref(n))
        assert (sign == 'CKR_OK') == (want == 'CKR_OK'), sign
        t.call('C_SessionCancel', t.h, ULONG(N.CKF_SIGN))
    assert refused(t.sign, m, private, b'data') == 'CKR_USER_NOT_LOGGED_IN'
    assert refused(pair, t, 'EC_KEY_PAIR_GEN', {'EC_PARAMS': P256},
                   {'PRIVATE': False, 'ALWAYS_AUTHENTICATE': True}) == 'CKR_TEMPLATE_INCONSISTENT'


def guarded_pair(t, **private):
    """guarded_pair is a P-256 pair whose private key has the PIN 12345678-key of its own."""
    public, key = pair(t, 'EC_KEY_PAIR_GEN', {'EC_PARAMS': P256, 'VERIFY': True},
                       {'SIGN': True, 'DERIVE': True, 'PRIVATE': True, 'TOKEN': True, 'SENSITIVE': True,
                        'EXTRACTABLE': False, 'LABEL': b'guarded', **private})
    with open(os.environ['HOLDFAST_HOME'] + '/key-pin', 'w', encoding='ascii') as f:
        f.write('12345678-key\n')
    cli('key', 'pin', '--key', 'guarded', '--pin-file', '@', '--key-pin-file', f.name)
    return public, key


def signed(t):
    out, n = buffer(bytes(100)), ULONG(100)
    t.call('C_Sign', t.h, b'data', ULONG(4), out, ctypes.byref(n))
    return out.raw[:n.value]


@own_vault.needs_daemon
def test_a_keys_own_pin_is_given_to_its_operation(t):
    public, key = guarded_pair(t)
    m = t.mechanism('ECDSA_SHA256')
    assert refused(t.sign, m, key, b'data') == 'CKR_USER_NOT_LOGGED_IN'
    t.call('C_SignInit', t.h, m, key)
    assert refused(t.login, N.CKU_CONTEXT_SPECIFIC) == 'CKR_PIN_INCORRECT'  # the user's
    assert refused(signed, t) == 'CKR_USER_NOT_LOGGED_IN'
    assert refused(signed, t) == 'CKR_OPERATION_NOT_INITIALIZED'
    t.call('C_SignInit', t.h, m, key)
    t.login(N.CKU_CONTEXT_SPECIFIC, b'12345678-key')
    t.verify(m, public, b'data', signed(t))
    t.sign(m, key, b'data')  # the session has it until the logout
    t.call('C_Logout', t.h)
    t.login(N.CKU_USER)
    assert refused(t.sign, m, key, b'data') == 'CKR_USER_NOT_LOGGED_IN'


@own_vault.needs_daemon
def test_a_keys_own_pin_follows_a_refused_derivation(t):
    public, key = guarded_pair(t)
    m = t.mechanism('ECDH1_DERIVE', Params('uLL', N.CKD_NULL, b'', t.get(public, 'EC_POINT')[2:]))
    made = {'CLASS': N.CKO_SECRET_KEY, 'KEY_TYPE': N.CKK_AES, 'VALUE_LEN': 16}
    assert refused(t.derive, m, key, **made) == 'CKR_USER_NOT_LOGGED_IN'
    t.login(N.CKU_CONTEXT_SPECIFIC, b'12345678-key')
    t.derive(m, key, **made)


@own_vault.needs_daemon
def test_a_keys_own_pin_locks_alone(t):
    _, key = guarded_pair(t)
    m = t.mechanism('ECDSA_SHA256')
    t.call('C_SignInit', t.h, m, key)
    for _ in range(10):
        assert refused(t.login, N.CKU_CONTEXT_SPECIFIC, b'wrong') == 'CKR_PIN_INCORRECT'
    assert refused(t.login, N.CKU_CONTEXT_SPECIFIC, b'12345678-key') == 'CKR_PIN_LOCKED'
    assert refused(signed, t) == 'CKR_USER_NOT_LOGGED_IN'
    t.call('C_Logout', t.h)
    t.login(N.CKU_USER)


@own_vault.needs_daemon
def test_always_authenticate_wants_a_keys_own_pin_where_it_has_one(t):
    _, key = guarded_pair(t, ALWAYS_AUTHENTICATE=True)
    m = t.mechanism('ECDSA_SHA256')
    for _ in range(2):
        t.call('C_SignInit', t.h, m, key)
        assert refused(t.login, N.CKU_CONTEXT_SPECIFIC) == 'CKR_PIN_INCORRECT'
        t.login(N.CKU_CONTEXT_SPECIFIC, b'12345678-key')
        assert len(signed(t)) == 64
    assert refused(t.sign, m, key, b'data') == 'CKR_USER_NOT_LOGGED_IN'


@own_vault.needs_daemon
def test_messages_want_a_keys_own_pin(t):
    _, key = guarded_pair(t)
    out, n = buffer(bytes(100)), ULONG(100)
    sign = lambda: t.call('C_SignMessage', t.h, None, ULONG(0), b'data', ULONG(4), out, ctypes.byref(n))
    t.call('C_MessageSignInit', t.h, t.mechanism('ECDSA_SHA256'), key)
    assert refused(sign) == 'CKR_USER_NOT_LOGGED_IN'
    t.login(N.CKU_CONTEXT_SPECIFIC, b'12345678-key')
    sign()
    assert n.value == 64


def cli(*args):
    pins = os.environ['HOLDFAST_HOME'] + '/pins'
    with open(pins, 'w', encoding='ascii') as f:
        f.write('12345678\n')
    subprocess.run([f'{BUILD}/holdfast', *[a.replace('@', pins) for a in args]], check=True)


def day(days):
    return time.strftime('%Y%m%d', time.gmtime(time.time() + days * 86400)).encode()


@own_vault.needs_daemon
def test_dates_are_enforced_where_the_policy_says_so(t):
    keys = {(start, end): aes(t, ENCRYPT=True, START_DATE=day(start), END_DATE=day(end))
            for start, end in ((-2, 2), (-3, -2), (2, 3))}
    assert all(t.encrypt(cbc(t), k, b'data') for k in keys.values())
    cli('policy', 'set', 'dates-enforced=yes', '--so-pin-file', '@', '--yes')
    for (start, end), k in keys.items():
        works = refused(t.encrypt, cbc(t), k, b'data') == 'CKR_OK'
        assert works == (start < 0 < end), (start, end)
    assert refused(aes, t, START_DATE=day(2), END_DATE=day(1)) == 'CKR_TEMPLATE_INCONSISTENT'
    assert refused(aes, t, START_DATE=b'20261') == 'CKR_ATTRIBUTE_VALUE_INVALID'


@own_vault.needs_daemon
def test_a_limit_of_uses_ends_a_key(t):
    key = aes(t, TOKEN=True, PRIVATE=True, LABEL=b'thrice', ENCRYPT=True)
    cli('key', 'guard', '--key', 'thrice', '--count', '3', '--pin-file', '@')
    uses = [refused(t.encrypt, cbc(t), key, b'data') for _ in range(4)]
    assert uses[:3] == ['CKR_OK'] * 3 and uses[3] != 'CKR_OK', uses


def test_what_the_token_says_of_a_key_nobody_sets(t):
    public, private = pair(t, 'EC_KEY_PAIR_GEN', {'EC_PARAMS': P256}, {})
    ids = {t.get(h, 'UNIQUE_ID') for h in (public, private, aes(t))}
    assert len(ids) == 3 and all(ids)
    info = t.get(public, 'PUBLIC_KEY_INFO')
    assert info == t.get(private, 'PUBLIC_KEY_INFO') and info.endswith(t.get(public, 'EC_POINT')[2:])
    assert int.from_bytes(t.get(private, 'OBJECT_VALIDATION_FLAGS'), 'little') == 0
    refusals = ('CKR_ATTRIBUTE_READ_ONLY', 'CKR_ATTRIBUTE_TYPE_INVALID', 'CKR_TEMPLATE_INCONSISTENT')
    told = {'UNIQUE_ID': b'mine', 'OBJECT_VALIDATION_FLAGS': 1, 'LOCAL': True, 'ALWAYS_SENSITIVE': True,
            'NEVER_EXTRACTABLE': True, 'KEY_GEN_MECHANISM': N.CKM_AES_KEY_GEN, 'PROFILE_ID': 1}
    imported = aes(t)
    for name, value in told.items():
        assert refused(aes, t, **{name: value}) in refusals
        assert refused(t.set, imported, **{name: value}) in refusals
    copy = ULONG(0)
    t.call('C_CopyObject', t.h, private, None, ULONG(0), ctypes.byref(copy))
    assert t.get(copy, 'UNIQUE_ID') not in ids
    assert refused(t.create, CLASS=N.CKO_PROFILE, PROFILE_ID=1) != 'CKR_OK'


def found(t, **attributes):
    t.call('C_FindObjectsInit', t.h, *template(attributes))
    handles, n = (ULONG * 64)(), ULONG(0)
    t.call('C_FindObjects', t.h, handles, ULONG(64), ctypes.byref(n))
    t.call('C_FindObjectsFinal', t.h)
    return [ULONG(h) for h in handles[:n.value]]


def test_what_the_token_claims_of_itself_is_true(t):
    profiles = found(t, CLASS=N.CKO_PROFILE)
    claimed = {int.from_bytes(t.get(h, 'PROFILE_ID'), 'little') for h in profiles}
    assert {N.CKP_BASELINE_PROVIDER, N.CKP_EXTENDED_PROVIDER} <= claimed and len(claimed) == len(profiles)
    assert refused(t.set, profiles[0], PROFILE_ID=N.CKP_COMPLETE_PROVIDER) != 'CKR_OK'
    assert refused(t.destroy, profiles[0]) != 'CKR_OK'
    assert found(t, CLASS=N.CKO_VALIDATION) == []  # nobody has validated it
    assert found(t, CLASS=N.CKO_HW_FEATURE, HW_FEATURE_TYPE=N.CKH_USER_INTERFACE) == []  # it has no screen
    assert len(found(t, CLASS=N.CKO_HW_FEATURE, HW_FEATURE_TYPE=N.CKH_CLOCK)) == 1
    for cko in (N.CKO_VALIDATION, N.CKO_HW_FEATURE, N.CKO_MECHANISM, N.CKO_PROFILE):
        assert refused(t.create, CLASS=cko) != 'CKR_OK'


def test_a_trust_object_says_whom_it_trusts_for_what(t):
    names = {'CLASS': N.CKO_TRUST, 'ISSUER': b'\x30\0', 'SERIAL_NUMBER': b'\2\1\1'}
    hashed = {'HASH_OF_CERTIFICATE': bytes(32), 'NAME_HASH_ALGORITHM': N.CKM_SHA256}
    trust = t.create(**names, **hashed, TRUST_SERVER_AUTH=N.CKT_TRUSTED)
    assert [h.value for h in found(t, **names)] == [trust.value]
    assert int.from_bytes(t.get(trust, 'TRUST_CODE_SIGNING'), 'little') == N.CKT_TRUST_UNKNOWN
    t.set(trust, TRUST_CODE_SIGNING=N.CKT_NOT_TRUSTED)
    assert refused(t.create, **names, TRUST_SERVER_AUTH=N.CKT_TRUSTED) == 'CKR_TEMPLATE_INCOMPLETE'
    assert refused(t.create, **names, **hashed, TRUST_SERVER_AUTH=99) == 'CKR_ATTRIBUTE_VALUE_INVALID'
    assert refused(t.create, CLASS=N.CKO_TRUST, **hashed) == 'CKR_TEMPLATE_INCOMPLETE'


# --- keys come in in every form ---

def exported(t, key, *names):
    return {name: t.get(key, name) for name in names}


OPEN = {'SENSITIVE': False, 'EXTRACTABLE': True, 'PRIVATE': False}


def test_rsa_comes_with_and_without_its_primes(t):
    public, private = pair(t, 'RSA_PKCS_KEY_PAIR_GEN', {'MODULUS_BITS': 2048}, OPEN)
    base = {'CLASS': N.CKO_PRIVATE_KEY, 'KEY_TYPE': N.CKK_RSA, 'SIGN': True}
    least = exported(t, private, 'MODULUS', 'PRIVATE_EXPONENT')
    e = exported(t, private, 'PUBLIC_EXPONENT')
    primes = exported(t, private, 'PRIME_1', 'PRIME_2')
    crt = exported(t, private, 'EXPONENT_1', 'EXPONENT_2', 'COEFFICIENT')
    m = t.mechanism('SHA256_RSA_PKCS')
    for form in ({**least, **e}, {**least, **e, **primes}, {**least, **e, **primes, **crt}):
        t.verify(m, public, b'data', t.sign(m, t.create(**base, **form), b'data'))
    wrong = {**least, **e, **primes, 'PRIME_1': primes['PRIME_2']}
    other = {**least, **e, **primes, **crt, 'EXPONENT_1': crt['EXPONENT_2']}
    for bad in (wrong, other, {**least, **e, 'PRIVATE_EXPONENT': least['PRIVATE_EXPONENT'][:-1] + b'\0'}):
        assert refused(t.create, **base, **bad) == 'CKR_ATTRIBUTE_VALUE_INVALID'
    assert refused(t.create, **base, MODULUS=least['MODULUS']) == 'CKR_TEMPLATE_INCOMPLETE'


def test_points_come_raw_and_in_der(t):
    for mech, kind, params, sign in (
            ('EC_KEY_PAIR_GEN', N.CKK_EC, P256, 'ECDSA_SHA256'),
            ('EC_EDWARDS_KEY_PAIR_GEN', N.CKK_EC_EDWARDS, bytes.fromhex('06032b6570'), 'EDDSA')):
        public, private = pair(t, mech, {'EC_PARAMS': params}, {})
        point = t.get(public, 'EC_POINT')
        raw = point[2:] if len(point) in (67, 34) else point
        signature = t.sign(t.mechanism(sign), private, b'data')
        base = {'CLASS': N.CKO_PUBLIC_KEY, 'KEY_TYPE': kind, 'EC_PARAMS': params, 'VERIFY': True}
        for form in (raw, bytes([4, len(raw)]) + raw):
            t.verify(t.mechanism(sign), t.create(**base, EC_POINT=form), b'data', signature)
        for bad in (raw[:-1], bytes([4, len(raw) + 1]) + raw, b''):
            assert refused(t.create, **base, EC_POINT=bad) in (
                'CKR_ATTRIBUTE_VALUE_INVALID', 'CKR_PUBLIC_KEY_INVALID')


def pkcs8(*args):
    der = subprocess.run(['openssl', 'genpkey', *args, '-outform', 'DER'], check=True,
                         capture_output=True).stdout
    return subprocess.run(['openssl', 'pkcs8', '-topk8', '-nocrypt', '-inform', 'DER', '-outform', 'DER'],
                          input=der, check=True, capture_output=True).stdout


def test_pkcs8_made_elsewhere_is_unwrapped(t):
    wraps = aes(t, ENCRYPT=True)
    for kind, mech, args in (
            (N.CKK_RSA, 'SHA256_RSA_PKCS', ('-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048')),
            (N.CKK_EC, 'ECDSA_SHA256', ('-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256')),
            (N.CKK_EC_EDWARDS, 'EDDSA', ('-algorithm', 'ED25519'))):
        made = pkcs8(*args)
        m = t.mechanism('AES_CBC_PAD', Params('x', bytes(16)))
        key = t.unwrap(m, wraps, t.encrypt(m, wraps, made), CLASS=N.CKO_PRIVATE_KEY, KEY_TYPE=kind, SIGN=True)
        assert t.sign(t.mechanism(mech), key, b'data')
        for bad in (made[:-1], made + b'\1', made[:20], b'\x30\x80' + made[2:]):
            assert refused(t.unwrap, m, wraps, t.encrypt(m, wraps, bad), CLASS=N.CKO_PRIVATE_KEY,
                           KEY_TYPE=kind) != 'CKR_OK'
        other = N.CKK_EC if kind == N.CKK_RSA else N.CKK_RSA
        assert refused(t.unwrap, m, wraps, t.encrypt(m, wraps, made), CLASS=N.CKO_PRIVATE_KEY,
                       KEY_TYPE=other) != 'CKR_OK'


def pkcs8_of(oid_end, private):
    """pkcs8_of is a PrivateKeyInfo of NIST's arc 2.16.840.1.101.3.4 by hand (RFC 9881, 9909, 9935)."""
    algorithm = der.put(0x30, der.put(6, bytes.fromhex('608648016503') + bytes([4, *oid_end])))
    return der.put(0x30, der.put(2, b'\0') + algorithm + der.put(4, private))


def seed_or_value(seed, value):
    """seed_or_value yields the three forms of a lattice key: seed, expanded, both."""
    yield der.put(0x80, seed)
    yield der.put(4, value)
    yield der.put(0x30, der.put(4, seed) + der.put(4, value))


QUANTUM = [  # (mechanism, key type, parameter set, the OID's end)
    ('ML_DSA_KEY_PAIR_GEN', N.CKK_ML_DSA, N.CKP_ML_DSA_65, (3, 18)),
    ('ML_KEM_KEY_PAIR_GEN', N.CKK_ML_KEM, N.CKP_ML_KEM_512, (4, 1)),
    ('SLH_DSA_KEY_PAIR_GEN', N.CKK_SLH_DSA, N.CKP_SLH_DSA_SHA2_128F, (3, 21)),
]


def test_pkcs8_of_keys_against_quantum_computers_is_unwrapped(t):
    wraps, m = aes(t, ENCRYPT=True), t.mechanism('AES_CBC_PAD', Params('x', bytes(16)))
    for mech, kind, set_, oid_end in QUANTUM:
        pub, priv = pair(t, mech, {'PARAMETER_SET': set_}, {'SENSITIVE': False, 'EXTRACTABLE': True})
        value, info = t.get(priv, 'VALUE'), t.get(pub, 'PUBLIC_KEY_INFO')
        forms = [value] if kind == N.CKK_SLH_DSA else list(seed_or_value(t.get(priv, 'SEED'), value))
        for form in forms:
            data = pkcs8_of(oid_end, form)
            key = t.unwrap(m, wraps, t.encrypt(m, wraps, data), CLASS=N.CKO_PRIVATE_KEY, KEY_TYPE=kind,
                           SENSITIVE=False, EXTRACTABLE=True)
            assert t.get(key, 'VALUE') == value and t.get(key, 'PUBLIC_KEY_INFO') == info, mech
            for bad in (pkcs8_of(oid_end, form[:-1]), pkcs8_of((3, 99), form), data[:-1]):
                assert refused(t.unwrap, m, wraps, t.encrypt(m, wraps, bad), CLASS=N.CKO_PRIVATE_KEY,
                               KEY_TYPE=kind) == 'CKR_WRAPPED_KEY_INVALID', mech
        if kind != N.CKK_SLH_DSA:
            wrong = der.put(0x30, der.put(4, bytes(len(t.get(priv, 'SEED')))) + der.put(4, value))
            assert refused(t.unwrap, m, wraps, t.encrypt(m, wraps, pkcs8_of(oid_end, wrong)),
                           CLASS=N.CKO_PRIVATE_KEY, KEY_TYPE=kind) == 'CKR_WRAPPED_KEY_INVALID', mech


def test_lattice_keys_come_as_seed_expanded_or_both(t):
    for gen, kind, size in (('ML_DSA_KEY_PAIR_GEN', N.CKK_ML_DSA, N.CKP_ML_DSA_44),
                            ('ML_KEM_KEY_PAIR_GEN', N.CKK_ML_KEM, N.CKP_ML_KEM_512)):
        _, made = pair(t, gen, {'PARAMETER_SET': size}, OPEN)
        _, another = pair(t, gen, {'PARAMETER_SET': size}, OPEN)
        base = {'CLASS': N.CKO_PRIVATE_KEY, 'KEY_TYPE': kind, 'PARAMETER_SET': size, **OPEN}
        seed, value = t.get(made, 'SEED'), t.get(made, 'VALUE')
        for form in ({'SEED': seed}, {'VALUE': value}, {'SEED': seed, 'VALUE': value}):
            assert t.get(t.create(**base, **form), 'VALUE') == value
        other = t.get(another, 'SEED')
        for bad in ({'SEED': other, 'VALUE': value}, {'SEED': seed[:-1]}, {'VALUE': value[:-1]}):
            assert refused(t.create, **base, **bad) == 'CKR_ATTRIBUTE_VALUE_INVALID'
        hidden = t.create(**{**base, 'SENSITIVE': True}, SEED=seed)
        assert refused(t.get, hidden, 'SEED') == 'CKR_ATTRIBUTE_SENSITIVE'
        assert refused(t.create, **base) != 'CKR_OK'


own_vault.run(BUILD, globals(), sys.argv[2])
