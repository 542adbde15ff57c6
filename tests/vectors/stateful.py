"""stateful.py: signatures of HSS/LMS and XMSS: NIST's ACVP files, and the test cases of RFC 8554,
appendix F. LMS is HSS of one level: level count before the key, number of further levels before the
signature (RFC 8554 §6.1, §6.2)."""
import glob
import json
import os

from acvp import having, merged, result  # noqa: F401 (the runner asks for result)
from p11 import N
from wycheproof import Wrong

HERE = os.path.dirname(os.path.abspath(__file__))


def public(t, kind, value, **more):
    return t.create(CLASS=N.CKO_PUBLIC_KEY, KEY_TYPE=getattr(N, f'CKK_{kind}'), VERIFY=True, VALUE=value, **more)


def verify(t, kind, key, test, before=b''):
    with having(t, key):
        t.verify(t.mechanism(kind), key, bytes.fromhex(test['message']), before + bytes.fromhex(test['signature']))


def lms(t, group, test):
    value = (1).to_bytes(4, 'big') + bytes.fromhex(group['publicKey'])
    verify(t, 'HSS', public(t, 'HSS', value), test, bytes(4))


def xmss(t, group, test):
    """xmss: that file has signed messages, the signature and then the message that was signed."""
    value, signed, message = (bytes.fromhex(v) for v in (group['publicKey'], test['signature'], test['message']))
    if signed[-len(message):] != message:
        raise Wrong('the message does not follow its signature')
    test = {**test, 'signature': signed[:-len(message)].hex()}
    verify(t, 'XMSS', public(t, 'XMSS', value, PARAMETER_SET=group['OID']), test)


def hss(t, group, test):
    verify(t, 'HSS', public(t, 'HSS', bytes.fromhex(test['publicKey'])), test)


KINDS = {'LMS': lms, 'XMSS': xmss, 'HSS': hss}


def cases(vectors):
    """cases yields (file, kind, group, test)."""
    for path in sorted(glob.glob(f'{vectors}/lms-xmss-acvp/*/*/prompt.json')):
        folder = os.path.dirname(path)
        with open(path, encoding='utf-8') as prompt, \
                open(f'{folder}/expectedResults.json', encoding='utf-8') as answers:
            for kind, group, test in merged([json.load(prompt)], [json.load(answers)]):
                yield os.path.basename(folder), kind[0], group, test
    for path in sorted(glob.glob(f'{HERE}/rfc*.json')):
        with open(path, encoding='utf-8') as f:
            for test in json.load(f)['tests']:
                yield os.path.basename(path), 'HSS', {}, test


def ask(t, kind, group, test):
    KINDS[kind](t, group, test)
