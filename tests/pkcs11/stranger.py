#!/usr/bin/env python3
"""stranger.py BUILD ROUNDS: random calls of the module's functions, with arguments that are whole but
senseless: no pointers, handles of nothing, lengths of nothing, attributes and mechanisms at random.
Whatever is answered, the module stands and the key made before works as it did."""
import ctypes
import os
import random
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'support'))

import own_vault  # noqa: E402
from p11 import N, ULONG, Attribute, Mechanism, Params, Refused, buffer, template  # noqa: E402

BUILD, ROUNDS = os.path.abspath(sys.argv[1]), int(sys.argv[2])

# Arguments, a letter each: s session, o object or key, u number, m mechanism, t template and its
# length, i bytes and their length, O room and its length, H where a handle goes, f what is wanted,
# a the structure of a message and its length.
FUNCTIONS = {
    'C_GetSessionInfo': 'sf', 'C_CreateObject': 'stH', 'C_CopyObject': 'sotH', 'C_DestroyObject': 'so',
    'C_GetObjectSize': 'soH', 'C_GetAttributeValue': 'sot', 'C_SetAttributeValue': 'sot',
    'C_FindObjectsInit': 'st', 'C_FindObjects': 'sfuH', 'C_FindObjectsFinal': 's',
    'C_EncryptInit': 'smo', 'C_Encrypt': 'siO', 'C_EncryptUpdate': 'siO', 'C_EncryptFinal': 'sO',
    'C_DecryptInit': 'smo', 'C_Decrypt': 'siO', 'C_DecryptUpdate': 'siO', 'C_DecryptFinal': 'sO',
    'C_DigestInit': 'sm', 'C_Digest': 'siO', 'C_DigestUpdate': 'si', 'C_DigestKey': 'so',
    'C_DigestFinal': 'sO',
    'C_SignInit': 'smo', 'C_Sign': 'siO', 'C_SignUpdate': 'si', 'C_SignFinal': 'sO',
    'C_SignRecoverInit': 'smo', 'C_SignRecover': 'siO', 'C_VerifyInit': 'smo', 'C_Verify': 'sii',
    'C_VerifyUpdate': 'si', 'C_VerifyFinal': 'si', 'C_VerifyRecoverInit': 'smo', 'C_VerifyRecover': 'siO',
    'C_VerifySignatureInit': 'smoi', 'C_VerifySignature': 'si', 'C_VerifySignatureUpdate': 'si',
    'C_VerifySignatureFinal': 's',
    'C_DigestEncryptUpdate': 'siO', 'C_DecryptDigestUpdate': 'siO', 'C_SignEncryptUpdate': 'siO',
    'C_DecryptVerifyUpdate': 'siO', 'C_GenerateKey': 'smtH', 'C_GenerateKeyPair': 'smttHH',
    'C_WrapKey': 'smooO', 'C_UnwrapKey': 'smoitH', 'C_DeriveKey': 'smotH', 'C_SeedRandom': 'si',
    'C_GenerateRandom': 'si', 'C_GetOperationState': 'sO', 'C_SetOperationState': 'sioo',
    'C_SessionCancel': 'su', 'C_EncapsulateKey': 'smotOH', 'C_DecapsulateKey': 'smotiH',
    'C_MessageEncryptInit': 'smo', 'C_EncryptMessage': 'saiiO', 'C_EncryptMessageBegin': 'sai',
    'C_EncryptMessageNext': 'saiOf', 'C_MessageEncryptFinal': 's',
    'C_MessageDecryptInit': 'smo', 'C_DecryptMessage': 'saiiO', 'C_DecryptMessageBegin': 'sai',
    'C_DecryptMessageNext': 'saiOf', 'C_MessageDecryptFinal': 's',
    'C_MessageSignInit': 'smo', 'C_SignMessage': 'saiO', 'C_SignMessageBegin': 'sa',
    'C_SignMessageNext': 'saiO', 'C_MessageSignFinal': 's',
    'C_MessageVerifyInit': 'smo', 'C_VerifyMessage': 'saii', 'C_VerifyMessageBegin': 'sa',
    'C_VerifyMessageNext': 'saii', 'C_MessageVerifyFinal': 's',
    'C_WrapKeyAuthenticated': 'smooiO', 'C_UnwrapKeyAuthenticated': 'smoitiH',
}
ATTRIBUTES = [name[4:] for name in vars(N) if name.startswith('CKA_')]
MECHANISMS = [v for name, v in vars(N).items() if name.startswith('CKM_')]
FITTING = [N.CKM_AES_ECB, N.CKM_AES_GCM, N.CKM_AES_CCM, N.CKM_SHA256, N.CKM_AES_CMAC, N.CKM_AES_KEY_WRAP, N.CKM_AES_KEY_GEN]
NUMBERS = [0, 1, 2, 3, 4, 16, 0x1f, 0x7fffffff, 0x80000000, 2**64 - 1]
VALUES = [b'', b'\0', b'\1', b'\2', bytes(3), bytes(7), bytes(8), b'\1' + bytes(7), b'\3' + bytes(7),
          b'\x1f' + bytes(7), b'\xff' * 8, bytes(16), bytes(300), b'20261301',
          bytes.fromhex('06082a8648ce3d030107')]


def a_template(depth=0):
    attributes = {}
    for name in random.sample(ATTRIBUTES, random.choice([0, 1, 2, 5])):
        nest = name.endswith('_TEMPLATE')
        if nest and depth == 6:
            continue
        attributes[name] = a_template(depth + 1) if nest else random.choice(VALUES)
    if random.random() < 0.7:
        attributes['CLASS'] = random.choice([N.CKO_DATA, N.CKO_SECRET_KEY, N.CKO_PRIVATE_KEY,
                                             N.CKO_PUBLIC_KEY])
        attributes['KEY_TYPE'] = random.choice([N.CKK_AES, N.CKK_RSA, N.CKK_EC, N.CKK_GENERIC_SECRET])
    attributes['TOKEN'] = False
    return attributes


def of_bytes(data):
    if random.random() < 0.2:
        return [None, ULONG(random.choice([0, 1, 9]))]
    return [buffer(data), ULONG(len(data))]


def of_template():
    if random.random() < 0.1:
        return [None, ULONG(random.choice([0, 1, 5]))]
    array, n = template(a_template())
    if random.random() < 0.2 and n.value > 0:
        wrong = random.choice(list(array)[:n.value])
        array[0] = Attribute(wrong.type, None, random.choice([0, 8, 2**64 - 1]))
    return [array, n]


def of_mechanism():
    if random.random() < 0.05:
        return [None]
    at = buffer(random.choice(VALUES))
    if random.random() < 0.3:  # one that goes well with an AES key, or without
        m = Mechanism(random.choice(FITTING), None, 0)
        return [ctypes.byref(m)]
    m = Mechanism(random.choice(MECHANISMS), ctypes.addressof(at), len(at.raw))
    if random.random() < 0.6:  # of a structure with pointers, the length is never right by chance
        m.param, m.length = None, random.choice([0, 0, 0, 24])
    m.kept = at
    return [ctypes.byref(m)]


def of_message():
    if random.random() < 0.3:
        return random.choice([[None, ULONG(0)], [None, ULONG(48)], [buffer(bytes(16)), ULONG(16)]])
    iv, tag = buffer(bytes(16)), buffer(bytes(16))
    iv_at, tag_at = ctypes.addressof(iv), random.choice([ctypes.addressof(tag), ctypes.addressof(tag), 0])
    n, fixed, generator = random.choice([0, 1, 7, 12, 13, 16]), random.choice([0, 0, 32, 96, 200]), random.randrange(6)
    p = random.choice([
        Params('puuupu', iv_at, n, fixed, generator, tag_at, random.choice([0, 8, 96, 128])),
        Params('upuuupu', random.choice(NUMBERS), iv_at, n, fixed, generator, tag_at, random.choice([0, 4, 16])),
        Params('pup', iv_at, random.choice([12, 96, 0]), tag_at)])
    at = buffer(p.bytes)
    at.kept = p, iv, tag
    return [at, ULONG(len(p.bytes))]


def arguments(t, letters, handles):
    made = []
    for letter in letters:
        made += {
            's': lambda: [t.h if random.random() < 0.95 else ULONG(random.choice(NUMBERS))],
            'o': lambda: [ULONG(random.choice(handles + NUMBERS))],
            'u': lambda: [ULONG(random.choice(NUMBERS[:6]))],
            'm': of_mechanism,
            't': of_template,
            'a': of_message,
            'i': lambda: of_bytes(random.choice(VALUES)),
            'O': lambda: [random.choice([None, buffer(bytes(4096))]),
                          random.choice([None, ctypes.byref(ULONG(random.choice([0, 1, 16, 4096])))])],
            'H': lambda: [random.choice([None, ctypes.byref(ULONG(0))])],
            'f': lambda: [random.choice([None, buffer(bytes(512))])],
        }[letter]()
    return made


def test_stands(t):
    key = t.create(CLASS=N.CKO_SECRET_KEY, KEY_TYPE=N.CKK_AES, VALUE=bytes(16), TOKEN=True, ENCRYPT=True,
                   DECRYPT=True, SIGN=True, VERIFY=True, WRAP=True, UNWRAP=True, EXTRACTABLE=True,
                   DESTROYABLE=False, MODIFIABLE=False)
    cbc = t.mechanism('AES_CBC_PAD', Params('x', bytes(16)))
    before = t.encrypt(cbc, key, b'data')
    random.seed(20240624)
    answers = {}
    for _ in range(ROUNDS):
        name = random.choice(list(FUNCTIONS))
        try:
            t.call(name, *arguments(t, FUNCTIONS[name], [key.value]))
            rv = 'CKR_OK'
        except Refused as e:
            rv = e.name
        answers[rv] = answers.get(rv, 0) + 1
    for rv, n in sorted(answers.items()):
        print(f'{n:6} {rv}')
    assert set(answers) & {'CKR_GENERAL_ERROR', 'CKR_DEVICE_ERROR', 'CKR_HOST_MEMORY'} == set()
    t.call('C_SessionCancel', t.h, ULONG(0x3fffffff & ~3))
    assert t.encrypt(cbc, key, b'data') == before


own_vault.run(BUILD, globals(), 'stands')
