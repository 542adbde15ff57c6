"""acvp.py: how each kind of NIST's ACVP test is asked of a PKCS#11 token. What is raised is as in
wycheproof.py."""
import contextlib
import ctypes
import glob
import hashlib
import json
import os
import struct

import der
from p11 import N, Params, Refused
from wycheproof import (CURVES, EDWARDS, Skip, Wrong, curve, mgf, ml_set, same, secret, sha, take_value,
                        value_template, with_hash)


@contextlib.contextmanager
def having(t, key):
    try:
        yield key
    finally:
        t.destroy(key)


def h(test, name):
    return bytes.fromhex(test[name])


def hash_of(name):
    """hash_of gives 'SHA-256' of ACVP's 'SHA2-256'."""
    return name.replace('SHA2-', 'SHA-')


def key_attributes(**more):
    return {'ENCRYPT': True, 'DECRYPT': True, 'SIGN': True, 'VERIFY': True, 'WRAP': True, 'UNWRAP': True,
            **more}


# --- AES ------------------------------------------------------------------------------------


def cipher(mech, params, kind='AES'):
    """cipher: one direction, pt and ct."""
    def ask(t, g, test):
        if g['testType'] == 'MCT':
            raise Skip('Monte Carlo: 100,000 calls of one block, each test')
        if int(g.get('payloadLen', test.get('payloadLen', 0))) % 8:
            raise Skip('a payload of bits that fill no byte')
        verb, data, want = (t.encrypt, 'pt', 'ct') if g['direction'] == 'encrypt' else (t.decrypt, 'ct', 'pt')
        with having(t, secret(t, kind, h(test, 'key'), ENCRYPT=True, DECRYPT=True)) as key:
            size = len(test[data]) // 2
            got = verb(t.mechanism(mech, params(g, test, size)), key, h(test, data) + tag_of(g, test))
        tag = g['tagLen'] // 8 if 'tagLen' in g and 'tag' in test and g['direction'] == 'encrypt' else 0
        same(got, h(test, want) + (h(test, 'tag') if tag else b'') if want in test else got)
    return ask


def tag_of(g, test):
    return h(test, 'tag') if g['direction'] == 'decrypt' and 'tag' in test else b''


def iv(g, test, size):
    return Params('x', h(test, 'iv'))


def counter(g, test, size):
    return Params('ux', 128, h(test, 'iv'))


def gcm(g, test, size):
    return Params('PuPu', h(test, 'iv'), 4 * len(test['iv']), h(test, 'aad'), g['tagLen'])


def ccm(g, test, size):
    tag = g['tagLen'] // 8
    return Params('uPPu', size if g['direction'] == 'encrypt' else size - tag, h(test, 'iv'), h(test, 'aad'), tag)


def tweak(g, test, size):
    number = test['sequenceNumber'] if 'sequenceNumber' in test else None
    return Params('x', h(test, 'tweakValue') if number is None else number.to_bytes(16, 'little'))


def gmac(t, g, test):
    with having(t, secret(t, 'AES', h(test, 'key'), SIGN=True, VERIFY=True)) as key:
        m = t.mechanism('AES_GMAC', gcm(g, {**test, 'aad': ''}, 0))
        if g['direction'] == 'encrypt':
            same(t.sign(m, key, h(test, 'aad')), h(test, 'tag'))
        else:
            t.verify(m, key, h(test, 'aad'), h(test, 'tag'))


def key_wrap(mech):
    def ask(t, g, test):
        if g['kwCipher'] != 'cipher':
            raise Skip('key wrap with the inverse cipher: PKCS#11 has none')
        with having(t, secret(t, 'AES', h(test, 'key'), WRAP=True, UNWRAP=True)) as key:
            m = t.mechanism(mech)
            if g['direction'] == 'encrypt':
                with having(t, secret(t, 'GENERIC_SECRET', h(test, 'pt'))) as inner:
                    same(t.wrap(m, key, inner), h(test, 'ct'))
            else:
                inner = t.unwrap(m, key, h(test, 'ct'), **value_template('GENERIC_SECRET'))
                take_value(t, inner, h(test, 'pt'))
    return ask


# --- MACs ------------------------------------------------------------------------------------


def mac(mech, kind, message):
    def ask(t, g, test):
        with having(t, secret(t, kind, h(test, 'key'), SIGN=True, VERIFY=True)) as key:
            m = t.mechanism(mech, Params('u', g['macLen'] // 8))
            if g.get('direction') == 'ver':
                t.verify(m, key, h(test, message), h(test, 'mac'))
            else:
                same(t.sign(m, key, h(test, message)), h(test, 'mac'))
    return ask


def hmac(hash_):
    return mac(f'{hash_}_HMAC_GENERAL', 'GENERIC_SECRET', 'msg')


# --- derivation --------------------------------------------------------------------------------


def party(test, name):
    p = test.get(name, {})
    return bytes.fromhex(p.get('partyId', '') + p.get('ephemeralData', ''))


def hkdf(t, g, test):
    p, config = test['kdfParameter'], g['kdfConfiguration']
    parts = {'uPartyInfo': party(test, 'fixedInfoPartyU'), 'vPartyInfo': party(test, 'fixedInfoPartyV'),
             'l': p['l'].to_bytes(4, 'big')}
    info = b''.join(parts[name] for name in config['fixedInfoPattern'].split('||'))
    params = Params('bbuuPuP', 1, 1, getattr(N, f'CKM_{sha(hash_of(config["hmacAlg"]))}'),
                    N.CKF_HKDF_SALT_DATA, h(p, 'salt'), 0, info)
    with having(t, secret(t, 'HKDF', h(p, 'z'), DERIVE=True)) as key:
        okm = t.derive(t.mechanism('HKDF_DERIVE', params), key,
                       **value_template('GENERIC_SECRET', p['l'] // 8))
        take_value(t, okm, h(test, 'dkm'))


def pbkdf(t, g, test):
    prf = getattr(N, f'CKP_PKCS5_PBKD2_HMAC_{sha(hash_of(g["hmacAlg"])).replace("SHA_1", "SHA1")}')
    params = Params('uPuuPP', N.CKZ_SALT_SPECIFIED, h(test, 'salt'), test['iterationCount'], prf, b'',
                    test['password'].encode())
    made = t.generate(t.mechanism('PKCS5_PBKD2', params),
                      **value_template('GENERIC_SECRET', test['keyLen'] // 8))
    take_value(t, made, h(test, 'derivedKey'))


KEY_MAT_OUT = struct.Struct('@LLLLPP')


def key_block(t, hash_, master, test, size):
    """key_block puts the two MAC secrets, two keys and two IVs together again."""
    each, ivs = size // 8, [ctypes.create_string_buffer(size) for _ in range(2)]
    iv = (size - 4 * each) // 2
    out = ctypes.create_string_buffer(KEY_MAT_OUT.pack(0, 0, 0, 0, *map(ctypes.addressof, ivs)))
    m = t.mechanism('TLS12_KEY_AND_MAC_DERIVE', Params(
        'uuubPPpu', 8 * each, 8 * each, 8 * iv, 0, h(test, 'clientRandom'), h(test, 'serverRandom'),
        ctypes.addressof(out), hash_))
    t.derive(m, master, **value_template('GENERIC_SECRET', each))
    keys = [ctypes.c_ulong(k) for k in KEY_MAT_OUT.unpack(out.raw[:KEY_MAT_OUT.size])[:4]]
    block = b''.join(t.get(k, 'VALUE') for k in keys) + b''.join(v.raw[:iv] for v in ivs)
    t.destroy(*keys)
    return block


def tls12(t, g, test):
    hash_ = getattr(N, f'CKM_{sha(hash_of(g["hashAlg"]))}')
    m = t.mechanism('TLS12_EXTENDED_MASTER_KEY_DERIVE_DH', Params('uPu', hash_, h(test, 'sessionHash'), 0))
    with having(t, secret(t, 'GENERIC_SECRET', h(test, 'preMasterSecret'), DERIVE=True)) as key:
        with having(t, t.derive(m, key, **value_template('GENERIC_SECRET', 48), DERIVE=True)) as master:
            same(t.get(master, 'VALUE'), h(test, 'masterSecret'))
            same(key_block(t, hash_, master, test, g['keyBlockLength'] // 8), h(test, 'keyBlock'))


# --- curves --------------------------------------------------------------------------------------


def named(name):
    return {'P-224': 'secp224r1', 'P-256': 'secp256r1', 'P-384': 'secp384r1', 'P-521': 'secp521r1'}[name]


def point(x, y, size):
    return b'\4' + bytes.fromhex(x).rjust(size, b'\0') + bytes.fromhex(y).rjust(size, b'\0')


def ec_public(t, g, test):
    ecparams, size = curve(named(g['curve']))
    if max(len(test['qx']), len(test['qy'])) > 2 * size:
        raise Skip('a coordinate longer than the field: no point can be written')
    return t.create(CLASS=N.CKO_PUBLIC_KEY, KEY_TYPE=N.CKK_EC, EC_PARAMS=ecparams, VERIFY=True,
                    EC_POINT=der.put(4, point(test['qx'], test['qy'], size)))


def ecdsa_verify(t, g, test):
    size = CURVES[named(g['curve'])][1]
    signature = h(test, 'r').rjust(size, b'\0') + h(test, 's').rjust(size, b'\0')
    with having(t, ec_public(t, g, test)) as key:
        t.verify(t.mechanism(f'ECDSA_{with_hash(hash_of(g["hashAlg"]))}'), key, h(test, 'message'), signature)


def ecdsa_key(t, g, test):
    t.destroy(ec_public(t, g, test))


def edwards_public(t, g, test):
    name = {'ED-25519': 'edwards25519', 'ED-448': 'edwards448'}[g['curve']]
    return t.create(CLASS=N.CKO_PUBLIC_KEY, KEY_TYPE=N.CKK_EC_EDWARDS, VERIFY=True,
                    EC_PARAMS=bytes.fromhex(EDWARDS[name]), EC_POINT=der.put(4, h(test, 'q')))


def eddsa_verify(t, g, test):
    with having(t, edwards_public(t, g, test)) as key:
        t.verify(t.mechanism('EDDSA'), key, h(test, 'message'), h(test, 'signature'))


def eddsa_key(t, g, test):
    t.destroy(edwards_public(t, g, test))


def ecdh(t, g, test):
    raise Skip('some z are wrong on purpose, and the folder does not say which')


# --- RSA -------------------------------------------------------------------------------------------


def rsa_verify(t, g, test):
    if g['sigType'] == 'ansx9.31':
        raise Skip('X9.31 with a hash: PKCS#11 has it with SHA-1 only')
    hash_ = hash_of(g['hashAlg'])
    m = t.mechanism(f'{with_hash(hash_)}_RSA_PKCS') if g['sigType'] == 'pkcs1v1.5' else t.mechanism(
        f'{with_hash(hash_)}_RSA_PKCS_PSS',
        Params('uuu', getattr(N, f'CKM_{sha(hash_)}'), mgf(hash_), g['saltLen']))
    key = t.create(CLASS=N.CKO_PUBLIC_KEY, KEY_TYPE=N.CKK_RSA, MODULUS=h(g, 'n').lstrip(b'\0'),
                   PUBLIC_EXPONENT=h(g, 'e').lstrip(b'\0'), VERIFY=True)
    with having(t, key):
        t.verify(m, key, h(test, 'message'), h(test, 'signature'))


def nothing_to_compare(t, g, test):
    raise Skip('the token makes the key itself: nothing to compare')


# --- lattices and hashes ------------------------------------------------------------------------------


def pq(t, kind, group, private, **parts):
    usage = {'ML_KEM': ('DECAPSULATE',) if private else ('ENCAPSULATE',)}.get(
        kind, ('SIGN',) if private else ('VERIFY',))
    return t.create(CLASS=N.CKO_PRIVATE_KEY if private else N.CKO_PUBLIC_KEY,
                    KEY_TYPE=getattr(N, f'CKK_{kind}'), PARAMETER_SET=ml_set(group),
                    **({'SENSITIVE': False, 'EXTRACTABLE': True} if private else {}),
                    **{u: True for u in usage}, **parts)


def key_from_seed(kind, seed, private, public):
    def ask(t, g, test):
        parts = {'SEED': seed(test)}
        with having(t, pq(t, kind, g, True, **parts)) as key:
            same(t.get(key, 'VALUE'), h(test, private))
            same(t.get(key, 'PUBLIC_KEY_INFO')[-len(h(test, public)):], h(test, public))
    return ask


def ml_dsa_mu(test, public):
    """ml_dsa_mu: the internal interface signs mu, which is made of what it calls the message
    (FIPS 204, algorithm 7, step 6)."""
    if 'mu' in test:
        return h(test, 'mu')
    tr = hashlib.shake_256(public).digest(64)
    return hashlib.shake_256(tr + h(test, 'message')).digest(64)


def ml_dsa_sign(t, g, test):
    """A hedged signature cannot come out the same: the file's must verify then."""
    parts = {'SEED': h(test, 'seed')} if 'seed' in test else {'VALUE': h(test, 'sk')}
    with having(t, pq(t, 'ML_DSA', g, True, **parts)) as key:
        size = {'ML-DSA-44': 1312, 'ML-DSA-65': 1952, 'ML-DSA-87': 2592}[g['parameterSet']]
        public = t.get(key, 'PUBLIC_KEY_INFO')[-size:]
        if g['deterministic']:
            m = t.mechanism('ML_DSA_EXTERNAL_MU', Params('uP', N.CKH_DETERMINISTIC_REQUIRED, b''))
            same(t.sign(m, key, ml_dsa_mu(test, public)), h(test, 'signature'))
    ml_dsa_verify(t, g, {**test, 'pk': public.hex()})


def ml_dsa_verify(t, g, test):
    public = h(test, 'pk') if 'pk' in test else h(g, 'pk')
    with having(t, pq(t, 'ML_DSA', g, False, VALUE=public)) as key:
        t.verify(t.mechanism('ML_DSA_EXTERNAL_MU'), key, ml_dsa_mu(test, public), h(test, 'signature'))


def ml_kem(t, g, test):
    if g['function'] == 'encapsulation':
        with having(t, pq(t, 'ML_KEM', g, False, VALUE=h(test, 'ek'))) as key:
            _, made = t.encapsulate(t.mechanism('ML_KEM'), key, **value_template('GENERIC_SECRET', 32))
            t.destroy(made)
        if 'dk' not in test:
            raise Skip('the token draws m itself: c and K cannot be compared')
        g = {**g, 'function': 'decapsulation'}  # the way back has one answer
    if g['function'] == 'encapsulationKeyCheck':
        t.destroy(pq(t, 'ML_KEM', g, False, VALUE=h(test, 'ek')))
        return
    if g['function'] != 'decapsulation':
        raise Skip(f'ML-KEM {g["function"]}')
    parts = {'SEED': h(test, 'd') + h(test, 'z')} if 'd' in test else {'VALUE': h({**g, **test}, 'dk')}
    with having(t, pq(t, 'ML_KEM', g, True, **parts)) as key:
        made = t.decapsulate(t.mechanism('ML_KEM'), key, h(test, 'c'), **value_template('GENERIC_SECRET', 32))
        take_value(t, made, h(test, 'k'))


def slh_dsa_key(t, g, test):
    """The key comes whole, so that its last part, the tree's root, is computed and compared."""
    private = h(test, 'sk')
    with having(t, pq(t, 'SLH_DSA', g, True, VALUE=private)) as key:
        same(t.get(key, 'PUBLIC_KEY_INFO')[-len(h(test, 'pk')):], h(test, 'pk'))
    with contextlib.suppress(Refused):
        t.destroy(pq(t, 'SLH_DSA', g, True, VALUE=private[:-1] + bytes([private[-1] ^ 1])))
        raise Wrong('a private key with another root was taken')


def slh_dsa_verify(t, g, test):
    raise Skip('the internal interface of FIPS 205, which PKCS#11 does not have')


KINDS = {  # (algorithm, mode): (what the token must have, how it is asked)
    ('ACVP-AES-ECB', None): ('AES_ECB', cipher('AES_ECB', lambda g, test, size: None)),
    ('ACVP-AES-CBC', None): ('AES_CBC', cipher('AES_CBC', iv)),
    ('ACVP-AES-CTR', None): ('AES_CTR', cipher('AES_CTR', counter)),
    ('ACVP-AES-GCM', None): ('AES_GCM', cipher('AES_GCM', gcm)),
    ('ACVP-AES-CCM', None): ('AES_CCM', cipher('AES_CCM', ccm)),
    ('ACVP-AES-XTS', None): ('AES_XTS', cipher('AES_XTS', tweak, 'AES_XTS')),
    ('ACVP-AES-GMAC', None): ('AES_GMAC', gmac),
    ('ACVP-AES-KW', None): ('AES_KEY_WRAP', key_wrap('AES_KEY_WRAP')),
    ('ACVP-AES-KWP', None): ('AES_KEY_WRAP_KWP', key_wrap('AES_KEY_WRAP_KWP')),
    ('CMAC-AES', None): ('AES_CMAC_GENERAL', mac('AES_CMAC_GENERAL', 'AES', 'message')),
    **{(f'HMAC-{name}', None): (f'{sha(hash_of(name))}_HMAC_GENERAL', hmac(sha(hash_of(name))))
       for name in ('SHA-1', 'SHA2-224', 'SHA2-256', 'SHA2-384', 'SHA2-512')},
    ('KDA', 'HKDF'): ('HKDF_DERIVE', hkdf),
    ('PBKDF', None): ('PKCS5_PBKD2', pbkdf),
    ('TLS-v1.2', 'KDF'): ('TLS12_EXTENDED_MASTER_KEY_DERIVE_DH', tls12),
    ('ECDSA', 'sigVer'): ('ECDSA', ecdsa_verify),
    ('ECDSA', 'keyVer'): ('ECDSA', ecdsa_key),
    ('EDDSA', 'sigVer'): ('EDDSA', eddsa_verify),
    ('EDDSA', 'keyVer'): ('EDDSA', eddsa_key),
    ('KAS-ECC-SSC', None): ('ECDH1_DERIVE', ecdh),
    ('RSA', 'sigVer'): ('RSA_PKCS', rsa_verify),
    ('RSA', 'sigGen'): ('RSA_PKCS', nothing_to_compare),
    ('ML-DSA', 'keyGen'): ('ML_DSA', key_from_seed('ML_DSA', lambda x: h(x, 'seed'), 'sk', 'pk')),
    ('ML-DSA', 'sigGen'): ('ML_DSA_EXTERNAL_MU', ml_dsa_sign),
    ('ML-DSA', 'sigVer'): ('ML_DSA_EXTERNAL_MU', ml_dsa_verify),
    ('ML-KEM', 'keyGen'): ('ML_KEM', key_from_seed('ML_KEM', lambda x: h(x, 'd') + h(x, 'z'), 'dk', 'ek')),
    ('ML-KEM', 'encapDecap'): ('ML_KEM', ml_kem),
    ('SLH-DSA', 'keyGen'): ('SLH_DSA', slh_dsa_key),
    ('SLH-DSA', 'sigGen'): ('SLH_DSA', slh_dsa_verify),
    ('SLH-DSA', 'sigVer'): ('SLH_DSA', slh_dsa_verify),
}


# --- reading ---------------------------------------------------------------------------------------


def load(path):
    """load returns the vector sets of a file; one of the files has a stray line at its end."""
    data, _ = json.JSONDecoder().raw_decode(open(path, encoding='utf-8').read().strip())
    return [s for s in (data if isinstance(data, list) else [data]) if s.get('testGroups')]


def numbers(group):
    """numbers: ACVP has some numbers as text."""
    return {k: int(v) if isinstance(v, str) and k in ('tagLen', 'macLen', 'saltLen') else v
            for k, v in group.items()}


def merged(sets, answers):
    """merged puts each expected answer with its question: the sets stand in the same order."""
    for i, s in enumerate(sets):
        groups = answers[i]['testGroups'] if i < len(answers) else []
        known = {test['tcId']: test for g in groups for test in g.get('tests') or []}
        for g in s['testGroups']:
            for test in g.get('tests') or []:
                yield ((s.get('algorithm'), s.get('mode')), numbers(g),
                       {**test, **known.get(test['tcId'], {})})


def cases(vectors):
    """cases yields (file, kind, group, test) of all ACVP files."""
    for path in sorted(glob.glob(f'{vectors}/acvp-boringssl/vectors/*.json')):
        expected = f'{vectors}/acvp-boringssl/expected/{os.path.basename(path)}'
        answers = load(expected) if os.path.exists(expected) else []
        for case in merged(load(path), answers):
            yield (os.path.basename(path), *case)
    for path in sorted(glob.glob(f'{vectors}/acvp-rustcrypto/*/*.json')):
        for case in merged(load(path), []):
            yield ('/'.join(path.split('/')[-2:]), *case)


def result(test):
    """result: 'valid' or 'invalid', as Wycheproof says it."""
    return 'invalid' if test.get('testPassed') is False else 'valid'


def ask(t, kind, group, test):
    """ask returns None, or what was raised."""
    mech, how = KINDS.get(kind, (None, None))
    if how is None or not t.has(mech):
        return Skip(f'{" ".join(filter(None, kind))}: no mechanism of this token')
    how(t, group, test)
    return None
