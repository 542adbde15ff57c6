"""pyca.py: the vectors that python-cryptography collects (NIST's CAVP files, RFCs, NTT's), through
the module. Debian's package python3-cryptography-vectors has them, or the folder that
HOLDFAST_CRYPTOGRAPHY_VECTORS names."""
import glob
import hashlib
import importlib.util
import os
import re

from p11 import N, Fields, Params
from wycheproof import Skip, same, secret, take_value, value_template

DEBIAN = '/usr/lib/python3/dist-packages/cryptography_vectors'


def folder():
    """folder is where the vectors are, or None."""
    found = importlib.util.find_spec('cryptography_vectors')
    tried = [os.environ.get('HOLDFAST_CRYPTOGRAPHY_VECTORS'),
             *(found.submodule_search_locations if found else []), DEBIAN]
    return next((f for f in tried if f and os.path.isdir(f)), None)


def h(test, name):
    return bytes.fromhex(test[name])


# --- ciphers -----------------------------------------------------------------------------------


def crypt(t, mech, kind, key, params, plain, sealed):
    k = secret(t, kind, key, ENCRYPT=True, DECRYPT=True)
    try:
        m = t.mechanism(mech, params)
        same(t.encrypt(m, k, plain), sealed)
        same(t.decrypt(m, k, sealed), plain)
    finally:
        t.destroy(k)


def cipher(mech, kind):
    def ask(t, test):
        params = Params('x', h(test, 'IV')) if 'IV' in test else None
        crypt(t, mech, kind, h(test, 'KEY'), params, h(test, 'PLAINTEXT'), h(test, 'CIPHERTEXT'))
    return ask


def des_key(test, pair):
    """des_key gives kind and value: three equal keys are one, and where the mechanism takes a
    pair K1 K2 K1 is one."""
    if 'KEYS' in test:
        return 'DES', h(test, 'KEYS')
    parts = [h(test, f'KEY{i}') for i in (1, 2, 3)]
    return ('DES2', parts[0] + parts[1]) if pair and parts[0] == parts[2] else ('DES3', b''.join(parts))


def des(mode):
    def ask(t, test):
        feedback = 'FB' in mode
        kind, value = des_key(test, not feedback)
        params = Params('x', h(test, 'IV')) if 'IV' in test else None
        crypt(t, f'{"DES" if kind == "DES" or feedback else "DES3"}_{mode}', kind, value, params,
              h(test, 'PLAINTEXT'), h(test, 'CIPHERTEXT'))
    return ask


def xts(t, test):
    if int(test['DATAUNITLEN']) % 8 != 0:
        raise Skip('AES-XTS of bits that are no bytes')
    tweak = h(test, 'I') if 'I' in test else int(test['DATAUNITSEQNUMBER']).to_bytes(16, 'little')
    crypt(t, 'AES_XTS', 'AES_XTS', h(test, 'KEY'), Params('x', tweak), h(test, 'PT'), h(test, 'CT'))


def chacha20(t, test):
    counter = int(test['INITIAL_BLOCK_COUNTER']).to_bytes(4, 'little')
    crypt(t, 'CHACHA20', 'CHACHA20', h(test, 'KEY'), Params('BB', counter, h(test, 'NONCE')),
          h(test, 'PLAINTEXT'), h(test, 'CIPHERTEXT'))


# --- MACs and digests --------------------------------------------------------------------------


def mac(mech, kind, key='KEY', message='MSG', code='MD'):
    def ask(t, test):
        k = secret(t, kind, h(test, key), SIGN=True, VERIFY=True)
        try:
            same(t.sign(t.mechanism(mech), k, h(test, message)), h(test, code))
            t.verify(t.mechanism(mech), k, h(test, message), h(test, code))
        finally:
            t.destroy(k)
    return ask


def des_cmac(t, test):
    kind, value = des_key(test, True)
    mac('DES3_CMAC', kind, message='MESSAGE', code='OUTPUT')(t, {**test, 'KEY': value.hex()})


def digest(mech):
    def ask(t, test):
        same(t.digest(t.mechanism(mech), h(test, 'MSG')[:int(test['LEN']) // 8]), h(test, 'MD'))
    return ask


def shake(bits):
    def ask(t, test):
        size = int(test['OUTPUTLEN'])
        if size % 8 != 0 or not test['MSG']:
            raise Skip('SHAKE of PKCS#11 derives whole bytes from a key')
        k = secret(t, 'GENERIC_SECRET', h(test, 'MSG'), DERIVE=True)
        try:
            made = t.derive(t.mechanism(f'SHAKE_{bits}_KEY_DERIVATION'), k,
                            **value_template('GENERIC_SECRET', size // 8))
            take_value(t, made, h(test, 'OUTPUT'))
        finally:
            t.destroy(k)
    return ask


# --- RSA signatures of X9.31 -------------------------------------------------------------------

TRAILERS = {'SHA1': 0x33, 'SHA256': 0x34, 'SHA384': 0x36, 'SHA512': 0x35}  # ISO/IEC 10118's numbers


def number(test, name):
    return h(test, name).lstrip(b'\0')


def rsa_public(t, test):
    return t.create(CLASS=N.CKO_PUBLIC_KEY, KEY_TYPE=N.CKK_RSA, MODULUS=number(test, 'N'),
                    PUBLIC_EXPONENT=number(test, 'E'), VERIFY=True)


def x931_ways(t, test):
    """x931_ways yields mechanism and data: of SHA-1 the token hashes too."""
    name, message = test['SHAALG'], h(test, 'MSG')
    if name == 'SHA1':
        yield t.mechanism('SHA1_RSA_X9_31'), message
    yield t.mechanism('RSA_X9_31'), hashlib.new(name, message).digest() + bytes([TRAILERS[name]])


def x931(t, test):
    key = rsa_public(t, test)
    try:
        for mech, data in x931_ways(t, test):
            t.verify(mech, key, data, h(test, 'S'))
    finally:
        t.destroy(key)


def x931_sign(t, test):
    key = rsa_private(t, test)
    try:
        for mech, data in x931_ways(t, test):
            same(t.sign(mech, key, data), h(test, 'S'))
    finally:
        t.destroy(key)
    x931(t, test)


# --- RSA and DSA signatures ----------------------------------------------------------------------


def rsa_private(t, test):
    return t.create(CLASS=N.CKO_PRIVATE_KEY, KEY_TYPE=N.CKK_RSA, MODULUS=number(test, 'N'), SIGN=True,
                    PUBLIC_EXPONENT=number(test, 'E'), PRIVATE_EXPONENT=number(test, 'D'))


def pkcs1(t, test):
    return t.mechanism(f'{test["SHAALG"]}_RSA_PKCS')


def pkcs1_sign(t, test):
    key = rsa_private(t, test)
    try:
        same(t.sign(pkcs1(t, test), key, h(test, 'MSG')), h(test, 'S'))
    finally:
        t.destroy(key)
    rsa_verify(pkcs1)(t, test)


def pss(t, test):
    name = test['SHAALG']
    return t.mechanism(f'{name}_RSA_PKCS_PSS', Params(
        'uuu', getattr(N, f'CKM_{name.replace("SHA1", "SHA_1")}'), getattr(N, f'CKG_MGF1_{name}'),
        len(h(test, 'SALTVAL'))))


def rsa_verify(mechanism):
    def ask(t, test):
        key = rsa_public(t, test)
        try:
            t.verify(mechanism(t, test), key, h(test, 'MSG'), h(test, 'S'))
        finally:
            t.destroy(key)
    return ask


def dsa(t, test):
    name = re.search(r'SHA-\d+', test['GROUP'])[0].replace('-', '')
    half = len(number(test, 'Q'))
    signature = b''.join(number(test, part).rjust(half, b'\0') for part in 'RS')
    key = t.create(CLASS=N.CKO_PUBLIC_KEY, KEY_TYPE=N.CKK_DSA, PRIME=h(test, 'P'), SUBPRIME=h(test, 'Q'),
                   BASE=h(test, 'G'), VALUE=h(test, 'Y'), VERIFY=True)
    try:
        t.verify(t.mechanism(f'DSA_{name}'), key, h(test, 'MSG'), signature)
    finally:
        t.destroy(key)


# --- the KDF of X9.63 ------------------------------------------------------------------------------

# A private key of 1 agrees with a point on its own x: so any shared secret Z that is some
# point's x can be asked. Bits of Z: DER of the curve, p, b; a is -3.
CURVES = {
    192: ('06082a8648ce3d030101', 2**192 - 2**64 - 1, '64210519e59c80e70fa7e9ab72243049feb8deecc146b9b1'),
    521: ('06052b81040023', 2**521 - 1,
          '0051953eb9618e1c9a1f929a21a0b68540eea2da725b99b315f3b8b489918ef109e156193951ec7e937b1652c0bd3bb1bf073573'
          'df883d2c34f1ef451fd46b503f00'),
}


def point_over(x, p, b):
    """point_over is a point with that x, uncompressed; p is 3 modulo 4."""
    square = (x ** 3 - 3 * x + b) % p
    y = pow(square, (p + 1) // 4, p)
    if x >= p or y * y % p != square:
        raise Skip('this shared secret is the x of no point')
    size = (p.bit_length() + 7) // 8
    return b'\4' + x.to_bytes(size, 'big') + y.to_bytes(size, 'big')


def x963(t, test):
    bits = int(re.search(r'secret length = (\d+)', test['GROUP'])[1])
    ecparams, p, b = CURVES[bits]
    peer = point_over(int(test['Z'], 16), p, int(b, 16))
    key = t.create(CLASS=N.CKO_PRIVATE_KEY, KEY_TYPE=N.CKK_EC, EC_PARAMS=bytes.fromhex(ecparams),
                   VALUE=b'\1'.rjust((bits + 7) // 8, b'\0'), DERIVE=True)
    try:
        kdf = getattr(N, 'CKD_%s_KDF' % re.search(r'SHA-\d+', test['GROUP'])[0].replace('-', ''))
        m = t.mechanism('ECDH1_DERIVE', Params('uLL', kdf, h(test, 'SHAREDINFO'), peer))
        made = t.derive(m, key, **value_template('GENERIC_SECRET', len(h(test, 'KEY_DATA'))))
        take_value(t, made, h(test, 'KEY_DATA'))
    finally:
        t.destroy(key)


def hkdf(hash_):
    def ask(t, test):
        salt = h(test, 'SALT')
        params = Params('bbuuPuP', 1, 1, getattr(N, f'CKM_{hash_}'),
                        N.CKF_HKDF_SALT_DATA if salt else N.CKF_HKDF_SALT_NULL, salt, 0, h(test, 'INFO'))
        key = secret(t, 'HKDF', h(test, 'IKM'), DERIVE=True)
        try:
            made = t.derive(t.mechanism('HKDF_DERIVE', params), key,
                            **value_template('GENERIC_SECRET', len(h(test, 'OKM'))))
            take_value(t, made, h(test, 'OKM'))
        finally:
            t.destroy(key)
    return ask


# --- one-time passwords ----------------------------------------------------------------------------


def hotp(t, test):
    key = t.create(CLASS=N.CKO_OTP_KEY, KEY_TYPE=N.CKK_HOTP, VALUE=test['SECRET'].encode())
    counter = Fields([(N.CK_OTP_COUNTER, int(test['COUNTER']).to_bytes(8, 'big'))])
    params = Params('pu', counter.at, counter.n)
    params.kept.append(counter)
    try:
        t.verify(t.mechanism('HOTP', params), key, b'', test['HOTP'].encode())
    finally:
        t.destroy(key)


# --- files ---------------------------------------------------------------------------------------

SHA2 = [(rf'hashes/SHA2/SHA{n}(Short|Long)Msg\.rsp', digest(f'SHA{n}'))
        for n in ('224', '256', '384', '512', '512_224', '512_256')]
SHA3 = [(rf'hashes/SHA3/SHA3_{n}(Short|Long)Msg\.rsp', digest(f'SHA3_{n}')) for n in (224, 256, 384, 512)]
HMAC = [(rf'HMAC/rfc-4231-sha{n}\.txt', mac(f'SHA{n}_HMAC', 'GENERIC_SECRET')) for n in (224, 256, 384, 512)]
KINDS = [  # (the file's name, what asks one of its tests)
    (r'ciphers/3DES/ECB/TECB(?!.*Monte).*\.rsp', des('ECB')),
    (r'ciphers/3DES/CBC/TCBC[^I].*\.rsp', des('CBC')),
    (r'ciphers/3DES/OFB/TOFB[^I].*\.rsp', des('OFB64')),
    (r'ciphers/3DES/CFB/TCFB64.*\.rsp', des('CFB64')),
    (r'ciphers/3DES/CFB/TCFB8.*\.rsp', des('CFB8')),
    (r'ciphers/AES/ECB/ECB.*\.rsp', cipher('AES_ECB', 'AES')),
    (r'ciphers/AES/CBC/CBC.*\.rsp', cipher('AES_CBC', 'AES')),
    (r'ciphers/AES/OFB/OFB.*\.rsp', cipher('AES_OFB', 'AES')),
    (r'ciphers/AES/CFB/CFB128.*\.rsp', cipher('AES_CFB128', 'AES')),
    (r'ciphers/AES/CFB/CFB8.*\.rsp', cipher('AES_CFB8', 'AES')),
    (r'ciphers/AES/XTS/.*\.rsp', xts),
    (r'ciphers/Camellia/camellia-...-ecb\.txt', cipher('CAMELLIA_ECB', 'CAMELLIA')),
    (r'ciphers/Camellia/camellia-cbc\.txt', cipher('CAMELLIA_CBC', 'CAMELLIA')),
    (r'ciphers/SEED/rfc-4269\.txt', cipher('SEED_ECB', 'SEED')),
    (r'ciphers/SEED/rfc-4196\.txt', cipher('SEED_CBC', 'SEED')),
    (r'ciphers/ChaCha20/.*\.txt', chacha20),
    (r'CMAC/nist-800-38b-aes.*\.txt', mac('AES_CMAC', 'AES', message='MESSAGE', code='OUTPUT')),
    (r'CMAC/nist-800-38b-3des\.txt', des_cmac),
    (r'poly1305/.*\.txt', mac('POLY1305', 'POLY1305', code='TAG')),
    (r'hashes/MD5/.*\.txt', digest('MD5')),
    (r'hashes/ripemd160/.*\.txt', digest('RIPEMD160')),
    (r'hashes/blake2/blake2b\.txt', digest('BLAKE2B_512')),
    (r'hashes/SHA1/SHA1(Short|Long)Msg\.rsp', digest('SHA_1')),
    *SHA2, *SHA3,
    (r'hashes/SHAKE/SHAKE128VariableOut\.rsp', shake(128)),
    (r'hashes/SHAKE/SHAKE256VariableOut\.rsp', shake(256)),
    (r'HMAC/rfc-2202-md5\.txt', mac('MD5_HMAC', 'GENERIC_SECRET')),
    (r'HMAC/rfc-2202-sha1\.txt', mac('SHA_1_HMAC', 'GENERIC_SECRET')),
    (r'HMAC/rfc-2286-ripemd160\.txt', mac('RIPEMD160_HMAC', 'GENERIC_SECRET')),
    *HMAC,
    (r'asymmetric/RSA/FIPS_186-2/SigGenRSA_186-2\.txt', x931_sign),
    (r'asymmetric/RSA/FIPS_186-2/SigGenRSA\.rsp', x931),
    (r'asymmetric/RSA/FIPS_186-2/SigVerRSA\.rsp', x931),
    (r'asymmetric/RSA/FIPS_186-2/SigGen15_186-2\.txt', pkcs1_sign),
    (r'asymmetric/RSA/FIPS_186-2/SigVer15_186-3\.rsp', rsa_verify(pkcs1)),
    (r'asymmetric/RSA/FIPS_186-2/Sig(GenPSS_186-2\.txt|VerPSS_186-3\.rsp)', rsa_verify(pss)),
    (r'asymmetric/DSA/FIPS_186-3/Sig(Ver\.rsp|Gen\.txt)', dsa),
    (r'twofactor/rfc-4226\.txt', hotp),
    (r'KDF/ansx963_2001\.txt', x963),
    (r'KDF/rfc-5869-HKDF-SHA1\.txt', hkdf('SHA_1')),
    (r'KDF/(rfc-5869-HKDF-SHA256|hkdf-generated)\.txt', hkdf('SHA256')),
]
KEPT = {'GROUP', 'N', 'E', 'D', 'P', 'Q', 'G'}  # of signatures: once for the tests that follow
ENDS = {'MD', 'CIPHERTEXT', 'CT', 'OUTPUT', 'TAG', 'S', 'KEY_DATA', 'OKM', 'SECRET'}  # a test that has one of these is whole


def tests_of(path):
    """tests_of yields the tests of a file in NIST's form: names and values, empty lines between."""
    test = {}
    for line in [*open(path, encoding='utf-8'), '\n']:
        pair = re.match(r'([A-Za-z0-9_]+) *= *(\S*)', line)
        if line.startswith('['):
            test['GROUP'] = line
        elif pair:
            test[pair[1].upper()] = pair[2]
        elif not line.strip() and ENDS & set(test):
            yield test
            test = {k: v for k, v in test.items() if k in KEPT and 'S' in test}


def x963_tests_of(path):
    """x963_tests_of: what stands in brackets, on several lines, holds for the tests that follow."""
    group, test = [], {}
    for line in open(path, encoding='utf-8'):
        pair = re.match(r'([A-Za-z_]+) *= *(\S*)', line)
        if line.startswith('['):
            group = [*group, line] if not test else [line]
            test = {}
        elif pair:
            test[pair[1].upper()] = pair[2]
            if pair[1] == 'key_data':
                yield {**test, 'GROUP': ''.join(group)}


def ntt_tests_of(path):
    """ntt_tests_of reads NTT's: a key, and blocks under it."""
    test = {}
    for line in open(path, encoding='utf-8'):
        found = re.match(r'([KPC]) No\.\d+ : (.*)', line)
        if found:
            test[{'K': 'KEY', 'P': 'PLAINTEXT', 'C': 'CIPHERTEXT'}[found[1]]] = found[2].replace(' ', '')
            if found[1] == 'C':
                yield dict(test)


READERS = [(r'Camellia.*-ecb\.txt$', ntt_tests_of), (r'ansx963', x963_tests_of)]


def cases(vectors):
    """cases yields (file, what asks, None, test) of all files."""
    for path in sorted(glob.glob(f'{vectors}/**/*.*', recursive=True)):
        file = os.path.relpath(path, vectors)
        ask_one = next((f for pattern, f in KINDS if re.fullmatch(pattern, file)), None)
        if ask_one is None:
            continue
        read = next((f for pattern, f in READERS if re.search(pattern, file)), tests_of)
        for number, test in enumerate(read(path)):
            yield file, ask_one, None, {**test, 'tcId': test.get('COUNT', number)}


def ask(t, kind, group, test):
    return kind(t, test)


def result(test):
    return 'invalid' if test.get('RESULT') == 'F' else 'valid'
