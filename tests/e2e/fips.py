#!/usr/bin/env python3
"""fips.py BUILD TEST: OpenSSL's FIPS provider in force. As e2e.py, which it stands on."""
import ctypes
import glob
import hmac
import json
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'support'))

import e2e  # noqa: E402
from p11 import N, ULONG, Params, Token, refused, template  # noqa: E402

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..')
PIN = '12345678'
P256 = bytes.fromhex('06082a8648ce3d030107')


def module():
    """module is where a fips.so is: built by tools/build-openssl, or the system's."""
    kept = subprocess.run([f'{ROOT}/tools/build-openssl', 'fips-have'], stdout=subprocess.PIPE, text=True, check=False)
    found = [f'{kept.stdout.strip()}/fips.so'] if kept.stdout.strip() else glob.glob('/usr/lib*/**/ossl-modules/fips.so',
                                                                                     recursive=True)
    if not found:
        raise e2e.Skip('there is no fips.so; tools/build-openssl fips builds it')
    if not shutil.which('openssl'):
        raise e2e.Skip('there is no openssl, which installs fips.so')
    return found[0]


def installed(i):
    """installed puts the provider into the instance's home, as an administrator does."""
    found = module()
    os.makedirs(i.home, 0o700)
    i.so, i.config = shutil.copy(found, f'{i.home}/fips.so'), f'{i.home}/fipsmodule.cnf'
    subprocess.run(['openssl', 'fipsinstall', '-quiet', '-module', i.so, '-out', i.config], check=True)
    i.pin = f'{i.home}/pin'
    with open(i.pin, 'w', encoding='ascii') as f:
        f.write(PIN + '\n')


def settings(i, **values):
    with open(f'{i.home}/holdfast.conf', 'w', encoding='utf-8') as f:
        f.writelines(f'{name.replace("_", "-")} = {value}\n' for name, value in values.items())


def in_force(i):
    installed(i)
    settings(i, fips_module=i.so, fips_config=i.config)


def must(i, *args):
    r = i.cli(*args)
    assert r.returncode == 0, f'{args}: {r.stderr}'
    return r.stdout


def token(i, approved):
    """token is a session with a new partition, in approved mode or not."""
    os.environ['HOLDFAST_HOME'] = i.home
    t = Token(e2e.MODULE)
    if approved:
        must(i, 'policy', 'set', 'non-approved-mechanisms=no', '--so-pin-file', i.pin, '--yes')
        t.mechanisms = t.mechanism_list()
    return t


def pair(t, mech, public, private):
    halves = ULONG(0), ULONG(0)
    pub, n = template({'TOKEN': False, **public})
    priv, m = template({'TOKEN': False, 'PRIVATE': True, 'SENSITIVE': True, **private})
    t.call('C_GenerateKeyPair', t.h, t.mechanism(mech), pub, n, priv, m, *map(ctypes.byref, halves))
    return halves


def indicator(t):
    """indicator: was the last service an approved one?"""
    flags = ULONG(99)
    t.call('C_GetSessionValidationFlags', t.h, ULONG(N.CKS_LAST_VALIDATION_OK), ctypes.byref(flags))
    return flags.value == 1


SIGNING = (
    ('RSA_PKCS_KEY_PAIR_GEN', {'MODULUS_BITS': 2048}, 'SHA256_RSA_PKCS'),
    ('EC_KEY_PAIR_GEN', {'EC_PARAMS': P256}, 'ECDSA_SHA384'),
    ('EC_EDWARDS_KEY_PAIR_GEN', {'EC_PARAMS': bytes.fromhex('06032b6570')}, 'EDDSA'),
    ('ML_DSA_KEY_PAIR_GEN', {'PARAMETER_SET': N.CKP_ML_DSA_44}, 'ML_DSA'),
    ('SLH_DSA_KEY_PAIR_GEN', {'PARAMETER_SET': N.CKP_SLH_DSA_SHA2_128F}, 'SLH_DSA'),
)


def signs_and_verifies(t):
    for generation, public, name in SIGNING:
        halves, m = pair(t, generation, {'VERIFY': True, **public}, {'SIGN': True}), t.mechanism(name)
        signature = t.sign(m, halves[1], b'data')
        assert indicator(t), name
        t.verify(m, halves[0], b'data', signature)
        assert refused(t.verify, m, halves[0], b'Data', signature) == 'CKR_SIGNATURE_INVALID', name


def encrypts_and_decrypts(t):
    key = t.generate(t.mechanism('AES_KEY_GEN'), VALUE_LEN=32, ENCRYPT=True, DECRYPT=True)
    m = t.mechanism('AES_CBC_PAD', Params('x', bytes(16)))
    assert t.decrypt(m, key, t.encrypt(m, key, b'some data')) == b'some data'
    assert indicator(t)
    iv, tag = ctypes.create_string_buffer(12), ctypes.create_string_buffer(16)
    made = Params('puuupu', ctypes.addressof(iv), 12, 0, N.CKG_GENERATE_RANDOM, ctypes.addressof(tag), 128)
    sealed = gcm_message(t, key, made, b'some data')
    assert indicator(t)
    m = t.mechanism('AES_GCM', Params('PuPu', iv.raw, 96, b'aad', 128))
    assert t.decrypt(m, key, sealed + tag.raw) == b'some data'
    assert indicator(t)


def own_iv(t):
    """own_iv encrypts under an IV of the application's."""
    key = t.generate(t.mechanism('AES_KEY_GEN'), VALUE_LEN=32, ENCRYPT=True, DECRYPT=True)
    t.encrypt(t.mechanism('AES_GCM', Params('PuPu', bytes(12), 96, b'aad', 128)), key, b'some data')


def gcm_message(t, key, params, data):
    """gcm_message has the HSM make the IV."""
    t.call('C_MessageEncryptInit', t.h, t.mechanism('AES_GCM'), key)
    out, n, p = ctypes.create_string_buffer(64), ULONG(64), params.bytes
    t.call('C_EncryptMessage', t.h, p, ULONG(len(p)), b'aad', ULONG(3), data, ULONG(len(data)), out, ctypes.byref(n))
    t.call('C_MessageEncryptFinal', t.h)
    return out.raw[:n.value]


def derives(t):
    ours, theirs = (pair(t, 'EC_KEY_PAIR_GEN', {'EC_PARAMS': P256}, {'DERIVE': True}) for _ in range(2))
    made = {'CLASS': N.CKO_SECRET_KEY, 'KEY_TYPE': N.CKK_AES, 'VALUE_LEN': 32, 'ENCRYPT': True, 'DECRYPT': True}
    secret = [t.derive(t.mechanism('ECDH1_DERIVE', Params('uLL', N.CKD_NULL, b'', t.get(b[0], 'EC_POINT')[2:])),
                       a[1], **made) for a, b in ((ours, theirs), (theirs, ours))]
    assert indicator(t)
    m = t.mechanism('AES_CBC_PAD', Params('x', bytes(16)))
    assert t.decrypt(m, secret[1], t.encrypt(m, secret[0], b'shared')) == b'shared'


def agrees_on_a_secret(t):
    public, private = pair(t, 'ML_KEM_KEY_PAIR_GEN', {'PARAMETER_SET': N.CKP_ML_KEM_768, 'ENCAPSULATE': True},
                           {'DECAPSULATE': True})
    made = {'KEY_TYPE': N.CKK_AES, 'VALUE_LEN': 32, 'CLASS': N.CKO_SECRET_KEY, 'ENCRYPT': True, 'DECRYPT': True}
    ciphertext, sent = t.encapsulate(t.mechanism('ML_KEM'), public, **made)
    got = t.decapsulate(t.mechanism('ML_KEM'), private, ciphertext, **made)
    m = t.mechanism('AES_CBC_PAD', Params('x', bytes(16)))
    assert t.decrypt(m, got, t.encrypt(m, sent, b'shared')) == b'shared'


def test_the_fips_provider_serves_approved_mode(i):
    in_force(i)
    t = token(i, approved=True)
    assert 'FIPS provider' in json.loads(must(i, 'status', '--json'))['cryptography']
    assert 'FIPS provider' in must(i, 'audit', 'query', '--call', 'start')
    for work in (signs_and_verifies, encrypts_and_decrypts, derives, agrees_on_a_secret):
        work(t)
    assert refused(own_iv, t) == 'CKR_MECHANISM_INVALID' and not indicator(t)
    for name in ('SP800_108_COUNTER_KDF', 'IKE_PRF_DERIVE', 'XMSS', 'HSS', 'AES_CFB64', 'CHACHA20_POLY1305'):
        assert not t.has(name), name
    for _ in range(2):
        assert json.loads(must(i, 'selftest', '--json'))['fips-provider'] == 'passed'
    assert t.generate(t.mechanism('AES_KEY_GEN'), VALUE_LEN=16)


def test_a_fips_provider_that_fails_on_demand_ends_all_service(i):
    in_force(i)
    t = token(i, approved=True)
    size = os.path.getsize(i.so)
    with open(i.so, 'r+b') as f:  # its last byte, which is not in memory
        f.seek(size - 1)
        last = f.read(1)[0]
        f.seek(size - 1)
        f.write(bytes([last ^ 1]))
    must(i, 'status')
    r = i.cli('selftest', '--json')
    assert r.returncode == 1 and 'a self-test failed' in r.stdout + r.stderr, r.stdout + r.stderr
    r = i.cli('status', '--json')
    assert r.returncode == 1 and json.loads(r.stdout)['error'] == 'self-test failed: fips-provider', r.stdout + r.stderr
    assert refused(t.generate, t.mechanism('AES_KEY_GEN'), VALUE_LEN=16) == 'CKR_DEVICE_ERROR'
    assert 'self-test failed: fips-provider' in i.log()
    i.stop()
    assert i.cli('status').returncode != 0 and 'module integrity failure' in i.log()


def test_what_the_fips_provider_lacks_is_done_but_not_approved(i):
    in_force(i)
    t = token(i, approved=False)
    key = t.generate(t.mechanism('CHACHA20_KEY_GEN'), ENCRYPT=True, DECRYPT=True)
    m = t.mechanism('CHACHA20_POLY1305', Params('PP', bytes(12), b'aad'))
    assert t.decrypt(m, key, t.encrypt(m, key, b'some data')) == b'some data'
    assert not indicator(t)
    key = t.generate(t.mechanism('AES_KEY_GEN'), VALUE_LEN=32, ENCRYPT=True, DECRYPT=True)
    m = t.mechanism('AES_CFB64', Params('x', bytes(16)))  # Holdfast's own code
    assert t.decrypt(m, key, t.encrypt(m, key, bytes(16))) == bytes(16)
    assert not indicator(t)
    key = t.create(CLASS=N.CKO_SECRET_KEY, KEY_TYPE=N.CKK_GENERIC_SECRET, VALUE=bytes(16), SIGN=True)
    assert t.sign(t.mechanism('MD5_HMAC'), key, b'data') == hmac.digest(bytes(16), b'data', 'md5')
    for generation, public, name in (
            ('EC_KEY_PAIR_GEN', {'EC_PARAMS': bytes.fromhex('06052b8104000a')}, 'ECDSA_SHA256'),  # secp256k1
            ('RSA_PKCS_KEY_PAIR_GEN', {'MODULUS_BITS': 1024}, 'SHA256_RSA_PKCS'),
            ('RSA_PKCS_KEY_PAIR_GEN', {'MODULUS_BITS': 2048}, 'MD5_RSA_PKCS')):
        halves, m = pair(t, generation, {'VERIFY': True, **public}, {'SIGN': True}), t.mechanism(name)
        signature = t.sign(m, halves[1], b'data')
        assert not indicator(t), name
        t.verify(m, halves[0], b'data', signature)
    for work in (signs_and_verifies, encrypts_and_decrypts, derives):
        work(t)
    own_iv(t)
    assert not indicator(t)


def test_keys_go_from_one_provider_to_the_other(i):
    installed(i)
    settings(i)
    must(i, 'partition', 'create', 'box', '--so-pin-file', i.pin, '--pin-file', i.pin)
    kinds = 'rsa:2048', 'ec:P-256', 'ed25519', 'ml-dsa-65'
    as_user = '--pin-file', i.pin
    for force in ({}, {'fips_module': i.so, 'fips_config': i.config}, {}):
        i.stop()
        settings(i, **force)
        made = len(json.loads(must(i, 'object', 'list', '--json', *as_user))) == 0
        for kind in kinds:
            if made:
                must(i, 'key', 'generate', '--type', kind, '--label', kind, *as_user)
            if not made:
                must(i, 'verify', '--key', kind, '--in', i.pin, '--signature', f'{i.home}/{kind}.sig', *as_user)
            must(i, 'sign', '--key', kind, '--in', i.pin, '--out', f'{i.home}/{kind}.sig', *as_user)


def refuses(i, why, **values):
    """refuses: the daemon does not start, and its log says why; --check as well."""
    settings(i, **values)
    assert i.cli('status').returncode != 0
    assert 'the FIPS provider is not in force' in i.log() and why in i.log(), i.log()
    os.unlink(f'{i.home}/daemon.log')
    r = i.run(f'{e2e.BUILD}/holdfastd', '--home', i.home)
    assert r.returncode == 5, r.returncode
    r = i.run(f'{e2e.BUILD}/holdfastd', '--home', i.home, '--check')
    assert r.returncode == 1 and why in r.stderr, r.stderr


def test_a_fips_provider_that_fails_stops_the_start(i):
    installed(i)
    good, text = open(i.so, 'rb').read(), open(i.config, encoding='ascii').read()
    both = {'fips_module': i.so, 'fips_config': i.config}
    refuses(i, 'fips-config has to name', fips_module=i.so)
    refuses(i, 'cannot be read', fips_module=i.so, fips_config=f'{i.home}/nothing')
    refuses(i, 'No such file', fips_module=f'{i.home}/nothing.so', fips_config=i.config)
    refuses(i, 'no OpenSSL provider', fips_module=e2e.MODULE, fips_config=i.config)
    at = good.rindex(b'FIPS')
    with open(i.so, 'wb') as f:
        f.write(good[:at] + b'fips' + good[at + 4:])
    refuses(i, 'module integrity failure', **both)
    with open(i.so, 'wb') as f:
        f.write(good)
    mac = text.split('module-mac = ')[1][:2]
    with open(i.config, 'w', encoding='ascii') as f:
        f.write(text.replace(f'module-mac = {mac}', 'module-mac = ' + ('11' if mac != '11' else '22')))
    refuses(i, 'module integrity failure', **both)
    with open(i.config, 'w', encoding='ascii') as f:
        f.write('[fips_sect]\nactivate = 1\n')
    refuses(i, 'no module-mac', **both)
    with open(i.config, 'w', encoding='ascii') as f:
        f.write(text)
    settings(i, **both)
    must(i, 'status')


if __name__ == '__main__':
    sys.exit(e2e.main(globals()))
