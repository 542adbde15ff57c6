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
SMALL = [0, 1, 2, 4, 16, 96, 128, 1000, N.CKM_SHA256, N.CKG_MGF1_SHA256, N.CKM_SHA256_HMAC]
NUMBERS = [0, 1, 2, 3, 4, 16, 0x1f, 0x7fffffff, 0x80000000, 2**64 - 1]
VALUES = [b'', b'\0', b'\1', b'\2', bytes(3), bytes(7), bytes(8), b'\1' + bytes(7), b'\3' + bytes(7),
          b'\x1f' + bytes(7), b'\xff' * 8, bytes(16), bytes(300), b'20261301',
          bytes.fromhex('06082a8648ce3d030107')]


# Parameters of the right size, a letter a field as in p11.py, with mechanisms that have them.
LAYOUTS = {
    'PuPu': ['AES_GCM', 'AES_GMAC'], 'uPPu': ['AES_CCM'], 'ux': ['AES_CTR', 'CAMELLIA_CTR'],
    'uuu': ['RSA_PKCS_PSS', 'SHA256_RSA_PKCS_PSS', 'TLS_MAC'], 'uuuP': ['RSA_PKCS_OAEP'],
    'up': ['RSA_AES_KEY_WRAP'], 'uLL': ['ECDH1_DERIVE'], 'uuL': ['ECDH_AES_KEY_WRAP'], 'bL': ['EDDSA'],
    'uP': ['ML_DSA', 'HASH_ML_DSA_SHA256', 'SLH_DSA', 'ML_DSA_EXTERNAL_MU'], 'uPu': ['HASH_ML_DSA'],
    'uPP': ['ML_DSA_EXTERNAL_MU_GEN'], 'bbuuPuP': ['HKDF_DERIVE', 'HKDF_DATA'],
    'P': ['CONCATENATE_BASE_AND_DATA', 'XOR_BASE_AND_DATA', 'AES_ECB_ENCRYPT_DATA'],
    'xP': ['AES_CBC_ENCRYPT_DATA'], 'BB': ['CHACHA20'], 'PP': ['CHACHA20_POLY1305'],
    'uPuuPP': ['PKCS5_PBKD2'], 'pPPu': ['PBA_SHA1_WITH_SHA1_HMAC', 'PBE_MD5_DES_CBC'],
    'uupup': ['SP800_108_COUNTER_KDF'], 'uupPup': ['SP800_108_FEEDBACK_KDF'],
    'ubbPPu': ['IKE_PRF_DERIVE'], 'ubuuPPu': ['IKE1_PRF_DERIVE'], 'ubuP': ['IKE2_PRF_PLUS_DERIVE',
                                                                        'IKE1_EXTENDED_DERIVE'],
    'PPp': ['TLS_MASTER_KEY_DERIVE'], 'PPpu': ['TLS12_MASTER_KEY_DERIVE'],
    'uPp': ['TLS12_EXTENDED_MASTER_KEY_DERIVE'], 'uuubPPp': ['TLS_KEY_AND_MAC_DERIVE'],
    'uuubPPpu': ['TLS12_KEY_AND_MAC_DERIVE'], 'uPPPP': ['TLS_KDF'], 'pu': ['HOTP'],
    'u': ['AES_CMAC_GENERAL', 'SHA512_T', 'EXTRACT_KEY_FROM_KEY', 'CONCATENATE_BASE_AND_KEY'],
}


def of_structure():
    """of_structure is a parameter whose pointers lead somewhere or nowhere: never too far."""
    layout = random.choice(list(LAYOUTS))
    values = [random.choice(VALUES) if kind in 'PLB' else bytes(16) if kind == 'x' else
              0 if kind == 'p' else random.choice([0, 1]) if kind == 'b' else random.choice(SMALL)
              for kind in layout]
    params = Params(layout, *values)
    data = bytearray(params.bytes)
    at = 0
    for kind in layout:  # a pointer that is gone, its length still there
        at += -at % 8 if kind not in 'bx' else 0
        if kind in 'PLB' and random.random() < 0.3:
            data[at + (8 if kind == 'L' else 0):at + (16 if kind == 'L' else 8)] = bytes(8)
        at += {'P': 16, 'L': 16, 'B': 16, 'x': 16, 'b': 1}.get(kind, 8)
    room = buffer(data)
    m = Mechanism(getattr(N, f'CKM_{random.choice(LAYOUTS[layout])}'), ctypes.addressof(room), len(data))
    m.kept = room, params
    return [ctypes.byref(m)]


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
    if random.random() < 0.4:
        return of_structure()
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
