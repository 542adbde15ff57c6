#!/usr/bin/env python3
"""second.py BUILD TEST: what a mechanism gives is what a second implementation gives: Python's hashlib
and hmac, the openssl program, or the standard's formula written down here."""
import ctypes
import hashlib
import hmac
import os
import struct
import subprocess
import sys
import tempfile

for folder in ('support', 'vectors'):
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', folder))

import der  # noqa: E402
import own_vault  # noqa: E402
from p11 import N, ULONG, Fields, Params, refused, template  # noqa: E402

BUILD = os.path.abspath(sys.argv[1])
READABLE = {'CLASS': N.CKO_SECRET_KEY, 'SENSITIVE': False, 'EXTRACTABLE': True}
MESSAGE = b'what is said twice, and the same'
P256 = bytes.fromhex('06082a8648ce3d030107')


def secret(t, kind, value, **more):
    return t.create(KEY_TYPE=getattr(N, f'CKK_{kind}'), VALUE=value, **READABLE, **more)


def generic(t, value, **more):
    return secret(t, 'GENERIC_SECRET', value, DERIVE=True, **more)


def derived(t, mech, base, params=None, n=None):
    """derived is the value of a key derived from base."""
    more = {} if n is None else {'VALUE_LEN': n}
    key = t.derive(t.mechanism(mech, params), base, KEY_TYPE=N.CKK_GENERIC_SECRET, **READABLE, **more)
    return t.get(key, 'VALUE')


def digest(name, data, size=0):
    """digest: hashlib's, of which SHAKE and BLAKE2b want to know how much."""
    if name == 'blake2b':
        return hashlib.blake2b(data, digest_size=size).digest()
    h = hashlib.new(name, data)
    return h.digest(size) if name.startswith('shake') else h.digest()


# --- digests and MACs -------------------------------------------------------------------------


DERIVATIONS = [  # (mechanism, hashlib's digest, bytes)
    ('MD5_KEY_DERIVATION', 'md5', 16), ('SHA1_KEY_DERIVATION', 'sha1', 20),
    ('SHA224_KEY_DERIVATION', 'sha224', 28), ('SHA256_KEY_DERIVATION', 'sha256', 32),
    ('SHA384_KEY_DERIVATION', 'sha384', 48), ('SHA512_KEY_DERIVATION', 'sha512', 64),
    ('SHA512_224_KEY_DERIVATION', 'sha512_224', 28), ('SHA512_256_KEY_DERIVATION', 'sha512_256', 32),
    ('SHA3_224_KEY_DERIVATION', 'sha3_224', 28), ('SHA3_256_KEY_DERIVATION', 'sha3_256', 32),
    ('SHA3_384_KEY_DERIVATION', 'sha3_384', 48), ('SHA3_512_KEY_DERIVATION', 'sha3_512', 64),
    ('SHAKE_128_KEY_DERIVATION', 'shake_128', 99), ('SHAKE_256_KEY_DERIVATION', 'shake_256', 99),
    ('BLAKE2B_160_KEY_DERIVE', 'blake2b', 20), ('BLAKE2B_256_KEY_DERIVE', 'blake2b', 32),
    ('BLAKE2B_384_KEY_DERIVE', 'blake2b', 48), ('BLAKE2B_512_KEY_DERIVE', 'blake2b', 64),
]


def test_keys_are_derived_by_digests(t):
    base = generic(t, MESSAGE)
    for mech, name, n in DERIVATIONS:
        want = digest(name, MESSAGE, n)
        assert derived(t, mech, base, n=n) == want, mech
        assert derived(t, mech, base, n=n - 3) == (want if 'SHAKE' in mech else digest(name, MESSAGE, n))[:n - 3]
        if 'SHAKE' not in mech:
            assert refused(derived, t, mech, base, n=n + 1) == 'CKR_KEY_SIZE_RANGE', mech
    for bits, name in ((224, 'sha512_224'), (256, 'sha512_256')):
        assert derived(t, 'SHA512_T_KEY_DERIVATION', base, Params('u', bits)) == digest(name, MESSAGE)


DIGESTS = [
    ('BLAKE2B_160', 20), ('BLAKE2B_256', 32), ('BLAKE2B_384', 48), ('BLAKE2B_512', 64),
]


def test_digests_of_blake2b(t):
    for mech, n in DIGESTS:
        assert t.digest(t.mechanism(mech), MESSAGE) == digest('blake2b', MESSAGE, n)


HMACS = [  # (mechanism, shortened, hashlib's digest)
    ('MD5_HMAC', 'MD5_HMAC_GENERAL', 'md5'), ('SHA_1_HMAC', 'SHA_1_HMAC_GENERAL', 'sha1'),
    ('SHA224_HMAC', 'SHA224_HMAC_GENERAL', 'sha224'), ('SHA256_HMAC', 'SHA256_HMAC_GENERAL', 'sha256'),
    ('SHA384_HMAC', 'SHA384_HMAC_GENERAL', 'sha384'), ('SHA512_HMAC', 'SHA512_HMAC_GENERAL', 'sha512'),
    ('SHA512_224_HMAC', 'SHA512_224_HMAC_GENERAL', 'sha512_224'),
    ('SHA512_256_HMAC', 'SHA512_256_HMAC_GENERAL', 'sha512_256'),
    ('SHA3_224_HMAC', 'SHA3_224_HMAC_GENERAL', 'sha3_224'),
    ('SHA3_256_HMAC', 'SHA3_256_HMAC_GENERAL', 'sha3_256'),
    ('SHA3_384_HMAC', 'SHA3_384_HMAC_GENERAL', 'sha3_384'),
    ('SHA3_512_HMAC', 'SHA3_512_HMAC_GENERAL', 'sha3_512'),
]
BLAKE2_MACS = [
    ('BLAKE2B_160_HMAC', 'BLAKE2B_160_HMAC_GENERAL', 20),
    ('BLAKE2B_256_HMAC', 'BLAKE2B_256_HMAC_GENERAL', 32),
    ('BLAKE2B_384_HMAC', 'BLAKE2B_384_HMAC_GENERAL', 48),
    ('BLAKE2B_512_HMAC', 'BLAKE2B_512_HMAC_GENERAL', 64),
]


def check_mac(t, key, whole, general, want):
    m = t.mechanism(whole)
    assert t.sign(m, key, MESSAGE) == want, whole
    t.verify(m, key, MESSAGE, want)
    wrong = want[:-1] + bytes([want[-1] ^ 1])
    assert refused(t.verify, m, key, MESSAGE, wrong) == 'CKR_SIGNATURE_INVALID'
    assert refused(t.verify, m, key, MESSAGE, want[:-1]) == 'CKR_SIGNATURE_LEN_RANGE'
    for n in (1, len(want) - 1, len(want)):
        assert t.sign(t.mechanism(general, Params('u', n)), key, MESSAGE) == want[:n]
    for n in (0, len(want) + 1):
        assert refused(t.sign, t.mechanism(general, Params('u', n)), key,
                       MESSAGE) == 'CKR_MECHANISM_PARAM_INVALID'


def test_macs_are_those_of_hmac_and_hashlib(t):
    key = generic(t, b'a key of thirty-one bytes, odd.', SIGN=True, VERIFY=True)
    value = t.get(key, 'VALUE')
    for whole, general, name in HMACS:
        check_mac(t, key, whole, general, hmac.digest(value, MESSAGE, name))
    for whole, general, n in BLAKE2_MACS:
        check_mac(t, key, whole, general, hashlib.blake2b(MESSAGE, digest_size=n, key=value).digest())
    for bits, name in ((224, 'sha512_224'), (256, 'sha512_256')):
        assert t.sign(t.mechanism('SHA512_T_HMAC', Params('u', bits)), key,
                      MESSAGE) == hmac.digest(value, MESSAGE, name)


# --- keys that are made -----------------------------------------------------------------------


KEY_GENERATION = [  # (mechanism, key type, bytes, other sizes that are none)
    ('AES_KEY_GEN', 'AES', 24, [8, 33]), ('AES_XTS_KEY_GEN', 'AES_XTS', 64, [16, 48]),
    ('CAMELLIA_KEY_GEN', 'CAMELLIA', 32, [17]), ('ARIA_KEY_GEN', 'ARIA', 16, [40]),
    ('SEED_KEY_GEN', 'SEED', 16, None), ('DES_KEY_GEN', 'DES', 8, None), ('DES2_KEY_GEN', 'DES2', 16, None),
    ('DES3_KEY_GEN', 'DES3', 24, None), ('CHACHA20_KEY_GEN', 'CHACHA20', 32, None),
    ('POLY1305_KEY_GEN', 'POLY1305', 32, None), ('SALSA20_KEY_GEN', 'SALSA20', 32, None),
    ('GENERIC_SECRET_KEY_GEN', 'GENERIC_SECRET', 77, [0]), ('HKDF_KEY_GEN', 'HKDF', 48, [0]),
    ('SHA_1_KEY_GEN', 'SHA_1_HMAC', 20, [0]), ('SHA224_KEY_GEN', 'SHA224_HMAC', 28, [0]),
    ('SHA256_KEY_GEN', 'SHA256_HMAC', 32, [0]), ('SHA384_KEY_GEN', 'SHA384_HMAC', 48, [0]),
    ('SHA512_KEY_GEN', 'SHA512_HMAC', 64, [0]), ('SHA512_224_KEY_GEN', 'SHA512_224_HMAC', 28, [0]),
    ('SHA512_256_KEY_GEN', 'SHA512_256_HMAC', 32, [0]), ('SHA3_224_KEY_GEN', 'SHA3_224_HMAC', 28, [0]),
    ('SHA3_256_KEY_GEN', 'SHA3_256_HMAC', 32, [0]), ('SHA3_384_KEY_GEN', 'SHA3_384_HMAC', 48, [0]),
    ('SHA3_512_KEY_GEN', 'SHA3_512_HMAC', 64, [0]), ('SHA512_T_KEY_GEN', 'SHA512_T_HMAC', 32, [0]),
    ('BLAKE2B_160_KEY_GEN', 'BLAKE2B_160_HMAC', 20, [0, 65]),
    ('BLAKE2B_256_KEY_GEN', 'BLAKE2B_256_HMAC', 32, [0, 65]),
    ('BLAKE2B_384_KEY_GEN', 'BLAKE2B_384_HMAC', 48, [0, 65]),
    ('BLAKE2B_512_KEY_GEN', 'BLAKE2B_512_HMAC', 64, [0, 65]),
]


def number(t, key, name):
    return int.from_bytes(t.get(key, name), 'little')


def test_secret_keys_are_made_as_the_template_wants(t):
    for mech, kind, n, wrong in KEY_GENERATION:
        size = {} if wrong is None else {'VALUE_LEN': n}
        made = [t.generate(t.mechanism(mech), **READABLE, **size) for _ in range(2)]
        values = [t.get(key, 'VALUE') for key in made]
        assert [len(v) for v in values] == [n, n] and values[0] != values[1], mech
        assert number(t, made[0], 'KEY_TYPE') == getattr(N, f'CKK_{kind}')
        assert number(t, made[0], 'KEY_GEN_MECHANISM') == getattr(N, f'CKM_{mech}')
        assert t.get(made[0], 'LOCAL') == b'\1' and t.get(made[0], 'ALWAYS_SENSITIVE') == b'\0'
        for bad in wrong or []:
            assert refused(t.generate, t.mechanism(mech), **READABLE,
                           VALUE_LEN=bad) == 'CKR_ATTRIBUTE_VALUE_INVALID', (mech, bad)
        assert refused(t.generate, t.mechanism(mech, Params('u', 1)), **READABLE,
                       **size) == 'CKR_MECHANISM_PARAM_INVALID', mech
        t.destroy(*made)


def test_a_made_mac_key_makes_the_mac_of_hmac(t):
    for mech, kind, n, wrong in KEY_GENERATION:
        if not kind.endswith('_HMAC') or 'BLAKE' in kind or kind == 'SHA512_T_HMAC':
            continue
        key = t.generate(t.mechanism(mech), **READABLE, VALUE_LEN=n, SIGN=True)
        name = kind[:-5].lower().replace('sha_1', 'sha1')
        assert t.sign(t.mechanism(kind), key, MESSAGE) == hmac.digest(t.get(key, 'VALUE'), MESSAGE, name), mech


# --- signatures that openssl verifies -----------------------------------------------------------


def openssl(*args, given=None):
    return subprocess.run(['openssl', *args], input=given, capture_output=True, check=False)


def openssl_verifies(t, public, digest_name, signature, *options):
    """openssl_verifies: what the program says of the signature of MESSAGE."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [os.path.join(folder, name) for name in ('key', 'signature', 'data')]
        for path, data in zip(paths, (t.get(public, 'PUBLIC_KEY_INFO'), signature, MESSAGE)):
            with open(path, 'wb') as f:
                f.write(data)
        answer = openssl('dgst', f'-{digest_name}', '-keyform', 'DER', '-verify', paths[0], '-signature',
                         paths[1], *options, paths[2])
    return answer.returncode == 0


def pair(t, mech, public, private):
    halves = ULONG(0), ULONG(0)
    pub, priv = template({'TOKEN': False, **public}), template({'TOKEN': False, **private})
    t.call('C_GenerateKeyPair', t.h, t.mechanism(mech), *pub, *priv, *map(ctypes.byref, halves))
    return halves


def rs(signature):
    """rs is a signature r || s as DER."""
    half = len(signature) // 2
    numbers = [int.from_bytes(part, 'big') for part in (signature[:half], signature[half:])]
    return der.put(0x30, b''.join(
        der.put(2, n.to_bytes(n.bit_length() // 8 + 1, 'big')) for n in numbers))


def check_signature(t, halves, m, name, encode, *options):
    public, private = halves
    signature = t.sign(m, private, MESSAGE)
    t.verify(m, public, MESSAGE, signature)
    assert openssl_verifies(t, public, name, encode(signature), *options), name
    wrong = signature[:-1] + bytes([signature[-1] ^ 1])
    assert refused(t.verify, m, public, MESSAGE, wrong) == 'CKR_SIGNATURE_INVALID'
    assert refused(t.verify, m, public, MESSAGE + b'.', signature) == 'CKR_SIGNATURE_INVALID'


RSA = [  # (PKCS#1, PSS, the openssl program's digest)
    ('SHA1_RSA_PKCS', 'SHA1_RSA_PKCS_PSS', 'sha1'), ('SHA224_RSA_PKCS', 'SHA224_RSA_PKCS_PSS', 'sha224'),
    ('SHA256_RSA_PKCS', 'SHA256_RSA_PKCS_PSS', 'sha256'), ('SHA384_RSA_PKCS', 'SHA384_RSA_PKCS_PSS', 'sha384'),
    ('SHA512_RSA_PKCS', 'SHA512_RSA_PKCS_PSS', 'sha512'),
    ('SHA3_224_RSA_PKCS', 'SHA3_224_RSA_PKCS_PSS', 'sha3-224'),
    ('SHA3_256_RSA_PKCS', 'SHA3_256_RSA_PKCS_PSS', 'sha3-256'),
    ('SHA3_384_RSA_PKCS', 'SHA3_384_RSA_PKCS_PSS', 'sha3-384'),
    ('SHA3_512_RSA_PKCS', 'SHA3_512_RSA_PKCS_PSS', 'sha3-512'),
]


def rsa_pair(t, **more):
    return pair(t, 'RSA_PKCS_KEY_PAIR_GEN', {'MODULUS_BITS': 2048, 'VERIFY': True}, {'SIGN': True, **more})


def test_openssl_verifies_signatures_of_rsa(t):
    halves = rsa_pair(t)
    for pkcs1, pss, name in RSA:
        check_signature(t, halves, t.mechanism(pkcs1), name, bytes)
        of = name.replace('-', '_').upper()
        n = hashlib.new(name.replace('-', '_')).digest_size
        params = Params('uuu', getattr(N, f'CKM_{of.replace("SHA1", "SHA_1")}'), getattr(N, f'CKG_MGF1_{of}'), n)
        check_signature(t, halves, t.mechanism(pss, params), name, bytes, '-sigopt', 'rsa_padding_mode:pss',
                        '-sigopt', f'rsa_pss_saltlen:{n}', '-sigopt', f'rsa_mgf1_md:{name}')


RS = [  # (of ECDSA, of DSA, the openssl program's digest)
    ('ECDSA_SHA1', 'DSA_SHA1', 'sha1'), ('ECDSA_SHA224', 'DSA_SHA224', 'sha224'),
    ('ECDSA_SHA256', 'DSA_SHA256', 'sha256'), ('ECDSA_SHA384', 'DSA_SHA384', 'sha384'),
    ('ECDSA_SHA512', 'DSA_SHA512', 'sha512'), ('ECDSA_SHA3_224', 'DSA_SHA3_224', 'sha3-224'),
    ('ECDSA_SHA3_256', 'DSA_SHA3_256', 'sha3-256'), ('ECDSA_SHA3_384', 'DSA_SHA3_384', 'sha3-384'),
    ('ECDSA_SHA3_512', 'DSA_SHA3_512', 'sha3-512'),
]


def test_openssl_verifies_signatures_of_ecdsa(t):
    halves = pair(t, 'EC_KEY_PAIR_GEN', {'EC_PARAMS': P256, 'VERIFY': True}, {'SIGN': True})
    for mech, _, name in RS:
        check_signature(t, halves, t.mechanism(mech), name, rs)


def test_openssl_verifies_signatures_of_dsa(t):
    domain = t.generate(t.mechanism('DSA_PARAMETER_GEN'), PRIME_BITS=2048)
    public = {name: t.get(domain, name) for name in ('PRIME', 'SUBPRIME', 'BASE')}
    halves = pair(t, 'DSA_KEY_PAIR_GEN', {**public, 'VERIFY': True}, {'SIGN': True})
    for _, mech, name in RS:
        check_signature(t, halves, t.mechanism(mech), name, rs)


# --- ML-DSA and SLH-DSA over digests --------------------------------------------------------------

OID = bytes.fromhex('0609608648016503040200')[:10]
HASHED = [  # (ML-DSA, SLH-DSA, CKM_ of the digest, hashlib's, bytes, the OID's end: FIPS 204 §5.4.1)
    ('HASH_ML_DSA_SHA224', 'HASH_SLH_DSA_SHA224', 'SHA224', 'sha224', 28, 4),
    ('HASH_ML_DSA_SHA256', 'HASH_SLH_DSA_SHA256', 'SHA256', 'sha256', 32, 1),
    ('HASH_ML_DSA_SHA384', 'HASH_SLH_DSA_SHA384', 'SHA384', 'sha384', 48, 2),
    ('HASH_ML_DSA_SHA512', 'HASH_SLH_DSA_SHA512', 'SHA512', 'sha512', 64, 3),
    ('HASH_ML_DSA_SHA3_224', 'HASH_SLH_DSA_SHA3_224', 'SHA3_224', 'sha3_224', 28, 7),
    ('HASH_ML_DSA_SHA3_256', 'HASH_SLH_DSA_SHA3_256', 'SHA3_256', 'sha3_256', 32, 8),
    ('HASH_ML_DSA_SHA3_384', 'HASH_SLH_DSA_SHA3_384', 'SHA3_384', 'sha3_384', 48, 9),
    ('HASH_ML_DSA_SHA3_512', 'HASH_SLH_DSA_SHA3_512', 'SHA3_512', 'sha3_512', 64, 10),
    ('HASH_ML_DSA_SHAKE128', 'HASH_SLH_DSA_SHAKE128', None, 'shake_128', 32, 11),
    ('HASH_ML_DSA_SHAKE256', 'HASH_SLH_DSA_SHAKE256', None, 'shake_256', 64, 12),
]
CONTEXT = b'the context'


def context(text=CONTEXT):
    return Params('uP', N.CKH_HEDGE_PREFERRED, text)


def mu_of(public, encoded):
    tr = hashlib.shake_256(public).digest(64)
    return hashlib.shake_256(tr + encoded).digest(64)


def ml_dsa(t):
    halves = pair(t, 'ML_DSA_KEY_PAIR_GEN', {'PARAMETER_SET': N.CKP_ML_DSA_44, 'VERIFY': True}, {'SIGN': True})
    return *halves, t.get(halves[0], 'VALUE')


def test_ml_dsa_over_a_digest_is_the_formula_of_fips_204(t):
    public, private, value = ml_dsa(t)
    given = t.mechanism('ML_DSA_EXTERNAL_MU')
    for mech, _, _, name, n, last in HASHED:
        m = t.mechanism(mech, context())
        signature = t.sign(m, private, MESSAGE)
        t.verify(m, public, MESSAGE, signature)
        encoded = b'\1' + bytes([len(CONTEXT)]) + CONTEXT + OID + bytes([last]) + digest(name, MESSAGE, n)
        t.verify(given, public, mu_of(value, encoded), signature)
        assert refused(t.verify, t.mechanism(mech, context(b'')), public, MESSAGE,
                       signature) == 'CKR_SIGNATURE_INVALID', mech


def test_slh_dsa_over_a_digest_is_over_a_given_one(t):
    halves = pair(t, 'SLH_DSA_KEY_PAIR_GEN', {'PARAMETER_SET': N.CKP_SLH_DSA_SHA2_128F, 'VERIFY': True},
                  {'SIGN': True})
    for _, mech, hash_, name, n, _ in HASHED:
        m = t.mechanism(mech, context())
        signature = t.sign(m, halves[1], MESSAGE)
        t.verify(m, halves[0], MESSAGE, signature)
        assert refused(t.verify, t.mechanism(mech), halves[0], MESSAGE, signature) == 'CKR_SIGNATURE_INVALID'
        if hash_ is not None:
            given = Params('uPu', N.CKH_HEDGE_PREFERRED, CONTEXT, getattr(N, f'CKM_{hash_}'))
            t.verify(t.mechanism('HASH_SLH_DSA', given), halves[0], digest(name, MESSAGE, n), signature)


def test_ml_dsa_signs_a_mu_made_elsewhere(t):
    public, private, value = ml_dsa(t)
    given = t.mechanism('ML_DSA_EXTERNAL_MU')
    mu = mu_of(value, b'\0' + bytes([len(CONTEXT)]) + CONTEXT + MESSAGE)
    t.verify(t.mechanism('ML_DSA', context()), public, MESSAGE, t.sign(given, private, mu))
    t.verify(given, public, mu, t.sign(t.mechanism('ML_DSA', context()), private, MESSAGE))
    for wrong in (mu[:-1], mu + b'\0', b''):
        assert refused(t.sign, given, private, wrong) == 'CKR_DATA_LEN_RANGE'


def mu_params(key=0, tr=b'', text=CONTEXT):
    return Params('uPP', key, tr, text)


def test_a_mu_is_made_with_the_key_or_with_its_digest(t):
    public, private, value = ml_dsa(t)
    mu = mu_of(value, b'\0' + bytes([len(CONTEXT)]) + CONTEXT + MESSAGE)
    tr = hashlib.shake_256(value).digest(64)
    for params in (mu_params(public.value), mu_params(tr=tr)):
        assert t.digest(t.mechanism('ML_DSA_EXTERNAL_MU_GEN', params), MESSAGE) == mu
    other = generic(t, bytes(32))
    for params, want in ((mu_params(), 'CKR_MECHANISM_PARAM_INVALID'),
                         (mu_params(public.value, tr), 'CKR_MECHANISM_PARAM_INVALID'),
                         (mu_params(tr=tr[:-1]), 'CKR_MECHANISM_PARAM_INVALID'),
                         (mu_params(tr=tr, text=bytes(256)), 'CKR_MECHANISM_PARAM_INVALID'),
                         (mu_params(private.value), 'CKR_KEY_TYPE_INCONSISTENT'),
                         (mu_params(other.value), 'CKR_KEY_TYPE_INCONSISTENT'),
                         (mu_params(999_999), 'CKR_KEY_HANDLE_INVALID')):
        assert refused(t.digest, t.mechanism('ML_DSA_EXTERNAL_MU_GEN', params), MESSAGE) == want


# --- ciphers -----------------------------------------------------------------------------------------


def cfb64(key, iv, plain):
    """cfb64 is SP 800-38A §6.3 with segments of eight bytes, over the openssl program's AES."""
    register, out = iv, b''
    for at in range(0, len(plain), 8):
        stream = openssl('enc', f'-aes-{8 * len(key)}-ecb', '-K', key.hex(), '-nopad', given=register).stdout
        segment = bytes(a ^ b for a, b in zip(plain[at:at + 8], stream))
        out += segment
        register = register[8:] + segment
    return out


def test_cfb_of_64_bits_is_the_formula_of_sp_800_38a(t):
    iv = bytes(range(16, 32))
    for n in (16, 24, 32):
        value = bytes(range(n))
        key = secret(t, 'AES', value, ENCRYPT=True, DECRYPT=True)
        for size in (0, 1, 7, 8, 9, 61):
            sealed = t.encrypt(t.mechanism('AES_CFB64', Params('x', iv)), key, MESSAGE[:1] * size)
            assert sealed == cfb64(value, iv, MESSAGE[:1] * size)
            assert t.decrypt(t.mechanism('AES_CFB64', Params('x', iv)), key, sealed) == MESSAGE[:1] * size
    assert refused(t.encrypt, t.mechanism('AES_CFB64', Params('x', iv[:8])), key,
                   b'') == 'CKR_MECHANISM_PARAM_INVALID'


COLUMNS = [(0, 4, 8, 12), (5, 9, 13, 1), (10, 14, 2, 6), (15, 3, 7, 11)]
ROWS = [(0, 1, 2, 3), (5, 6, 7, 4), (10, 11, 8, 9), (15, 12, 13, 14)]


def salsa20_core(words):
    """salsa20_core is twenty rounds over sixteen words (Bernstein, "Salsa20 specification", §3 to §7)."""
    x = list(words)
    for a, b, c, d in (COLUMNS + ROWS) * 10:
        for to, one, two, turn in ((b, a, d, 7), (c, b, a, 9), (d, c, b, 13), (a, d, c, 18)):
            v = (x[one] + x[two]) % 2**32
            x[to] ^= (v << turn | v >> (32 - turn)) % 2**32
    return x


def salsa20_words(key, middle):
    k, m = struct.unpack('<8L', key), struct.unpack('<4L', middle)
    c = struct.unpack('<4L', b'expand 32-byte k')
    return [c[0], *k[:4], c[1], *m, c[2], *k[4:], c[3]]


def salsa20(key, nonce, counter, n):
    """salsa20 is n bytes of the stream; of a long nonce, XSalsa20 ("Extending the Salsa20 nonce", §2)."""
    if len(nonce) == 24:
        x = salsa20_core(salsa20_words(key, nonce[:16]))
        key, nonce = struct.pack('<8L', *(x[i] for i in (0, 5, 10, 15, 6, 7, 8, 9))), nonce[16:]
    out = b''
    while len(out) < n:
        words = salsa20_words(key, nonce + struct.pack('<Q', counter))
        out += struct.pack('<16L', *((a + b) % 2**32 for a, b in zip(words, salsa20_core(words))))
        counter += 1
    return out[:n]


# ECRYPT's verified vectors: Salsa20/20, a key of 256 bits, set 1, vector 0
ECRYPT = ('e3be8fdd8beca2e3ea8ef9475b29a6e7003951e1097a5c38d23b7a5fad9f6844'
          'b22c97559e2723c7cbbd3fe4fc8d9a0744652a83e72a9c461876af4d7ef1a117')


def salsa20_params(counter, nonce):
    at = ctypes.create_string_buffer(struct.pack('<Q', counter), 8)
    params = Params('pB', ctypes.addressof(at), nonce)
    params.kept.append(at)
    return params


def test_salsa20_is_ecrypts_and_bernsteins(t):
    first = secret(t, 'SALSA20', b'\x80' + bytes(31), ENCRYPT=True, DECRYPT=True)
    m = t.mechanism('SALSA20', salsa20_params(0, bytes(8)))
    assert t.encrypt(m, first, bytes(64)).hex() == ECRYPT
    value = bytes(range(32))
    key = secret(t, 'SALSA20', value, ENCRYPT=True, DECRYPT=True)
    for nonce in (bytes(range(8)), bytes(range(24))):
        for counter in (0, 5, 2**32 - 1):
            m = t.mechanism('SALSA20', salsa20_params(counter, nonce))
            for n in (0, 1, 63, 64, 65, 200):
                stream = salsa20(value, nonce, counter, n)
                assert t.encrypt(m, key, bytes(n)) == stream and t.decrypt(m, key, stream) == bytes(n)
            got = b''
            t.call('C_EncryptInit', t.h, m, key)
            for n in (1, 62, 1, 70, 128, 5):
                out, size = ctypes.create_string_buffer(n), ULONG(n)
                t.call('C_EncryptUpdate', t.h, bytes(n), ULONG(n), out, ctypes.byref(size))
                got += out.raw[:size.value]
            t.call('C_EncryptFinal', t.h, out, ctypes.byref(size))
            assert got == salsa20(value, nonce, counter, 267)
    for nonce in (bytes(12), bytes(7)):
        assert refused(t.encrypt, t.mechanism('SALSA20', salsa20_params(0, nonce)), key,
                       b'') == 'CKR_MECHANISM_PARAM_INVALID'
    none = Params('pB', 0, bytes(8))
    assert refused(t.encrypt, t.mechanism('SALSA20', none), key, b'') == 'CKR_MECHANISM_PARAM_INVALID'


TPM_HEAD = bytes([1, 1, 0, 0, 2])
OAEP = ['-pkeyopt', 'rsa_padding_mode:oaep', '-pkeyopt', f'rsa_oaep_label:{b"TCPA".hex()}']
TPM = [('RSA_PKCS_TPM_1_1', [], 256 - 11 - 5), ('RSA_PKCS_OAEP_TPM_1_1', OAEP, 256 - 42 - 5)]


def test_rsa_for_a_tpm_has_the_head_of_bound_data(t):
    made = openssl('genpkey', '-algorithm', 'RSA').stdout
    made = openssl('pkcs8', '-topk8', '-nocrypt', '-outform', 'DER', given=made).stdout
    aes = secret(t, 'AES', bytes(16), UNWRAP=True)
    wrapped = openssl('enc', '-aes-128-cbc', '-K', '00' * 16, '-iv', '00' * 16, given=made).stdout
    private = t.unwrap(t.mechanism('AES_CBC_PAD', Params('x', bytes(16))), aes, wrapped, DECRYPT=True,
                       CLASS=N.CKO_PRIVATE_KEY, KEY_TYPE=N.CKK_RSA)
    public = t.create(CLASS=N.CKO_PUBLIC_KEY, KEY_TYPE=N.CKK_RSA, ENCRYPT=True, MODULUS=t.get(private, 'MODULUS'),
                      PUBLIC_EXPONENT=t.get(private, 'PUBLIC_EXPONENT'))
    with tempfile.NamedTemporaryFile() as key:
        key.write(made)
        key.flush()
        for mech, options, most in TPM:
            program = ['pkeyutl', '-keyform', 'DER', '-inkey', key.name, *options]
            sealed = t.encrypt(t.mechanism(mech), public, MESSAGE)
            assert openssl(*program, '-decrypt', given=sealed).stdout == TPM_HEAD + MESSAGE
            theirs = openssl(*program, '-encrypt', given=TPM_HEAD + MESSAGE).stdout
            assert t.decrypt(t.mechanism(mech), private, theirs) == MESSAGE
            assert t.decrypt(t.mechanism(mech), private, t.encrypt(t.mechanism(mech), public, b'')) == b''
            assert refused(t.encrypt, t.mechanism(mech), public, bytes(most)) == 'CKR_OK'
            assert refused(t.encrypt, t.mechanism(mech), public, bytes(most + 1)) == 'CKR_DATA_LEN_RANGE'
            headless = openssl(*program, '-encrypt', given=MESSAGE).stdout
            assert refused(t.decrypt, t.mechanism(mech), private, headless) == 'CKR_ENCRYPTED_DATA_INVALID'


# --- TLS ----------------------------------------------------------------------------------------------

CLIENT, SERVER = bytes(range(32)), bytes(range(32, 64))
MASTER = bytes(range(100, 148))


def p_hash(name, key, seed, n):
    """p_hash is P_hash of RFC 5246 §5."""
    a, out = seed, b''
    while len(out) < n:
        a = hmac.digest(key, a, name)
        out += hmac.digest(key, a + seed, name)
    return out[:n]


def prf(name, key, label, seed, n):
    """prf: of TLS 1.2 with that digest; of TLS 1.0 (RFC 2246 §5) with none."""
    if name is not None:
        return p_hash(name, key, label + seed, n)
    half = (len(key) + 1) // 2
    parts = zip(p_hash('md5', key[:half], label + seed, n), p_hash('sha1', key[-half:], label + seed, n))
    return bytes(a ^ b for a, b in parts)


PREMASTER = b'\3\3' + bytes(range(46))
MASTERS = [  # (mechanism, premaster secret, digest, of the session's hash)
    ('TLS_MASTER_KEY_DERIVE', PREMASTER, None, False),
    ('TLS_MASTER_KEY_DERIVE_DH', bytes(range(77)), None, False),
    ('TLS12_MASTER_KEY_DERIVE', PREMASTER, 'SHA256', False),
    ('TLS12_MASTER_KEY_DERIVE_DH', bytes(range(66)), 'SHA384', False),
    ('TLS12_EXTENDED_MASTER_KEY_DERIVE', PREMASTER, 'SHA512', True),
    ('TLS12_EXTENDED_MASTER_KEY_DERIVE_DH', bytes(range(32)), 'SHA256', True),
]


def test_master_secrets_are_the_prfs_of_their_rfcs(t):
    for mech, premaster, name, extended in MASTERS:
        version = ctypes.create_string_buffer(2)
        at = ctypes.addressof(version)
        if extended:
            params = Params('uPp', getattr(N, f'CKM_{name}'), MESSAGE, at)
        elif name is not None:
            params = Params('PPpu', CLIENT, SERVER, at, getattr(N, f'CKM_{name}'))
        else:
            params = Params('PPp', CLIENT, SERVER, at)
        got = derived(t, mech, generic(t, premaster), params, 48)
        label = b'extended master secret' if extended else b'master secret'
        assert got == prf(name and name.lower(), premaster, label, MESSAGE if extended else CLIENT + SERVER, 48), mech
        assert version.raw == (bytes(2) if mech.endswith('_DH') else premaster[:2]), mech
        if not mech.endswith('_DH'):
            short = generic(t, premaster[:-1])
            assert refused(derived, t, mech, short, params, 48) == 'CKR_KEY_SIZE_RANGE', mech


def test_a_premaster_secret_begins_with_its_version(t):
    made = [t.generate(t.mechanism('TLS_PRE_MASTER_KEY_GEN', Params('x', b'\3\1')), **READABLE)
            for _ in range(2)]
    values = [t.get(key, 'VALUE') for key in made]
    assert all(len(v) == 48 and v[:2] == b'\3\1' for v in values) and values[0] != values[1]
    assert refused(t.generate, t.mechanism('TLS_PRE_MASTER_KEY_GEN'), **READABLE) != 'CKR_OK'
    assert refused(t.generate, t.mechanism('TLS_PRE_MASTER_KEY_GEN', Params('x', b'\3\1')), **READABLE,
                   VALUE_LEN=47) == 'CKR_ATTRIBUTE_VALUE_INVALID'


KEY_BLOCKS = [('TLS_KEY_AND_MAC_DERIVE', None), ('TLS12_KEY_AND_MAC_DERIVE', 'SHA256'),
              ('TLS12_KEY_SAFE_DERIVE', 'SHA384')]
KEY_MAT_OUT = struct.Struct('@LLLLPP')


def test_key_blocks_are_the_prfs_of_their_rfcs(t):
    for mech, name in KEY_BLOCKS:
        ivs = [ctypes.create_string_buffer(16) for _ in range(2)]
        out = ctypes.create_string_buffer(KEY_MAT_OUT.pack(0, 0, 0, 0, *map(ctypes.addressof, ivs)))
        params = Params('uuubPPp' + ('u' if name else ''), 160, 128, 128, 0, CLIENT, SERVER,
                        ctypes.addressof(out), *([getattr(N, f'CKM_{name}')] if name else []))
        t.derive(t.mechanism(mech, params), generic(t, MASTER), KEY_TYPE=N.CKK_AES, VALUE_LEN=16, ENCRYPT=True,
                 **READABLE)
        keys = [t.get(ULONG(k), 'VALUE') for k in KEY_MAT_OUT.unpack(out.raw[:KEY_MAT_OUT.size])[:4]]
        block = prf(name and name.lower(), MASTER, b'key expansion', SERVER + CLIENT, 2 * (20 + 16 + 16))
        told = 'SAFE' not in mech  # the safe way never gives IVs out
        assert b''.join(keys) == block[:72], mech
        assert ivs[0].raw[:16] + ivs[1].raw[:16] == (block[72:] if told else bytes(32)), mech


def test_keying_material_is_exported_as_rfc_5705_says(t):
    seed = CLIENT + SERVER + struct.pack('>H', len(CONTEXT)) + CONTEXT
    for mech, prf_mech, name in (('TLS_KDF', 'TLS_PRF', None), ('TLS_KDF', 'SHA384', 'sha384'),
                                 ('TLS12_KDF', 'SHA256', 'sha256')):
        params = Params('uPPPP', getattr(N, f'CKM_{prf_mech}'), b'EXPORTER-x', CLIENT, SERVER, CONTEXT)
        assert derived(t, mech, generic(t, MASTER), params, 50) == prf(name, MASTER, b'EXPORTER-x', seed, 50)


def test_finished_macs_are_the_prfs_of_their_rfcs(t):
    key = generic(t, MASTER, SIGN=True, VERIFY=True)
    told = [(server, label) for server, label in ((1, b'server finished'), (2, b'client finished'))]
    ways = [('TLS12_MAC', Params('uuu', N.CKM_SHA256, 12, s), 'sha256', label) for s, label in told]
    ways += [('TLS_MAC', Params('uuu', N.CKM_SHA384, 20, s), 'sha384', label) for s, label in told]
    ways += [('TLS_MAC', Params('uuu', N.CKM_TLS_PRF, 12, s), None, label) for s, label in told]
    ways += [('TLS10_MAC_SERVER', None, None, told[0][1]), ('TLS10_MAC_CLIENT', None, None, told[1][1])]
    for mech, params, name, label in ways:
        code = t.sign(t.mechanism(mech, params), key, MESSAGE)
        assert code == prf(name, MASTER, label, MESSAGE, len(code)) and len(code) in (12, 20), mech
        t.verify(t.mechanism(mech, params), key, MESSAGE, code)
        assert refused(t.verify, t.mechanism(mech, params), key, MESSAGE,
                       bytes(len(code))) == 'CKR_SIGNATURE_INVALID', mech


# --- agreement -----------------------------------------------------------------------------------------

KDFS = [('SHA1', 'sha1'), ('SHA224', 'sha224'), ('SHA256', 'sha256'), ('SHA384', 'sha384'),
        ('SHA512', 'sha512'), ('SHA3_224', 'sha3_224'), ('SHA3_256', 'sha3_256'), ('SHA3_384', 'sha3_384'),
        ('SHA3_512', 'sha3_512')]


def test_every_kdf_is_its_formula(t):
    pairs = [pair(t, 'EC_KEY_PAIR_GEN', {'EC_PARAMS': P256}, {'DERIVE': True}) for _ in range(2)]
    peer = t.get(pairs[1][0], 'EC_POINT')
    z = derived(t, 'ECDH1_DERIVE', pairs[0][1], Params('uLL', N.CKD_NULL, b'', peer))
    for ending, order in (('KDF', lambda i: z + i), ('KDF_SP800', lambda i: i + z)):
        for name, digest_name in KDFS:
            kdf = getattr(N, f'CKD_{name}_{ending}')
            got = derived(t, 'ECDH1_DERIVE', pairs[0][1], Params('uLL', kdf, CONTEXT, peer), 100)
            blocks = [digest(digest_name, order(struct.pack('>L', i)) + CONTEXT) for i in range(1, 6)]
            assert got == b''.join(blocks)[:100], (name, ending)
    got = derived(t, 'ECDH1_DERIVE', pairs[0][1], Params('uLL', N.CKD_BLAKE2B_160_KDF, CONTEXT, peer), 25)
    blocks = [digest('blake2b', z + struct.pack('>L', i) + CONTEXT, 20) for i in (1, 2)]
    assert got == b''.join(blocks)[:25]


# --- keys of passwords ---------------------------------------------------------------------------------


def pkcs12(id_, password, salt, iterations, n):
    """pkcs12 is RFC 7292, appendix B.2, with SHA-1."""
    def fill(data):
        return (data * 64)[:64 * -(-len(data) // 64)] if data else b''
    block = fill(salt) + fill(password.encode('utf-16-be') + bytes(2))
    out = b''
    while len(out) < n:
        a = bytes([id_]) * 64 + block
        for _ in range(iterations):
            a = hashlib.sha1(a).digest()
        out += a
        b = int.from_bytes((a * 4)[:64], 'big') + 1
        parts = [int.from_bytes(block[i:i + 64], 'big') for i in range(0, len(block), 64)]
        block = b''.join(((i + b) % 2**512).to_bytes(64, 'big') for i in parts)
    return out[:n]


def odd(value):
    """odd has DES's odd parity."""
    return bytes(b & 0xfe | (bin(b >> 1).count('1') + 1) % 2 for b in value)


def pbe_params(iv, iterations=1000, password=b'secret'):
    return Params('pPPu', ctypes.addressof(iv), password, b'and salt', iterations)


PBE = [('PBE_SHA1_DES3_EDE_CBC', 24), ('PBE_SHA1_DES2_EDE_CBC', 16), ('PBE_MD5_DES_CBC', 8)]


def test_a_password_gives_a_key_and_an_iv(t):
    for mech, n in PBE:
        iv = ctypes.create_string_buffer(8)
        m = t.mechanism(mech, pbe_params(iv))
        value = t.get(t.generate(m, **READABLE), 'VALUE')
        if 'MD5' in mech:
            want = b'secretand salt'
            for _ in range(1000):
                want = hashlib.md5(want).digest()
            want = want[:8], want[8:]
        else:
            want = [pkcs12(id_, 'secret', b'and salt', 1000, size) for id_, size in ((1, n), (2, 8))]
        assert value == odd(want[0]) and iv.raw == want[1], mech
        nowhere = Params('pPPu', 0, b'secret', b'and salt', 1000)
        assert t.get(t.generate(t.mechanism(mech, nowhere), **READABLE), 'VALUE') == value
        assert refused(t.generate, t.mechanism(mech, pbe_params(iv, 0)),
                       **READABLE) == 'CKR_MECHANISM_PARAM_INVALID'
    mac = t.generate(t.mechanism('PBA_SHA1_WITH_SHA1_HMAC', pbe_params(iv)), **READABLE)
    assert t.get(mac, 'VALUE') == pkcs12(3, 'secret', b'and salt', 1000, 20)


# --- one-time passwords --------------------------------------------------------------------------------


def otp_params(*fields):
    array = Fields(fields)
    params = Params('pu', array.at, array.n)
    params.kept.append(array)
    return params


def otp_key(t, **more):
    return t.create(**{'CLASS': N.CKO_OTP_KEY, 'KEY_TYPE': N.CKK_HOTP, 'VALUE': b'12345678901234567890', **more})


def otp_of(t, key, *fields):
    """otp_of is the password and the counter that C_Sign gives."""
    t.call('C_SignInit', t.h, t.mechanism('HOTP', otp_params(*fields) if fields else None), key)
    n = ULONG(0)
    t.call('C_Sign', t.h, None, ULONG(0), None, ctypes.byref(n))
    room = ctypes.create_string_buffer(n.value)
    t.call('C_Sign', t.h, None, ULONG(0), room, ctypes.byref(n))
    at, count = struct.unpack_from('@LL', room.raw)
    found = {}
    for i in range(count):
        type_, where, size = struct.unpack_from('@LLL', room.raw, at - ctypes.addressof(room) + 24 * i)
        found[type_] = ctypes.string_at(where, size)
    return found[N.CK_OTP_VALUE].decode(), int.from_bytes(found[N.CK_OTP_COUNTER], 'big')


# RFC 4226, appendix D
OTPS = '755224 287082 359152 969429 338314 254676 287922 162583 399871 520489'.split()


def counter(n):
    return (N.CK_OTP_COUNTER, n.to_bytes(8, 'big'))


def test_one_time_passwords_are_those_of_rfc_4226(t):
    key = otp_key(t)
    assert [otp_of(t, key) for _ in OTPS] == list(zip(OTPS, range(10)))
    assert otp_of(t, key, counter(3)) == (OTPS[3], 3)
    assert int.from_bytes(t.get(key, 'OTP_COUNTER'), 'big') == 10
    assert otp_of(t, key, counter(0), (N.CK_OTP_OUTPUT_LENGTH, bytes(ULONG(8)))) == ('84755224', 0)
    for i, otp in enumerate(OTPS):
        m = t.mechanism('HOTP', otp_params(counter(i)))
        t.verify(m, key, b'', otp.encode())
        assert refused(t.verify, m, key, b'', OTPS[(i + 1) % 10].encode()) == 'CKR_SIGNATURE_INVALID'
        assert refused(t.verify, m, key, b'', otp[:5].encode()) == 'CKR_SIGNATURE_LEN_RANGE'
    assert refused(t.verify, t.mechanism('HOTP'), key, b'', b'755224') == 'CKR_MECHANISM_PARAM_INVALID'


@own_vault.needs_daemon
def test_a_counter_is_never_given_twice(t):
    key = otp_key(t, TOKEN=True, OTP_COUNTER=(7).to_bytes(8, 'big'), OTP_LENGTH=6)
    assert otp_of(t, key) == (OTPS[7], 7)
    own_vault.stop(BUILD)
    assert otp_of(t, key) == (OTPS[8], 8)
    t.call('C_SignInit', t.h, t.mechanism('HOTP'), key)
    small, n = ctypes.create_string_buffer(10), ULONG(10)
    assert refused(t.call, 'C_Sign', t.h, None, ULONG(0), small, ctypes.byref(n)) == 'CKR_BUFFER_TOO_SMALL'
    t.call('C_SessionCancel', t.h, ULONG(N.CKF_SIGN))
    assert otp_of(t, key) == (OTPS[9], 9)
    assert refused(t.set, key, OTP_COUNTER=bytes(8)) == 'CKR_ATTRIBUTE_READ_ONLY'
    last = otp_key(t, OTP_COUNTER=b'\xff' * 8)
    assert refused(otp_of, t, last) == 'CKR_KEY_EXHAUSTED'


def test_keys_of_one_time_passwords_are_made_and_kept(t):
    key = t.generate(t.mechanism('HOTP_KEY_GEN'), SENSITIVE=False, EXTRACTABLE=True)
    value = t.get(key, 'VALUE')
    mac = hmac.digest(value, bytes(8), 'sha1')
    want = int.from_bytes(mac[(at := mac[19] & 15):at + 4], 'big') % 2**31 % 10**6
    assert len(value) == 20 and otp_of(t, key) == (f'{want:06}', 0)
    assert [number(t, key, name) for name in ('CLASS', 'KEY_TYPE', 'OTP_LENGTH', 'OTP_COUNTER_REQUIREMENT')] == [
        N.CKO_OTP_KEY, N.CKK_HOTP, 6, N.CK_OTP_PARAM_OPTIONAL]
    assert refused(t.get, otp_key(t), 'VALUE') == 'CKR_ATTRIBUTE_SENSITIVE'
    aes = secret(t, 'AES', bytes(16), WRAP=True)
    assert refused(t.wrap, t.mechanism('AES_KEY_WRAP_KWP'), aes, key) == 'CKR_KEY_NOT_WRAPPABLE'
    for more in ({'OTP_LENGTH': 5}, {'OTP_LENGTH': 10}, {'OTP_FORMAT': N.CK_OTP_FORMAT_BINARY},
                 {'OTP_COUNTER': bytes(7)}):
        assert refused(otp_key, t, **more) == 'CKR_ATTRIBUTE_VALUE_INVALID', more
    for field in ((N.CK_OTP_COUNTER, bytes(7)), (N.CK_OTP_FLAGS, bytes(ULONG(N.CKF_NEXT_OTP))),
                  (N.CK_OTP_OUTPUT_LENGTH, bytes(ULONG(5))), (N.CK_OTP_FLAGS, b'1'), (77, b'')):
        assert refused(otp_of, t, key, field) == 'CKR_MECHANISM_PARAM_INVALID', field
    assert refused(t.sign, t.mechanism('HOTP'), key, b'data') == 'CKR_DATA_LEN_RANGE'
    assert refused(t.sign, t.mechanism('SHA_1_HMAC'), key, b'data') == 'CKR_KEY_TYPE_INCONSISTENT'


# --- a public key of a private one -----------------------------------------------------------------------


def public_of(t, private, **more):
    array, n = template({'TOKEN': False, **more})
    key = ULONG(0)
    t.call('C_DeriveKey', t.h, t.mechanism('PUB_KEY_FROM_PRIV_KEY'), private, array, n, ctypes.byref(key))
    return key


PAIRS = [  # (mechanism, public template, what the public key is made of)
    ('RSA_PKCS_KEY_PAIR_GEN', {'MODULUS_BITS': 1024}, ['MODULUS', 'PUBLIC_EXPONENT', 'MODULUS_BITS']),
    ('EC_KEY_PAIR_GEN', {'EC_PARAMS': P256}, ['EC_PARAMS', 'EC_POINT']),
    ('EC_EDWARDS_KEY_PAIR_GEN', {'EC_PARAMS': bytes.fromhex('06032b6570')}, ['EC_PARAMS', 'EC_POINT']),
    ('EC_MONTGOMERY_KEY_PAIR_GEN', {'EC_PARAMS': bytes.fromhex('06032b656e')}, ['EC_PARAMS', 'EC_POINT']),
    ('ML_DSA_KEY_PAIR_GEN', {'PARAMETER_SET': N.CKP_ML_DSA_44}, ['PARAMETER_SET', 'VALUE']),
    ('ML_KEM_KEY_PAIR_GEN', {'PARAMETER_SET': N.CKP_ML_KEM_768}, ['PARAMETER_SET', 'VALUE']),
    ('SLH_DSA_KEY_PAIR_GEN', {'PARAMETER_SET': N.CKP_SLH_DSA_SHA2_128F}, ['PARAMETER_SET', 'VALUE']),
]


def test_a_private_key_gives_its_public_one(t):
    for mech, public, parts in PAIRS:
        pub, priv = pair(t, mech, public, {'ID': b'7', 'SIGN': True, 'DECRYPT': False})
        again = public_of(t, priv)
        for name in [*parts, 'KEY_TYPE', 'PUBLIC_KEY_INFO', 'KEY_GEN_MECHANISM']:
            assert t.get(again, name) == t.get(pub, name), (mech, name)
        assert [t.get(again, name) for name in ('ID', 'VERIFY', 'ENCRYPT', 'LOCAL', 'PRIVATE')] == [
            b'7', b'\1', b'\0', b'\0', b'\0'], mech
        assert t.get(public_of(t, priv, ID=b'8', VERIFY=False), 'ID') == b'8'
        t.destroy(pub, priv, again)


def test_a_private_key_gives_nothing_else(t):
    pub, priv = pair(t, 'EC_KEY_PAIR_GEN', {'EC_PARAMS': P256}, {'SIGN': True})
    for more, want in (({'CLASS': N.CKO_PRIVATE_KEY}, 'CKR_TEMPLATE_INCONSISTENT'),
                       ({'KEY_TYPE': N.CKK_RSA}, 'CKR_TEMPLATE_INCONSISTENT'),
                       ({'EC_POINT': t.get(pub, 'EC_POINT')}, 'CKR_ATTRIBUTE_READ_ONLY'),
                       ({'TRUSTED': True}, 'CKR_ATTRIBUTE_READ_ONLY')):
        assert refused(public_of, t, priv, **more) == want, more
    assert refused(public_of, t, pub) == 'CKR_KEY_TYPE_INCONSISTENT'
    assert refused(public_of, t, generic(t, bytes(32))) == 'CKR_KEY_TYPE_INCONSISTENT'
    _, tied = pair(t, 'EC_KEY_PAIR_GEN', {'EC_PARAMS': P256}, {'ALLOWED_MECHANISMS': [N.CKM_ECDSA]})
    assert refused(public_of, t, tied) == 'CKR_MECHANISM_INVALID'


def main():
    try:
        openssl('version')
    except FileNotFoundError:
        print('no openssl program here')
        return 77
    own_vault.run(BUILD, globals(), sys.argv[2])
    return 0


if __name__ == '__main__':
    sys.exit(main())
