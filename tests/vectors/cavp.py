"""cavp.py: NIST's CAVP files of the SP 800-108 KDFs, through the module. The fixed input, whole, is
a field of bytes; the counter stands before, behind or within it."""
import glob
import os
import re

from p11 import N, Fields, Params
from wycheproof import Skip, secret, take_value, value_template

MODES = {'KDFCTR': 'COUNTER', 'KDFFeedback': 'FEEDBACK', 'KDFDblPipeline': 'DOUBLE_PIPELINE'}


def prf_of(name):
    """prf_of gives mechanism and key type of 'CMAC_AES128' or 'HMAC_SHA1'."""
    if name.startswith('CMAC_AES'):
        return N.CKM_AES_CMAC, 'AES'
    if name.startswith('CMAC'):
        raise Skip('SP 800-108 over CMAC with triple DES')
    return getattr(N, f'CKM_{name[5:].replace("SHA1", "SHA_1")}_HMAC'), 'GENERIC_SECRET'


def counter_fields(group, test):
    counter = (N.CK_SP800_108_ITERATION_VARIABLE, Params('bu', 0, int(group['RLEN'].split('_')[0])).bytes)
    before, after = {
        'BEFORE_FIXED': ('', test.get('FixedInputData', '')),
        'AFTER_FIXED': (test.get('FixedInputData', ''), ''),
        'MIDDLE_FIXED': (test.get('DataBeforeCtrData', ''), test.get('DataAfterCtrData', '')),
    }[group['CTRLOCATION']]
    fields = [(N.CK_SP800_108_BYTE_ARRAY, bytes.fromhex(v)) for v in (before, after)]
    return [f for f in (fields[0], counter, fields[1]) if f[1]]


def params_of(mode, prf, group, test):
    if mode == 'COUNTER':
        return Params('uFup', prf, Fields(counter_fields(group, test)), 0, 0)
    fields = Fields([(N.CK_SP800_108_ITERATION_VARIABLE, b''),
                     (N.CK_SP800_108_BYTE_ARRAY, bytes.fromhex(test['FixedInputData']))])
    if mode == 'FEEDBACK':
        return Params('uFLup', prf, fields, bytes.fromhex(test.get('IV', '')), 0, 0)
    return Params('uFup', prf, fields, 0, 0)


def ask(t, kind, group, test):
    mode = kind
    prf, key_type = prf_of(group['PRF'])
    key = secret(t, key_type, bytes.fromhex(test['KI']), DERIVE=True)
    try:
        m = t.mechanism(f'SP800_108_{mode}_KDF', params_of(mode, prf, group, test))
        made = t.derive(m, key, **value_template('GENERIC_SECRET', int(test['L']) // 8))
        take_value(t, made, bytes.fromhex(test['KO']))
    finally:
        t.destroy(key)


def blocks(path):
    """blocks yields (group's settings, test) of a response file."""
    group, test = {}, {}
    for line in [*open(path, encoding='utf-8'), '']:
        setting = re.match(r'\[(\w+)=(\w+)\]', line)
        pair = re.match(r'(\w+)\s*=\s*(\w*)', line)
        if (setting or not pair or pair[1] == 'COUNT') and 'KO' in test:
            yield dict(group), test
            test = {}
        if setting:
            group[setting[1]] = setting[2]
        elif pair:
            test[pair[1]] = pair[2]


def cases(vectors):
    """cases yields (file, mode, group, test) of all files."""
    for path in sorted(glob.glob(f'{vectors}/cavp/*.rsp')):
        file = os.path.basename(path)
        mode = next(v for k, v in MODES.items() if file.startswith(k))
        for group, test in blocks(path):
            yield file, mode, group, {**test, 'tcId': test['COUNT'], 'comment': str(group)}


def result(test):
    return 'valid'
