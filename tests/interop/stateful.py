#!/usr/bin/env python3
"""stateful.py BUILD: signatures of stateful keys, verified by BouncyCastle."""
import ctypes
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'support'))
import bouncycastle  # noqa: E402
from p11 import Token, ULONG, template  # noqa: E402

# HSS: types of each level (RFC 8554, RFC 9858). Not every BouncyCastle knows all; what was not
# verified is said.
HSS = {
    'SHA-256, W1': [(5, 1)], 'SHA-256, W2': [(5, 2)], 'SHA-256, W4': [(5, 3)], 'SHA-256, W8': [(5, 4)],
    'SHA-256, height 10': [(6, 3)], 'SHA-256, three levels': [(5, 3), (5, 4), (5, 2)],
    'SHA-256/192': [(10, 7)], 'SHA-256/192, two levels': [(10, 8), (10, 6)],
    'SHAKE256': [(15, 11)], 'SHAKE256/192': [(20, 15)],
}
XMSS = {'SHA2_10_256': 0x01, 'SHA2_10_512': 0x04, 'SHAKE_10_256': 0x07, 'SHAKE_10_512': 0x0a}
XMSSMT = {'SHA2_20/4_256': 0x02, 'SHA2_20/4_512': 0x0a, 'SHAKE_20/4_256': 0x12, 'SHAKE_20/4_512': 0x1a,
          'SHA2_20/4_192': 0x22, 'SHAKE256_20/4_256': 0x2a, 'SHAKE256_20/4_192': 0x32}
TIMES = 40  # past the end of a tree of height 5


def pair(t, mech, pub, priv):
    a, b = ULONG(0), ULONG(0)
    t.call('C_GenerateKeyPair', t.h, t.mechanism(mech), *template({'TOKEN': False, **pub}),
           *template({'TOKEN': False, **priv}), ctypes.byref(a), ctypes.byref(b))
    return a, b


def signatures(t, kind, keys, times):
    pub, priv = keys
    value = t.get(pub, 'VALUE')
    for n in range(times):
        message = f'message {n}'.encode()
        signature = t.sign(t.mechanism(kind), priv, message)
        t.verify(t.mechanism(kind), pub, message, signature)
        yield kind.lower(), value, message, signature
    t.destroy(*keys)


def all_signed(t):
    for levels in HSS.values():
        keys = pair(t, 'HSS_KEY_PAIR_GEN', {}, {'HSS_LMS_TYPES': [a for a, _ in levels],
                                                'HSS_LMOTS_TYPES': [b for _, b in levels]})
        yield from signatures(t, 'HSS', keys, TIMES if len(levels) > 1 else 3)
    for kind, sets, times in (('XMSS', XMSS, 3), ('XMSSMT', XMSSMT, TIMES)):
        for number in sets.values():
            keys = pair(t, f'{kind}_KEY_PAIR_GEN', {'PARAMETER_SET': number}, {})
            yield from signatures(t, kind, keys, times)


def main():
    if bouncycastle.missing():
        print(f'skipped: {bouncycastle.missing()}')
        return 77
    said = bouncycastle.verify(list(all_signed(Token(f'{sys.argv[1]}/libholdfast-pkcs11.so'))))
    print(said)
    return 0 if int(said.split()[1]) > 0 else 1


sys.exit(main())
