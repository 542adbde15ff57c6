"""p11.py: a PKCS#11 module from Python, as far as the vector runner wants it: one
session, objects by dictionary, one call an operation."""
import ctypes
import os
import re
import struct

ULONG = ctypes.c_ulong
HEADER = os.path.join(os.path.dirname(__file__), '..', '..', 'include', 'pkcs11_numbers.h')


class NoNumber(Exception):
    """NoNumber: the standard has no such name."""


class Numbers:
    """Numbers: N.CKM_AES_GCM, ... as the standard has them."""

    def __init__(self, path=HEADER):
        text = open(path, encoding='utf-8').read()
        pattern = r'^#define (CK\w+) \(?(CKF_ARRAY_ATTRIBUTE ?\| ?)?~?(0x[0-9a-fA-F]+|\d+)U?L?\)?'
        for name, array, value in re.findall(pattern, text, re.M):
            setattr(self, name, int(value, 0) | (0x40000000 if array else 0))
        self.rv_names = {v: k for k, v in vars(self).items() if k.startswith('CKR_')}

    def __getattr__(self, name):
        raise NoNumber(f'PKCS#11 has no {name}')


N = Numbers()


class Refused(Exception):
    """Refused is a return value other than CKR_OK."""

    def __init__(self, function, rv):
        self.rv = rv
        self.name = N.rv_names.get(rv, f'{rv:#x}')
        super().__init__(f'{function}: {self.name}')


def refused(function, *args, **more):
    """refused returns the name of the error, or CKR_OK."""
    try:
        function(*args, **more)
    except Refused as e:
        return e.name
    return 'CKR_OK'


class Params:
    """Params is a mechanism's parameter structure. Layout, a letter a field: u CK_ULONG,
    b CK_BBOOL, P pointer and length, L length and pointer, B pointer and length in bits,
    p a pointer, F Fields (their number and where they are), x (last) bytes in place."""

    def __init__(self, layout='', *values):
        self.kept, fmt, flat = [], '@', []
        for kind, value in zip(layout, values):
            if kind == 'F':
                self.kept.append(value)
                flat += [value.n, value.at]
                fmt += 'LL'
            elif kind in 'PLB':
                at = ctypes.create_string_buffer(bytes(value), max(len(value), 1))
                self.kept.append(at)
                pair = [ctypes.addressof(at) if value else 0, len(value) * (8 if kind == 'B' else 1)]
                flat += pair[::-1] if kind == 'L' else pair
                fmt += 'LL'
            elif kind == 'x':
                flat.append(bytes(value))
                fmt += f'{len(value)}s'
            else:
                flat.append(value)
                fmt += {'u': 'L', 'p': 'L', 'b': 'B'}[kind]
        self.bytes = struct.pack(fmt, *flat)


class Fields:
    """Fields is an array of (type, bytes), each a number, a pointer and a length."""

    def __init__(self, fields):
        self.kept = [buffer(value) for _, value in fields]
        rows = [(type_, ctypes.addressof(at) if value else 0, len(value))
                for (type_, value), at in zip(fields, self.kept)]
        self.array = buffer(b''.join(struct.pack('@LLL', *row) for row in rows))
        self.n, self.at = len(rows), ctypes.addressof(self.array)


class Mechanism(ctypes.Structure):
    _fields_ = [('type', ULONG), ('param', ctypes.c_void_p), ('length', ULONG)]


class Attribute(ctypes.Structure):
    _fields_ = [('type', ULONG), ('value', ctypes.c_void_p), ('length', ULONG)]


def buffer(data):
    return ctypes.create_string_buffer(bytes(data), max(len(data), 1))


def attribute_bytes(value, kept):
    """attribute_bytes: a dictionary is a template in the template, a list one of numbers."""
    if isinstance(value, bool):
        return bytes([value])
    if isinstance(value, int):
        return struct.pack('@L', value)
    if isinstance(value, list):
        return struct.pack(f'@{len(value)}L', *value)
    if isinstance(value, dict):
        inner, n = template(value)
        kept.append(inner)
        return bytes(inner)[:n.value * ctypes.sizeof(Attribute)]
    return value


def template(attributes):
    """template makes a CK_ATTRIBUTE array of {'LABEL': value}; the buffers are kept with it."""
    array = (Attribute * max(len(attributes), 1))()
    array.kept = []
    for a, (name, value) in zip(array, attributes.items()):
        value = attribute_bytes(value, array.kept)
        at = buffer(value)
        array.kept.append(at)
        a.type, a.value, a.length = getattr(N, f'CKA_{name}'), ctypes.addressof(at), len(value)
    return array, ULONG(len(attributes))


class Token:
    """Token is a session, logged in as the user, on a new token of the module."""

    def __init__(self, module, pin=b'12345678'):
        self.lib = ctypes.CDLL(module)
        self.h = ULONG(0)
        self.call('C_Initialize', None)
        slots, n = (ULONG * 64)(), ULONG(64)
        self.call('C_GetSlotList', 1, slots, ctypes.byref(n))
        self.slot = ULONG(slots[0])
        self.call('C_InitToken', self.slot, pin, ULONG(len(pin)), b'vectors'.ljust(32))
        flags = ULONG(N.CKF_SERIAL_SESSION | N.CKF_RW_SESSION)
        self.call('C_OpenSession', self.slot, flags, None, None, ctypes.byref(self.h))
        self.call('C_Login', self.h, ULONG(N.CKU_SO), pin, ULONG(len(pin)))
        self.call('C_InitPIN', self.h, pin, ULONG(len(pin)))
        self.call('C_Logout', self.h)
        self.call('C_Login', self.h, ULONG(N.CKU_USER), pin, ULONG(len(pin)))
        self.mechanisms = self.mechanism_list()

    def call(self, function, *args):
        f = getattr(self.lib, function)
        f.restype = ULONG
        rv = f(*args)
        if rv != N.CKR_OK:
            raise Refused(function, rv)

    def mechanism_list(self):
        n = ULONG(0)
        self.call('C_GetMechanismList', self.slot, None, ctypes.byref(n))
        found = (ULONG * n.value)()
        self.call('C_GetMechanismList', self.slot, found, ctypes.byref(n))
        return set(found[:n.value])

    def has(self, name):
        return getattr(N, f'CKM_{name}') in self.mechanisms

    def mechanism(self, name, params=None):
        m = Mechanism(getattr(N, f'CKM_{name}'), None, 0)
        if params is not None:
            m.kept = buffer(params.bytes), params
            m.param, m.length = ctypes.addressof(m.kept[0]), len(params.bytes)
        return ctypes.byref(m)

    # --- objects ---

    def create(self, **attributes):
        t, n = template({'TOKEN': False, 'PRIVATE': False, **attributes})
        h = ULONG(0)
        self.call('C_CreateObject', self.h, t, n, ctypes.byref(h))
        return h

    def set(self, h, **attributes):
        self.call('C_SetAttributeValue', self.h, h, *template(attributes))

    def login(self, who, pin=b'12345678'):
        self.call('C_Login', self.h, ULONG(who), pin, ULONG(len(pin)))

    def destroy(self, *objects):
        for h in objects:
            self.call('C_DestroyObject', self.h, h)

    def get(self, h, name):
        a = Attribute(getattr(N, f'CKA_{name}'), None, 0)
        self.call('C_GetAttributeValue', self.h, h, ctypes.byref(a), ULONG(1))
        at = buffer(bytes(a.length))
        a.value = ctypes.addressof(at)
        self.call('C_GetAttributeValue', self.h, h, ctypes.byref(a), ULONG(1))
        return at.raw[:a.length]

    # --- operations ---

    def one(self, verb, mech, key, data, room):
        """one does C_verbInit and C_verb."""
        self.call(f'C_{verb}Init', self.h, mech, *([] if key is None else [key]))
        out, n = ctypes.create_string_buffer(room), ULONG(room)
        self.call(f'C_{verb}', self.h, buffer(data), ULONG(len(data)), out, ctypes.byref(n))
        return out.raw[:n.value]

    def encrypt(self, mech, key, data):
        return self.one('Encrypt', mech, key, data, len(data) + 1024)

    def decrypt(self, mech, key, data):
        return self.one('Decrypt', mech, key, data, len(data) + 1024)

    def sign(self, mech, key, data):
        return self.one('Sign', mech, key, data, 65536)

    def digest(self, mech, data):
        return self.one('Digest', mech, None, data, 128)

    def verify(self, mech, key, data, signature):
        self.call('C_VerifyInit', self.h, mech, key)
        self.call('C_Verify', self.h, buffer(data), ULONG(len(data)), buffer(signature),
                  ULONG(len(signature)))

    def derive(self, mech, key, **attributes):
        t, n = template({'TOKEN': False, **attributes})
        h = ULONG(0)
        self.call('C_DeriveKey', self.h, mech, key, t, n, ctypes.byref(h))
        return h

    def generate(self, mech, **attributes):
        t, n = template({'TOKEN': False, **attributes})
        h = ULONG(0)
        self.call('C_GenerateKey', self.h, mech, t, n, ctypes.byref(h))
        return h

    def wrap(self, mech, key, other):
        out, n = ctypes.create_string_buffer(65536), ULONG(65536)
        self.call('C_WrapKey', self.h, mech, key, other, out, ctypes.byref(n))
        return out.raw[:n.value]

    def unwrap(self, mech, key, wrapped, **attributes):
        t, n = template({'TOKEN': False, **attributes})
        h = ULONG(0)
        self.call('C_UnwrapKey', self.h, mech, key, buffer(wrapped), ULONG(len(wrapped)), t, n,
                  ctypes.byref(h))
        return h

    def decapsulate(self, mech, key, ciphertext, **attributes):
        t, n = template({'TOKEN': False, **attributes})
        h = ULONG(0)
        self.call('C_DecapsulateKey', self.h, mech, key, t, n, buffer(ciphertext),
                  ULONG(len(ciphertext)), ctypes.byref(h))
        return h

    def encapsulate(self, mech, key, **attributes):
        t, n = template({'TOKEN': False, **attributes})
        h, out, size = ULONG(0), ctypes.create_string_buffer(4096), ULONG(4096)
        self.call('C_EncapsulateKey', self.h, mech, key, t, n, out, ctypes.byref(size),
                  ctypes.byref(h))
        return out.raw[:size.value], h
