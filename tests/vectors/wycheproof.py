"""wycheproof.py: how each kind of Wycheproof group is asked of a PKCS#11 token.

A kind makes a key, for each test or for a whole group, and then asks the token one
test with it. It returns where the token did what a valid test wants, and raises
  Wrong    the token answered something else
  Refused  the token refused
  Skip     PKCS#11 cannot ask this
Whether that is right for the test's result is decided in run.py."""
import re
from typing import Callable, NamedTuple

import der
from p11 import N, Params

CURVES = {  # DER of CKA_EC_PARAMS, bytes of the order
    'secp224r1': ('06052b81040021', 28),
    'secp256r1': ('06082a8648ce3d030107', 32),
    'secp384r1': ('06052b81040022', 48),
    'secp521r1': ('06052b81040023', 66),
    'secp256k1': ('06052b8104000a', 32),
    'brainpoolP224r1': ('06092b2403030208010105', 28),
    'brainpoolP256r1': ('06092b2403030208010107', 32),
    'brainpoolP320r1': ('06092b2403030208010109', 40),
    'brainpoolP384r1': ('06092b240303020801010b', 48),
    'brainpoolP512r1': ('06092b240303020801010d', 64),
}
EDWARDS = {'edwards25519': '06032b6570', 'edwards448': '06032b6571'}
MONTGOMERY = {'curve25519': '06032b656e', 'curve448': '06032b656f'}


class Wrong(Exception):
    """Wrong: the token gave another answer than the vector."""


class Skip(Exception):
    """Skip: PKCS#11 has no way to ask this; says why."""


class Kind(NamedTuple):
    mech: str            # what the token must have
    key: Callable        # (token, group, test): handle; for a group test is None
    ask: Callable        # (token, group, test, handle)
    per_group: bool = False


def same(got, want):
    if got != want:
        raise Wrong(f'{got.hex()[:80]} instead of {want.hex()[:80]}')


def h(test, name):
    return bytes.fromhex(test[name])


def curve(name):
    ecparams, size = CURVES[name]
    return bytes.fromhex(ecparams), size


def sha(name):
    """sha gives 'SHA256' of 'SHA-256', 'SHA512_224' of 'SHA-512/224', 'SHA_1' of 'SHA-1'."""
    name = name.replace('SHA3-', 'SHA3_').replace('SHA-', 'SHA').replace('/', '_')
    return 'SHA_1' if name == 'SHA1' else name


def with_hash(name):
    """with_hash: as the hash stands in a signature's name."""
    return sha(name).replace('SHA_1', 'SHA1')


def mgf(name):
    return getattr(N, f'CKG_MGF1_{with_hash(name)}')


def secret(t, kind, value, **usage):
    return t.create(CLASS=N.CKO_SECRET_KEY, KEY_TYPE=getattr(N, f'CKK_{kind}'), VALUE=value,
                    EXTRACTABLE=True, SENSITIVE=False, **usage)


def value_template(kind, size=None, **more):
    return {'CLASS': N.CKO_SECRET_KEY, 'KEY_TYPE': getattr(N, f'CKK_{kind}'), 'EXTRACTABLE': True,
            'SENSITIVE': False, **({} if size is None else {'VALUE_LEN': size}), **more}


# --- symmetric -----------------------------------------------------------------------------


def key_of(kind, *usage):
    """key_of makes a secret key of the test's 'key'."""
    def make(t, group, test):
        if not test['key']:
            raise Skip('PKCS#11 has no empty secret key')
        return secret(t, kind, h(test, 'key'), **{u: True for u in usage})
    return make


def cipher(mech):
    def ask(t, group, test, key):
        m = t.mechanism(mech, Params('x', h(test, 'iv')))
        same(t.decrypt(m, key, h(test, 'ct')), h(test, 'msg'))
        same(t.encrypt(m, key, h(test, 'msg')), h(test, 'ct'))
    return Kind(mech, key_of('AES', 'ENCRYPT', 'DECRYPT'), ask)


def aead(mech, kind, params):
    def ask(t, group, test, key):
        msg, sealed = h(test, 'msg'), h(test, 'ct') + h(test, 'tag')
        m = t.mechanism(mech, params(test, len(h(test, 'tag')), len(msg)))
        same(t.decrypt(m, key, sealed), msg)
        same(t.encrypt(m, key, msg), sealed)
    return Kind(mech, key_of(kind, 'ENCRYPT', 'DECRYPT'), ask)


GCM_IV_MAX = 128  # what OpenSSL takes


def gcm(test, tag, size):
    if len(h(test, 'iv')) > GCM_IV_MAX:
        raise Skip(f'OpenSSL takes no initialization vector over {GCM_IV_MAX} bytes for GCM')
    return Params('PuPu', h(test, 'iv'), 8 * len(h(test, 'iv')), h(test, 'aad'), 8 * tag)


def ccm(test, tag, size):
    return Params('uPPu', size, h(test, 'iv'), h(test, 'aad'), tag)


def chacha(test, tag, size):
    return Params('PP', h(test, 'iv'), h(test, 'aad'))


def mac(mech, kind, params):
    def ask(t, group, test, key):
        m = t.mechanism(mech, params(group, test))
        t.verify(m, key, h(test, 'msg'), h(test, 'tag'))
        same(t.sign(m, key, h(test, 'msg')), h(test, 'tag'))
    return Kind(mech, key_of(kind, 'SIGN', 'VERIFY'), ask)


def tag_length(group, test):
    return Params('u', group['tagSize'] // 8)


def gmac(group, test):
    return gcm({**test, 'aad': ''}, group['tagSize'] // 8, 0)


def key_wrap(mech):
    def ask(t, group, test, key):
        if not test['msg']:
            raise Skip('PKCS#11 has no empty secret key')
        m = t.mechanism(mech)
        inner = t.unwrap(m, key, h(test, 'ct'), **value_template('GENERIC_SECRET'))
        try:
            same(t.get(inner, 'VALUE'), h(test, 'msg'))
            same(t.wrap(m, key, inner), h(test, 'ct'))
        finally:
            t.destroy(inner)
    return Kind(mech, key_of('AES', 'WRAP', 'UNWRAP'), ask)


def hkdf_key(t, group, test):
    if not test['ikm']:
        raise Skip('PKCS#11 has no empty secret key')
    return secret(t, 'HKDF', h(test, 'ikm'), DERIVE=True)


def hkdf(hash_):
    def ask(t, group, test, key):
        salt = h(test, 'salt')
        params = Params('bbuuPuP', 1, 1, getattr(N, f'CKM_{hash_}'),
                        N.CKF_HKDF_SALT_DATA if salt else N.CKF_HKDF_SALT_NULL, salt, 0, h(test, 'info'))
        okm = t.derive(t.mechanism('HKDF_DERIVE', params), key,
                       **value_template('GENERIC_SECRET', test['size']))
        take_value(t, okm, h(test, 'okm'))
    return Kind('HKDF_DERIVE', hkdf_key, ask)


def take_value(t, made, want):
    """take_value compares a made key's value and destroys it."""
    try:
        same(t.get(made, 'VALUE'), want)
    finally:
        t.destroy(made)


def pbkdf2(prf):
    def ask(t, group, test, key):
        params = Params('uPuuPP', N.CKZ_SALT_SPECIFIED, h(test, 'salt'), test['iterationCount'],
                        getattr(N, f'CKP_PKCS5_PBKD2_HMAC_{prf}'), b'', h(test, 'password'))
        made = t.generate(t.mechanism('PKCS5_PBKD2', params),
                          **value_template('GENERIC_SECRET', test['dkLen']))
        take_value(t, made, h(test, 'dk'))
    return Kind('PKCS5_PBKD2', lambda t, group, test: None, ask)


# --- elliptic curves -----------------------------------------------------------------------


def ec_public(t, group, test):
    ecparams, _ = curve(group['publicKey']['curve'])
    return t.create(CLASS=N.CKO_PUBLIC_KEY, KEY_TYPE=N.CKK_EC, EC_PARAMS=ecparams, VERIFY=True,
                    EC_POINT=der.put(4, bytes.fromhex(group['publicKey']['uncompressed'])))


def ecdsa(encode):
    def ask(t, group, test, key):
        try:
            signature = encode(h(test, 'sig'), curve(group['publicKey']['curve'])[1])
        except der.NotDer:
            raise Skip('tests the DER envelope of the signature; PKCS#11 has r || s') from None
        t.verify(t.mechanism(f'ECDSA_{with_hash(group["sha"])}'), key, h(test, 'msg'), signature)
    return Kind('ECDSA', ec_public, ask, per_group=True)


def ecdh_private(t, group, test):
    ecparams, size = curve(group['curve'])
    return t.create(CLASS=N.CKO_PRIVATE_KEY, KEY_TYPE=N.CKK_EC, EC_PARAMS=ecparams, DERIVE=True,
                    VALUE=int(test['private'], 16).to_bytes(size, 'big'))


def xdh_private(t, group, test):
    return t.create(CLASS=N.CKO_PRIVATE_KEY, KEY_TYPE=N.CKK_EC_MONTGOMERY, DERIVE=True,
                    EC_PARAMS=bytes.fromhex(MONTGOMERY[group['curve']]), VALUE=h(test, 'private'))


def agree(peer_of):
    def ask(t, group, test, key):
        try:
            peer = peer_of(group, test)
        except der.NotDer:
            raise Skip('tests the DER envelope of the public key; PKCS#11 has the point') from None
        m = t.mechanism('ECDH1_DERIVE', Params('uLL', N.CKD_NULL, b'', peer))
        take_value(t, t.derive(m, key, **value_template('GENERIC_SECRET', len(h(test, 'shared')))),
                   h(test, 'shared'))
    return ask


def ecdh_peer(group, test):
    return der.public_point(h(test, 'public'), curve(group['curve'])[0])


def xdh_peer(group, test):
    return h(test, 'public')


def edwards_public(t, group, test):
    return t.create(CLASS=N.CKO_PUBLIC_KEY, KEY_TYPE=N.CKK_EC_EDWARDS, VERIFY=True,
                    EC_PARAMS=bytes.fromhex(EDWARDS[group['publicKey']['curve']]),
                    EC_POINT=der.put(4, bytes.fromhex(group['publicKey']['pk'])))


def eddsa(params):
    def ask(t, group, test, key):
        t.verify(t.mechanism('EDDSA', params), key, h(test, 'msg'), h(test, 'sig'))
    return Kind('EDDSA', edwards_public, ask, per_group=True)


# --- RSA -----------------------------------------------------------------------------------


def number(text):
    return bytes.fromhex(text.zfill(len(text) + len(text) % 2)).lstrip(b'\0')


def rsa_public(t, group, test):
    k = group['publicKey']
    return t.create(CLASS=N.CKO_PUBLIC_KEY, KEY_TYPE=N.CKK_RSA, MODULUS=number(k['modulus']),
                    PUBLIC_EXPONENT=number(k['publicExponent']), VERIFY=True)


RSA_PARTS = {'MODULUS': 'modulus', 'PUBLIC_EXPONENT': 'publicExponent',
             'PRIVATE_EXPONENT': 'privateExponent', 'PRIME_1': 'prime1', 'PRIME_2': 'prime2',
             'EXPONENT_1': 'exponent1', 'EXPONENT_2': 'exponent2', 'COEFFICIENT': 'coefficient'}


def rsa_private(t, group, test):
    k = group['privateKey']
    return t.create(CLASS=N.CKO_PRIVATE_KEY, KEY_TYPE=N.CKK_RSA, SIGN=True, DECRYPT=True,
                    **{cka: number(k[name]) for cka, name in RSA_PARTS.items() if name in k})


def rsa_verify(t, group, test, key):
    t.verify(t.mechanism(f'{with_hash(group["sha"])}_RSA_PKCS'), key, h(test, 'msg'), h(test, 'sig'))


def rsa_sign(t, group, test, key):
    m = t.mechanism(f'{with_hash(group["sha"])}_RSA_PKCS')
    same(t.sign(m, key, h(test, 'msg')), h(test, 'sig'))


def pss_verify(t, group, test, key):
    m = t.mechanism(f'{with_hash(group["sha"])}_RSA_PKCS_PSS', Params(
        'uuu', getattr(N, f'CKM_{sha(group["sha"])}'), mgf(group['mgfSha']), group['sLen']))
    t.verify(m, key, h(test, 'msg'), h(test, 'sig'))


def pkcs1_decrypt(t, group, test, key):
    same(t.decrypt(t.mechanism('RSA_PKCS'), key, h(test, 'ct')), h(test, 'msg'))


def oaep_decrypt(t, group, test, key):
    m = t.mechanism('RSA_PKCS_OAEP', Params(
        'uuuP', getattr(N, f'CKM_{sha(group["sha"])}'), mgf(group['mgfSha']), N.CKZ_DATA_SPECIFIED,
        h(test, 'label')))
    same(t.decrypt(m, key, h(test, 'ct')), h(test, 'msg'))


# --- lattices ------------------------------------------------------------------------------


def ml_dsa_context(test):
    return Params('uP', N.CKH_DETERMINISTIC_REQUIRED, bytes.fromhex(test.get('ctx', '')))


def ml_dsa_public(t, group, test):
    return t.create(CLASS=N.CKO_PUBLIC_KEY, KEY_TYPE=N.CKK_ML_DSA, VERIFY=True,
                    PARAMETER_SET=ml_set(group), VALUE=h(group, 'publicKey'))


def ml_dsa_private(t, group, test):
    parts = {'SEED': h(group, 'privateSeed')} if 'privateSeed' in group else \
        {'VALUE': h(group, 'privateKey')}
    return t.create(CLASS=N.CKO_PRIVATE_KEY, KEY_TYPE=N.CKK_ML_DSA, SIGN=True,
                    PARAMETER_SET=ml_set(group), **parts)


def ml_dsa_verify(t, group, test, key):
    t.verify(t.mechanism('ML_DSA', ml_dsa_context(test)), key, h(test, 'msg'), h(test, 'sig'))


def ml_dsa_sign(t, group, test, key):
    if 'Randomized' in test['flags']:
        raise Skip('a hedged signature: the token draws its own randomness')
    if 'msg' not in test:
        m = t.mechanism('ML_DSA_EXTERNAL_MU', Params('uP', N.CKH_DETERMINISTIC_REQUIRED, b''))
        same(t.sign(m, key, h(test, 'mu')), h(test, 'sig'))
        return
    same(t.sign(t.mechanism('ML_DSA', ml_dsa_context(test)), key, h(test, 'msg')), h(test, 'sig'))


def ml_set(group):
    """ml_set: CKP_ML_DSA_65 of 'ML-DSA-65'."""
    return getattr(N, f'CKP_{group.get("parameterSet", group.get("algorithm")).replace("-", "_").upper()}')


def ml_kem_private(part, name):
    def make(t, group, test):
        return t.create(CLASS=N.CKO_PRIVATE_KEY, KEY_TYPE=N.CKK_ML_KEM, EXTRACTABLE=True,
                        SENSITIVE=False, DECAPSULATE=True, PARAMETER_SET=ml_set(group),
                        **{part: h(test, name)})
    return make


def ml_kem_public(t, group, test):
    return t.create(CLASS=N.CKO_PUBLIC_KEY, KEY_TYPE=N.CKK_ML_KEM, ENCAPSULATE=True,
                    PARAMETER_SET=ml_set(group), VALUE=h(test, 'ek'))


def decapsulate(t, group, test, key):
    made = t.decapsulate(t.mechanism('ML_KEM'), key, h(test, 'c'), **value_template('GENERIC_SECRET', 32))
    take_value(t, made, h(test, 'K'))


def expand(t, group, test, key):
    same(t.get(key, 'VALUE'), h(test, 'dk'))
    same(t.get(key, 'PUBLIC_KEY_INFO')[-len(h(test, 'ek')):], h(test, 'ek'))


def encapsulate(t, group, test, key):
    _, made = t.encapsulate(t.mechanism('ML_KEM'), key, **value_template('GENERIC_SECRET', 32))
    t.destroy(made)
    if test['result'] == 'valid':
        raise Skip('the token draws m itself: c and K cannot be compared')


# --- which file is asked how ------------------------------------------------------------------

KINDS = [  # (the file's name, its kind or what makes the kind of the match)
    (r'aes_cbc_pkcs5', cipher('AES_CBC_PAD')),
    (r'aes_ccm', aead('AES_CCM', 'AES', ccm)),
    (r'aes_gcm', aead('AES_GCM', 'AES', gcm)),
    (r'chacha20_poly1305', aead('CHACHA20_POLY1305', 'CHACHA20', chacha)),
    (r'aes_gmac', mac('AES_GMAC', 'AES', gmac)),
    (r'aes_cmac', mac('AES_CMAC_GENERAL', 'AES', tag_length)),
    (r'hmac_sha1_', mac('SHA_1_HMAC_GENERAL', 'GENERIC_SECRET', tag_length)),
    (r'hmac_(sha\w+?)_test', lambda m: mac(f'{m[1].upper()}_HMAC_GENERAL', 'GENERIC_SECRET', tag_length)),
    (r'aes_kwp', key_wrap('AES_KEY_WRAP_KWP')),
    (r'aes_wrap', key_wrap('AES_KEY_WRAP')),
    (r'hkdf_sha1_', hkdf('SHA_1')),
    (r'hkdf_(sha\d+)_', lambda m: hkdf(m[1].upper())),
    (r'pbkdf2_hmac(sha\d+)_', lambda m: pbkdf2(m[1].upper())),
    (r'ecdh_', Kind('ECDH1_DERIVE', ecdh_private, agree(ecdh_peer))),
    (r'x(25519|448)_', Kind('ECDH1_DERIVE', xdh_private, agree(xdh_peer))),
    (r'ecdsa_.*_p1363', ecdsa(lambda signature, size: signature)),
    (r'ecdsa_', ecdsa(der.signature)),
    (r'ed25519_', eddsa(None)),
    (r'ed448_', eddsa(Params('bL', 0, b''))),
    (r'rsa_oaep_', Kind('RSA_PKCS_OAEP', rsa_private, oaep_decrypt, per_group=True)),
    (r'rsa_pss_', Kind('RSA_PKCS_PSS', rsa_public, pss_verify, per_group=True)),
    (r'rsa_signature_', Kind('RSA_PKCS', rsa_public, rsa_verify, per_group=True)),
    (r'rsa_pkcs1_.*_sig_gen', Kind('RSA_PKCS', rsa_private, rsa_sign, per_group=True)),
    (r'rsa_pkcs1_', Kind('RSA_PKCS', rsa_private, pkcs1_decrypt, per_group=True)),
    (r'mldsa_.*_verify', Kind('ML_DSA', ml_dsa_public, ml_dsa_verify, per_group=True)),
    (r'mldsa_.*_sign', Kind('ML_DSA', ml_dsa_private, ml_dsa_sign, per_group=True)),
    (r'mlkem_.*_keygen', Kind('ML_KEM', ml_kem_private('SEED', 'seed'), expand)),
    (r'mlkem_.*_encaps', Kind('ML_KEM', ml_kem_public, encapsulate)),
    (r'mlkem_.*_semi_expanded', Kind('ML_KEM', ml_kem_private('VALUE', 'dk'), decapsulate)),
    (r'mlkem_', Kind('ML_KEM', ml_kem_private('SEED', 'seed'), decapsulate)),
]


def kind_of(file):
    """kind_of returns the Kind for a file's name, or None."""
    for pattern, kind in KINDS:
        match = re.match(pattern, file)
        if match:
            return kind if isinstance(kind, Kind) else kind(match)
    return None
