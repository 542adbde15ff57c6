#!/usr/bin/env python3
"""coming.py BUILD TEST: keys come from elsewhere, and public halves go out."""
import base64
import glob
import hashlib
import json
import os
import shutil
import subprocess
import sys

import e2e

SOFTHSM = '/usr/lib/softhsm/libsofthsm2.so'
PIN, SO = '22222222', '11111111'
GOOD_OKP = {'kty': 'OKP', 'crv': 'Ed25519', 'd': 'nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A',
            'x': '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo'}  # RFC 8037 A.1
OTHER_X = 'PUAXw-hDiVqStwqnTRt-vJyYLM8uxJaMwM1V8Sr0Zgw'  # RFC 8032 §7.1, test 2


class Hsm:
    """Hsm has one partition, "box", and files of PINs."""

    def __init__(self, i, make=True):
        self.i, self.home = i, i.home
        os.makedirs(i.home, exist_ok=True)
        self.pin, self.so = self.file('pin', PIN), self.file('so', SO)
        if make:
            self.must('partition', 'create', 'box', '--so-pin-file', self.so, '--pin-file', self.pin)

    def file(self, name, content=None):
        path = f'{self.home}/{name}'
        if content is not None:
            with open(path, 'wb' if isinstance(content, bytes) else 'w') as f:
                f.write(content)
        return path

    def must(self, *args):
        r = self.i.cli(*args)
        assert r.returncode == 0, f'{args}: {r.stdout}{r.stderr}'
        return r.stdout

    def taken(self, *args):
        return self.i.cli('key', 'import', '--json', '--pin-file', self.pin, *args)

    def take(self, *args):
        r = self.taken(*args)
        assert r.returncode == 0, f'{args}: {r.stdout}{r.stderr}'
        return json.loads(r.stdout)

    def objects(self, *args):
        return json.loads(self.must('object', 'list', '--json', '--pin-file', self.pin, *args))

    def export(self, key, form, *more):
        path = self.file(f'{key}.{form}')
        self.must('key', 'export', '--pin-file', self.pin, '--key', key, '--format', form, '--out', path, *more)
        return path

    def sign(self, key, *more):
        data, out = self.file('message', 'what was signed\n'), self.file('signature')
        self.must('sign', '--pin-file', self.pin, '--key', key, '--in', data, '--out', out, *more)
        return data, out


def openssl(*args, **kw):
    r = subprocess.run(['openssl', *args], capture_output=True, **kw)
    assert r.returncode == 0, f'openssl {args}: {r.stderr}'
    return r.stdout


def generate(h, kind, *options):
    path = h.file(f'{kind}.pem')
    openssl('genpkey', '-algorithm', kind, *options, '-out', path)
    return path


def test_pem_keys_sign_as_before(i):
    h = Hsm(i)
    for kind, options in (('RSA', ['-pkeyopt', 'rsa_keygen_bits:2048']),
                          ('EC', ['-pkeyopt', 'ec_paramgen_curve:P-384']), ('ED25519', [])):
        path = generate(h, kind, *options)
        got = h.take('--label', kind, path)
        assert [(o['class'], o['outcome']) for o in got] == [('private', 'imported'), ('public', 'imported')], got
        data, signature = h.sign(kind, *(['--mechanism', 'SHA256_RSA_PKCS'] if kind == 'RSA' else
                                         ['--mechanism', 'ECDSA_SHA256'] if kind == 'EC' else []))
        public = h.file('public.pem', openssl('pkey', '-in', path, '-pubout'))
        if kind == 'EC':  # raw there, DER here
            raw = open(signature, 'rb').read()
            n = len(raw) // 2
            numbers = ''.join(f'{k}=INTEGER:0x{v.hex()}\n' for k, v in (('r', raw[:n]), ('s', raw[n:])))
            conf = h.file('asn1', f'asn1=SEQUENCE:s\n[s]\n{numbers}')
            openssl('asn1parse', '-genconf', conf, '-noout', '-out', signature)
        openssl('pkeyutl', '-verify', '-pubin', '-inkey', public, '-in', data, '-sigfile', signature,
                '-rawin', *([] if kind == 'ED25519' else ['-digest', 'sha256']))


def test_each_form_of_a_file_is_read(i):
    h = Hsm(i)
    rsa = generate(h, 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048')
    word = h.file('word', 'open sesame')
    forms = {
        'traditional': openssl('rsa', '-in', rsa, '-traditional'),
        'der': openssl('pkey', '-in', rsa, '-outform', 'DER'),
        'encrypted': openssl('pkcs8', '-topk8', '-in', rsa, '-passout', f'file:{word}'),
        'encrypted-der': openssl('pkcs8', '-topk8', '-in', rsa, '-outform', 'DER', '-passout', f'file:{word}'),
        'traditional-encrypted': openssl('rsa', '-in', rsa, '-traditional', '-aes128', '-passout', f'file:{word}'),
    }
    for name, content in forms.items():
        got = h.take('--label', name, '--passphrase-file', word, h.file(name, content))
        assert [o['outcome'] for o in got] == ['imported'] * 2, (name, got)
    ids = {o['id'] for o in h.objects()}
    assert len(ids) == 1, ids  # one key, whatever it came in


def test_a_pkcs12_file_brings_its_certificates(i):
    h = Hsm(i)
    key, cert, p12 = h.file('k.pem'), h.file('c.pem'), h.file('k.p12')
    word = h.file('word', 'open sesame')
    openssl('req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', key, '-out', cert, '-subj', '/CN=one')
    openssl('pkcs12', '-export', '-inkey', key, '-in', cert, '-out', p12, '-passout', f'file:{word}')
    got = h.take('--label', 'web', '--passphrase-file', word, p12)
    assert sorted(o['class'] for o in got) == ['certificate', 'private', 'public'], got
    assert len({o['id'] for o in got}) == 1, got
    out = h.export('web', 'pem', '--class', 'certificate')
    same = openssl('x509', '-in', out, '-outform', 'DER') == openssl('x509', '-in', cert, '-outform', 'DER')
    assert same


def test_jwks_come_and_go(i):
    jwks = f'{os.path.dirname(os.path.abspath(__file__))}/../../../shared/vectors/jose-cookbook/jwk'
    files = sorted(glob.glob(f'{jwks}/*.json'))
    if not files:
        raise e2e.Skip('no ../shared with the JOSE cookbook')
    h = Hsm(i)
    for n, path in enumerate(files):
        h.take('--label', f'jwk{n}', path)
        j = json.load(open(path))
        if j['kty'] == 'oct':
            continue
        out = json.load(open(h.export(f'jwk{n}', 'jwk')))
        for member in ('kty', 'crv', 'x', 'y', 'n', 'e'):
            assert out.get(member) == j.get(member), (path, member)
        assert 'd' not in out


def b64(b):
    return base64.urlsafe_b64encode(b).rstrip(b'=').decode()


def jwks_of_each_kty():
    """jwks_of_each_kty: RSA, EC, OKP, oct and AKP, private and public, from files that nobody here wrote."""
    vectors = f'{os.path.dirname(os.path.abspath(__file__))}/../../../shared/vectors'
    if not os.path.isdir(vectors):
        raise e2e.Skip('no ../shared with the JOSE cookbook and the vectors of ML-DSA')
    book = [json.load(open(p)) for p in sorted(glob.glob(f'{vectors}/jose-cookbook/jwk/*private*.json') +
                                               glob.glob(f'{vectors}/jose-cookbook/jwk/*symmetric*.json'))]
    ml = json.load(open(f'{vectors}/acvp-rustcrypto/ml-dsa/key-gen.json'))['testGroups']
    return [*book, GOOD_OKP, *({'kty': 'AKP', 'alg': g['parameterSet'], 'priv': b64(bytes.fromhex(g['tests'][0]['seed'])),
                                'pub': b64(bytes.fromhex(g['tests'][0]['pk']))} for g in ml)]


def test_a_set_of_jwks_comes_by_its_kids(i):
    h, keys = Hsm(i), [{**k, 'kid': f'key {n}'} for n, k in enumerate(jwks_of_each_kty())]
    assert {k['kty'] for k in keys} == {'RSA', 'EC', 'OKP', 'oct', 'AKP'}
    secret = [k for k in keys if k['kty'] == 'oct']
    path = h.file('set.json', json.dumps({'keys': keys}))
    got = h.take(path)
    assert len(got) == 2 * len(keys) - len(secret) and {o['outcome'] for o in got} == {'imported'}, got
    for k in keys:
        mine = [o for o in h.objects() if o['label'] == k['kid']]
        assert {bytes.fromhex(o['id']).decode() for o in mine} == {k['kid']}, mine
        assert sorted(o['class'] for o in mine) == (['secret'] if k in secret else ['private', 'public']), mine
        if k not in secret:
            out = json.load(open(h.export(k['kid'], 'jwk')))
            hidden = {'d', 'p', 'q', 'dp', 'dq', 'qi', 'priv', 'use', *(['alg'] if k['kty'] != 'AKP' else [])}
            assert out == {m: v for m, v in k.items() if m not in hidden}, (out, k)
            h.sign(k['kid'])
    assert {o['outcome'] for o in h.take('--on-collision', 'skip', path)} == {'there already'}


def test_a_key_of_a_set_that_is_not_known_is_named(i):
    h, good = Hsm(i), {**GOOD_OKP, 'kid': 'good'}
    strange = [{'kty': 'XYZ', 'kid': 'strange'}, {**good, 'kid': 'other', 'x': OTHER_X}, 5, [], {}]
    r = h.taken(h.file('set.json', json.dumps({'keys': [strange[0], good, *strange[1:]]})))
    got = json.loads(r.stdout)
    assert r.returncode == 1 and f'{len(strange)} of {len(strange) + 2} objects did not come' in r.stderr, r.stderr
    assert [o['label'] for o in got if 'key ' in o['outcome']] == ['strange', 'other', None, None, None], got
    assert [o['label'] for o in got if o['outcome'] == 'imported'] == ['good'] * 2, got
    assert all(f'key {n} of the set: no key' in r.stderr for n in (1, 4, 5, 6)), r.stderr
    assert 'key 3 of the set: the private and the public half do not belong' in r.stderr, r.stderr
    assert len(h.objects()) == 2
    for bad, why in (({'keys': []}, 'can be read'), ({'keys': 5}, 'can be read'),
                     ({'keys': [GOOD_OKP]}, 'say with --label'), (GOOD_OKP, 'say with --label')):
        r = h.taken(h.file('bad.json', json.dumps(bad)))
        assert r.returncode != 0 and why in r.stderr, (bad, r.stderr)
    two = h.file('two.json', json.dumps({'keys': [good, {'kty': 'oct', 'k': 'AAAAAAAAAAAAAAAAAAAAAA', 'kid': 'x'}]}))
    r = h.taken(h.file('mixed.json', json.dumps({'keys': [{**good, 'kid': 'more'}, GOOD_OKP]})))
    assert r.returncode == 1 and 'key 2 of the set: say with --label' in r.stderr, r.stderr
    assert [o['label'] for o in json.loads(r.stdout) if o['outcome'] == 'imported'] == ['more'] * 2, r.stdout
    r = h.taken('--id', '01', two)
    assert r.returncode == 2 and '--id is for one key, and the set has 2' in r.stderr, r.stderr
    assert len(h.objects()) == 4


def test_a_jwk_without_a_kid_has_the_id_of_its_public_key(i):
    h = Hsm(i)
    rsa = generate(h, 'RSA')
    h.take('--label', 'k', rsa)
    out = json.load(open(h.export('k', 'jwk')))
    assert out.pop('kid') == 'k'
    h.take('--label', 'again', h.file('nameless.jwk', json.dumps(out)))
    ids = {o['id'] for o in h.objects()}
    assert len(ids) == 1 and len(h.objects()) == 3, h.objects()


def test_a_jwk_whose_halves_disagree_is_refused(i):
    h = Hsm(i)
    good = GOOD_OKP
    h.take('--label', 'good', h.file('good.json', json.dumps(good)))
    other = {'x': good['x'][:-4] + 'AAAA'}
    for change in (other, {'x': 'AAAA'}, {'crv': 'P-256'}, {'kty': 'XYZ'}, {'d': '!!!!'}, {'x': 5}, {'d': good['d'] + 'AAAA'}):
        r = h.taken('--label', 'bad', h.file('bad.json', json.dumps({**good, **change})))
        assert r.returncode == 1 and 'can be read' in r.stderr, (change, r.stdout, r.stderr)
        assert len(h.objects()) == 2, change
    ec = {'kty': 'EC', 'crv': 'P-256', 'x': 'MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4',
          'y': '4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM', 'd': good['d']}  # RFC 7517 A.2, but d
    for strange in ({**good, 'x': OTHER_X}, ec):
        r = h.taken('--label', 'bad', h.file('bad.json', json.dumps(strange)))
        assert r.returncode == 1 and 'the private and the public half do not belong together' in r.stderr, r.stderr
    for text in ('{', '{}', '{"kty":"OKP"', '[' * 100000, '{"kty":"OKP","kty":"OKP"}'):
        r = h.taken('--label', 'bad', h.file('bad.json', text))
        assert r.returncode == 1 and 'can be read' in r.stderr, (text[:20], r.stderr)


def test_a_wrong_passphrase_says_so(i):
    h = Hsm(i)
    rsa, word, wrong = generate(h, 'RSA'), h.file('word', 'open sesame'), h.file('wrong', 'open barley')
    locked = h.file('locked.pem', openssl('pkcs8', '-topk8', '-in', rsa, '-passout', f'file:{word}'))
    r = h.taken('--label', 'x', '--passphrase-file', wrong, locked)
    assert r.returncode == 1 and 'passphrase' in r.stderr, r.stderr
    for name, content in (('empty', b''), ('noise', os.urandom(4096)), ('cut', open(rsa, 'rb').read()[:900])):
        r = h.taken('--label', 'x', '--passphrase-file', word, h.file(name, content))
        assert r.returncode == 1 and 'holds no key' in r.stderr, (name, r.stderr)
    assert h.objects() == []


def test_what_is_there_is_not_doubled(i):
    h = Hsm(i)
    rsa = generate(h, 'RSA')
    h.take('--label', 'k', rsa)
    r = h.taken('--label', 'k', rsa)
    assert r.returncode == 1 and '--on-collision skip' in r.stderr, r.stderr
    got = h.take('--label', 'k', '--on-collision', 'skip', rsa)
    assert [o['outcome'] for o in got] == ['there already'] * 2, got
    assert len(h.objects()) == 2


def test_an_imported_key_is_sensitive_and_stays(i):
    h = Hsm(i)
    h.take('--label', 'k', generate(h, 'RSA'))
    o = json.loads(h.must('object', 'show', '--json', '--pin-file', h.pin, '--class', 'private'))[0]
    assert o['SENSITIVE'] and not o['EXTRACTABLE'] and not o['LOCAL'] and not o['NEVER_EXTRACTABLE'], o
    assert o['PRIVATE_EXPONENT'] == '(never told)', o


def test_public_keys_go_out_as_others_read_them(i):
    h = Hsm(i)
    rsa = generate(h, 'RSA')
    h.take('--label', 'k', rsa)
    wanted = openssl('pkey', '-in', rsa, '-pubout', '-outform', 'DER')
    assert open(h.export('k', 'der'), 'rb').read() == wanted
    assert openssl('pkey', '-pubin', '-in', h.export('k', 'pem'), '-outform', 'DER') == wanted
    if shutil.which('ssh-keygen'):
        pkcs8 = subprocess.run(['ssh-keygen', '-e', '-m', 'PKCS8', '-f', h.export('k', 'ssh')],
                               capture_output=True, check=True).stdout
        assert openssl('pkey', '-pubin', '-outform', 'DER', input=pkcs8) == wanted
    r = i.cli('key', 'export', '--pin-file', h.pin, '--key', 'k', '--class', 'private')
    assert r.returncode != 0 and 'only public keys' in r.stderr, r.stderr


# --- SoftHSM -----------------------------------------------------------------


class SoftHsm:
    """SoftHsm is a SoftHSM with one token, "old"."""

    def __init__(self, home):
        if not os.path.exists(SOFTHSM) or not shutil.which('pkcs11-tool'):
            raise e2e.Skip('no SoftHSM 2, or no pkcs11-tool')
        os.makedirs(f'{home}/softhsm/tokens')
        self.conf = f'{home}/softhsm/conf'
        with open(self.conf, 'w') as f:
            f.write(f'directories.tokendir = {home}/softhsm/tokens\nobjectstore.backend = file\n')
        self.run('softhsm2-util', '--init-token', '--free', '--label', 'old', '--so-pin', SO, '--pin', PIN)
        self.dir = glob.glob(f'{home}/softhsm/tokens/*')[0]

    def run(self, *args):
        r = subprocess.run(args, env={**os.environ, 'SOFTHSM2_CONF': self.conf}, capture_output=True)
        assert r.returncode == 0, f'{args}: {r.stdout}{r.stderr}'
        return r.stdout

    def tool(self, *args):
        return self.run('pkcs11-tool', '--module', SOFTHSM, '--login', '--pin', PIN, *args)

    def fill(self):
        self.tool('--keypairgen', '--key-type', 'RSA:2048', '--label', 'rsa', '--id', '01')
        self.tool('--keypairgen', '--key-type', 'EC:prime256v1', '--label', 'ec', '--id', '02')
        self.tool('--keygen', '--key-type', 'AES:32', '--label', 'aes', '--id', '03', '--sensitive')
        return 5


def test_a_softhsm_token_moves(i):
    h, soft = Hsm(i, make=False), SoftHsm(i.home)
    soft.fill()
    data, before = h.file('message', 'signed before the move\n'), h.file('before')
    soft.tool('--sign', '--mechanism', 'SHA256-RSA-PKCS', '--id', '01', '--input-file', data,
              '--output-file', before)
    ec_before = h.file('ec-before')
    digest = h.file('digest', hashlib.sha256(open(data, 'rb').read()).digest())
    soft.tool('--sign', '--mechanism', 'ECDSA', '--id', '02', '--input-file', digest, '--output-file', ec_before)
    sealed, iv = h.file('sealed'), '00112233445566778899aabbccddeeff'
    soft.tool('--encrypt', '--mechanism', 'AES-CBC-PAD', '--iv', iv, '--id', '03', '--input-file', data,
              '--output-file', sealed)
    got = json.loads(h.must('softhsm', 'import', '--json', '--from-pin-file', h.pin, '--so-pin-file', h.so,
                            soft.dir))
    assert len(got) == 5 and all(o['outcome'] == 'imported' for o in got), got
    for signature, key, mechanism in ((before, 'rsa', 'SHA256_RSA_PKCS'), (ec_before, 'ec', 'ECDSA_SHA256')):
        h.must('verify', '--partition', 'old', '--pin-file', h.pin, '--key', key, '--mechanism', mechanism,
               '--in', data, '--signature', signature)
    after = h.file('after')
    h.must('sign', '--partition', 'old', '--pin-file', h.pin, '--key', 'rsa', '--mechanism', 'SHA256_RSA_PKCS',
           '--in', data, '--out', after)
    assert open(after, 'rb').read() == open(before, 'rb').read()  # the same key, deterministically
    opened = i.run('pkcs11-tool', '--module', e2e.MODULE, '--token-label', 'old', '--login', '--pin', PIN,
                   '--decrypt', '--mechanism', 'AES-CBC-PAD', '--iv', iv, '--id', '03', '--input-file', sealed)
    assert 'signed before the move' in opened.stdout, opened.stderr


def test_what_softhsm_protected_stays_protected(i):
    h, soft = Hsm(i, make=False), SoftHsm(i.home)
    soft.fill()
    h.must('softhsm', 'import', '--from-pin-file', h.pin, '--so-pin-file', h.so, soft.dir)
    for o in json.loads(h.must('object', 'show', '--json', '--pin-file', h.pin)):
        if o['CLASS'] in ('private', 'secret'):
            assert o['SENSITIVE'] and not o['EXTRACTABLE'] and not o['LOCAL'], o


def test_a_wrong_pin_or_token_moves_nothing(i):
    h, soft = Hsm(i, make=False), SoftHsm(i.home)
    soft.fill()
    r = i.cli('softhsm', 'import', '--from-pin-file', h.so, '--so-pin-file', h.so, soft.dir)
    assert r.returncode == 1 and 'PIN' in r.stderr, r.stderr
    r = i.cli('softhsm', 'import', '--from-pin-file', h.pin, '--so-pin-file', h.so, os.path.dirname(soft.dir))
    assert r.returncode == 1 and 'directories.tokendir' in r.stderr, r.stderr
    assert json.loads(h.must('partition', 'list', '--json')) == []


def test_a_damaged_object_is_named_and_the_others_move(i):
    h, soft = Hsm(i, make=False), SoftHsm(i.home)
    n = soft.fill()
    victim = next(p for p in glob.glob(f'{soft.dir}/*.object') if not p.endswith('token.object'))
    content = open(victim, 'rb').read()
    for bad in (content[:-9], content[:16] + b'\xff' * 8 + content[24:], b''):
        open(victim, 'wb').write(bad)
        r = i.cli('softhsm', 'list', '--json', '--from-pin-file', h.pin, soft.dir)
        outcomes = [o['outcome'] for o in json.loads(r.stdout)]
        assert outcomes.count('readable') == n - 1 and 'its file is damaged' in outcomes, outcomes
    r = i.cli('softhsm', 'import', '--json', '--from-pin-file', h.pin, '--so-pin-file', h.so, soft.dir)
    assert r.returncode == 1 and '1 of 5 objects did not come' in r.stderr, r.stderr
    assert r.stdout.count('"imported"') == n - 1


def test_a_move_that_was_interrupted_is_repeated(i):
    h, soft = Hsm(i, make=False), SoftHsm(i.home)
    n = soft.fill()
    h.must('softhsm', 'import', '--from-pin-file', h.pin, '--so-pin-file', h.so, soft.dir)
    h.must('object', 'delete', '--yes', '--pin-file', h.pin, '--label', 'aes')
    r = h.must('softhsm', 'import', '--json', '--from-pin-file', h.pin, '--pin-file', h.pin,
               '--on-collision', 'skip', soft.dir)
    assert r.count('"there already"') == n - 1 and r.count('"imported"') == 1, r
    assert len(h.objects()) == n


if __name__ == '__main__':
    sys.exit(e2e.main(globals()))
