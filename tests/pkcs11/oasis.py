#!/usr/bin/env python3
"""oasis.py BUILD DIRECTORY: the mandatory test cases of the OASIS PKCS#11 profiles, played from
their XML through the module against a vault of its own.

A test case is calls, each followed by the answer that OASIS's own token gave. What every token has
must be so here, too: return values, lengths, numbers of things, values of attributes. What
is that token's own (its names, its sizes of keys, a signature by its key) is called and
counted, and compared by kind. A case speaks of objects that its token has: they are made before, with
the attributes that the case will ask for."""
import ctypes
import glob
import os
import sys
import tempfile
import xml.etree.ElementTree as ET

BUILD, CASES = os.path.abspath(sys.argv[1]), sys.argv[2]
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'support'))

import own_vault  # noqa: E402
from p11 import N, ULONG, Attribute, Mechanism, Token, buffer, template  # noqa: E402

PIN = b'12345678'
OWN = {'ManufacturerID', 'LibraryDescription', 'LibraryVersion', 'SlotDescription', 'HardwareVersion',
       'FirmwareVersion', 'label', 'model', 'serialNumber', 'utcTime', 'MinKeySize', 'MaxKeySize',
       'Signature', 'MODULUS'}

OWN_FLAGS = N.CKF_RESTORE_KEY_NOT_NEEDED  # how it saves operations


class Version(ctypes.Structure):
    _fields_ = [('major', ctypes.c_ubyte), ('minor', ctypes.c_ubyte)]


class Info(ctypes.Structure):
    _fields_ = [('CryptokiVersion', Version), ('ManufacturerID', ctypes.c_char * 32), ('Flags', ULONG),
                ('LibraryDescription', ctypes.c_char * 32), ('LibraryVersion', Version)]


class SlotInfo(ctypes.Structure):
    _fields_ = [('SlotDescription', ctypes.c_char * 64), ('ManufacturerID', ctypes.c_char * 32),
                ('Flags', ULONG), ('HardwareVersion', Version), ('FirmwareVersion', Version)]


class TokenInfo(ctypes.Structure):
    _fields_ = [('label', ctypes.c_char * 32), ('ManufacturerID', ctypes.c_char * 32),
                ('model', ctypes.c_char * 16), ('serialNumber', ctypes.c_char * 16), ('Flags', ULONG),
                *[(name, ULONG) for name in (
                    'MaxSessionCount', 'SessionCount', 'MaxRwSessionCount', 'RwSessionCount', 'MaxPinLen',
                    'MinPinLen', 'TotalPublicMemory', 'FreePublicMemory', 'TotalPrivateMemory',
                    'FreePrivateMemory')],
                ('HardwareVersion', Version), ('FirmwareVersion', Version), ('utcTime', ctypes.c_char * 16)]


class MechanismInfo(ctypes.Structure):
    _fields_ = [('MinKeySize', ULONG), ('MaxKeySize', ULONG), ('Flags', ULONG)]


class Interface(ctypes.Structure):
    _fields_ = [('name', ctypes.c_char_p), ('functions', ctypes.c_void_p), ('flags', ULONG)]


def bits(text, prefix='CKF_'):
    """bits of "A|B", or of a number."""
    if text[:1].isdigit():
        return int(text, 0)
    return sum(getattr(N, prefix + word) for word in text.replace('|', ' ').split())


def value_bytes(a):
    """value_bytes of an XML attribute's value, as the attribute's type has it."""
    name, text = a.get('type'), a.get('value')
    if name in ('TOKEN', 'PRIVATE'):
        return bytes([text.lower() == 'true'])
    if name == 'CLASS':
        return bytes(ULONG(getattr(N, f'CKO_{text}')))
    return text.encode() if name == 'LABEL' else bytes.fromhex(text)


class Case:
    """Case plays one file. do_C_NAME makes a call and returns (what it gave, by element name)."""

    def __init__(self, token, path):
        self.token, self.lib, self.vars = token, token.lib, {}
        self.objects = []  # in the order in which the case speaks of them
        self.calls = self.compared = self.own = 0
        self.wrong = []
        elements = list(ET.parse(path).getroot())
        self.pairs = list(zip(elements[::2], elements[1::2]))
        self.name = os.path.basename(path)

    # --- the objects that the case wants ---

    def wants(self):
        """wants returns {index of an object: {attribute: value}}, as the case's answers have them."""
        found = {}
        for call, answer in self.pairs:
            if call.tag == 'C_FindObjects':
                for at, _ in enumerate(answer.findall('Object/Object')):
                    found.setdefault(at, {})
            if call.tag == 'C_GetAttributeValue':
                at = int(call.find('Object').get('value').split('[')[1].split(']')[0])
                for a in answer.findall('Template/Attribute'):
                    if a.get('value') is not None:
                        found[at][a.get('type')] = value_bytes(a)
                    elif a.get('type') == 'LABEL':
                        found[at]['length'] = int(a.get('length'))
        return found

    def furnish(self):
        if any(call.tag == 'C_SignInit' for call, _ in self.pairs):
            return self.furnish_pair()
        for at, attributes in sorted(self.wants().items()):
            if 'LABEL' in attributes:  # OASIS's token counts a NUL at the end
                attributes['LABEL'] = attributes['LABEL'].ljust(attributes.pop('length', 0), b'\0')
            kind = {'CLASS': N.CKO_DATA}
            if attributes.get('VALUE', b'')[:1] == b'\x30':
                kind = {'CLASS': N.CKO_CERTIFICATE, 'CERTIFICATE_TYPE': N.CKC_X_509, 'SUBJECT': b'\x30\0'}
            self.objects.append(self.token.create(**{**kind, 'TOKEN': True, **attributes}).value)
        return None

    def furnish_pair(self):
        halves = ULONG(0), ULONG(0)
        pub, n = template({'TOKEN': True, 'LABEL': b'testrsa-pub', 'MODULUS_BITS': 2048, 'VERIFY': True,
                           'PUBLIC_EXPONENT': b'\1\0\1'})
        priv, m = template({'TOKEN': True, 'LABEL': b'testrsa-pri', 'PRIVATE': True, 'SIGN': True})
        self.token.call('C_GenerateKeyPair', self.token.h, self.token.mechanism('RSA_PKCS_KEY_PAIR_GEN'),
                        pub, n, priv, m, *map(ctypes.byref, halves))
        self.objects = [h.value for h in halves]

    # --- values of a call's parameters ---

    def number(self, element):
        text = element.get('value') or element.get('length') or '0'
        return self.vars[text] if text.startswith('${') else int(text, 0)

    def part(self, call, name):
        return self.number(call.find(name))

    def attributes(self, call):
        rows = call.findall('Template/Attribute')
        array = (Attribute * max(len(rows), 1))()
        array.kept = []
        for a, row in zip(array, rows):
            value = value_bytes(row) if row.get('value') is not None else bytes(int(row.get('length') or 0))
            a.type, a.length = getattr(N, 'CKA_' + row.get('type')), len(value)
            if value:
                array.kept.append(buffer(value))
                a.value = ctypes.addressof(array.kept[-1])
        return array, len(rows)

    # --- the functions ---

    def rv(self, function, *args):
        f = getattr(self.lib, function)
        f.restype = ULONG
        return f(*args)

    def do_C_Initialize(self, _):
        return self.rv('C_Initialize', None), {}

    def do_C_Finalize(self, _):
        return self.rv('C_Finalize', None), {}

    def do_C_GetInfo(self, _):
        found, info = ctypes.POINTER(Interface)(), Info()
        self.token.call('C_GetInterface', None, None, ctypes.byref(found), ULONG(0))
        entry = ctypes.cast(found.contents.functions, ctypes.POINTER(ctypes.c_void_p))[3]
        rv = ctypes.CFUNCTYPE(ULONG, ctypes.POINTER(Info))(entry)(ctypes.byref(info))
        return rv, {'Info': info}

    def do_C_GetSlotList(self, call):
        n = ULONG(self.part(call, 'SlotList'))
        slots = (ULONG * n.value)() if n.value else None
        rv = self.rv('C_GetSlotList', 1, slots, ctypes.byref(n))
        return rv, {'SlotList': ('SlotID', list(slots[:n.value]) if slots else n.value)}

    def info(self, call, function, structure):
        info, args = structure(), [ULONG(self.part(call, 'SlotID'))]
        if call.find('Type') is not None:
            args.append(ULONG(getattr(N, 'CKM_' + call.find('Type').get('value'))))
        rv = self.rv(function, *args, ctypes.byref(info))
        return rv, {structure.__name__: info, 'Info': info}

    def do_C_GetSlotInfo(self, call):
        return self.info(call, 'C_GetSlotInfo', SlotInfo)

    def do_C_GetTokenInfo(self, call):
        return self.info(call, 'C_GetTokenInfo', TokenInfo)

    def do_C_GetMechanismInfo(self, call):
        return self.info(call, 'C_GetMechanismInfo', MechanismInfo)

    def do_C_GetMechanismList(self, call):
        n = ULONG(self.part(call, 'MechanismList'))
        types = (ULONG * n.value)() if n.value else None
        rv = self.rv('C_GetMechanismList', ULONG(self.part(call, 'SlotID')), types, ctypes.byref(n))
        return rv, {'MechanismList': ('Type', list(types[:n.value]) if types else n.value)}

    def do_C_OpenSession(self, call):
        h, flags = ULONG(0), ULONG(bits(call.find('Flags').get('value')))
        rv = self.rv('C_OpenSession', ULONG(self.part(call, 'SlotID')), flags, None, None, ctypes.byref(h))
        return rv, {'Session': h.value}

    def session(self, call, *args):
        return self.rv(call.tag, ULONG(self.part(call, 'Session')), *args), {}

    def do_C_Login(self, call):
        user = getattr(N, 'CKU_' + call.find('UserType').get('value'))
        return self.session(call, ULONG(user), PIN, ULONG(len(PIN)))

    def do_C_CloseAllSessions(self, call):
        return self.rv('C_CloseAllSessions', ULONG(self.part(call, 'SlotID'))), {}

    do_C_Logout = do_C_CloseSession = do_C_FindObjectsFinal = session

    def do_C_FindObjectsInit(self, call):
        array, n = self.attributes(call)
        return self.session(call, array, ULONG(n))

    def do_C_FindObjects(self, call):
        room = self.part(call, 'Object')
        found, n = (ULONG * room)(), ULONG(0)
        rv, _ = self.session(call, found, ULONG(room), ctypes.byref(n))
        return rv, {'Object': ('Object', sorted(found[:n.value], key=self.objects.index))}

    def do_C_GetAttributeValue(self, call):
        array, n = self.attributes(call)
        rv, _ = self.session(call, ULONG(self.part(call, 'Object')), array, ULONG(n))
        got = {row.get('type'): (a.length, ctypes.string_at(a.value, a.length) if a.value else None)
               for row, a in zip(call.findall('Template/Attribute'), array)}
        return rv, {'Template': got}

    def do_C_SignInit(self, call):
        m = Mechanism(getattr(N, 'CKM_' + call.find('Mechanism/Type').get('value')), None, 0)
        self.vars['mechanism'] = m
        return self.session(call, ctypes.byref(m), ULONG(self.part(call, 'Key')))

    def do_C_Sign(self, call):
        data = bytes.fromhex(call.find('Data').get('value'))
        out, n = buffer(bytes(512)), ULONG(self.part(call, 'Signature'))
        rv, _ = self.session(call, data, ULONG(len(data)), out, ctypes.byref(n))
        h = ULONG(self.part(call, 'Session'))
        self.token.call('C_VerifyInit', h, ctypes.byref(self.vars['mechanism']), ULONG(self.objects[0]))
        self.token.call('C_Verify', h, data, ULONG(len(data)), out, n)
        return rv, {'Signature': (n.value, out.raw[:n.value])}

    # --- what came, against what OASIS's token gave ---

    def check(self, what, ok):
        self.compared += 1
        if not ok:
            self.wrong.append(what)

    def check_info(self, expected, got):
        members = list(expected) + [ET.Element(k, value=v) for k, v in expected.attrib.items()]
        for e in members:
            have = getattr(got, e.tag)
            if e.tag == 'CryptokiVersion':
                least = int(e.get('major')), int(e.get('minor'))
                self.check(f'{e.tag}: {have.major}.{have.minor}', (have.major, have.minor) >= least)
            elif e.tag == 'Flags':
                least = bits(e.get('value')) & ~OWN_FLAGS
                self.check(f'{e.tag}: {have:#x} lacks {least & ~have:#x}', least & ~have == 0)
            elif e.tag in ('MaxPinLen', 'MinPinLen'):
                at_least = have >= int(e.get('value')) or e.tag == 'MinPinLen'
                self.check(f'{e.tag}: {have}', at_least)
            else:
                self.own += 1

    def check_list(self, expected, got):
        name, values = got
        if isinstance(values, int):
            self.vars[expected.get('length')] = values
            return self.check(f'{expected.tag}: {values}', values >= 0)
        wanted = [e.get('value') for e in expected.findall(name)]
        if name == 'Object':
            self.check(f'{len(values)} objects, not {len(wanted)}', len(values) == len(wanted))
        for text, value in zip(wanted, values):
            if text.startswith('${'):
                self.vars[text] = value
            else:
                self.check(f'no {text}', getattr(N, 'CKM_' + text) in values)
        return None

    def check_value(self, name, element, length, value):
        if element.get('value') is None:
            return self.check(f'{name}: length {length}', length == int(element.get('length')))
        want = element.get('value').encode() if name == 'LABEL' else bytes.fromhex(element.get('value'))
        if name in OWN:
            self.own += 1
            return self.check(f'{name}: length {length}', length == len(want))
        return self.check(f'{name}: {value.hex()}', value.rstrip(b'\0') == want.rstrip(b'\0'))

    def compare(self, answer, got):
        for expected in answer:
            have = got[expected.tag]
            if isinstance(have, ctypes.Structure):
                self.check_info(expected, have)
            elif isinstance(have, dict):
                for e in expected:
                    self.check_value(e.get('type'), e, *have[e.get('type')])
            elif isinstance(have, int):
                self.vars[expected.get('value')] = have
            elif isinstance(have[0], str):
                self.check_list(expected, have)
            else:
                self.check_value(expected.tag, expected, *have)

    def play(self):
        self.furnish()
        self.rv('C_Finalize', None)
        for call, answer in self.pairs:
            rv, got = getattr(self, f'do_{call.tag}')(call)
            self.calls += 1
            self.check(f'{call.tag}: {N.rv_names.get(rv, rv)}', rv == getattr(N, f'CKR_{answer.get("rv")}'))
            if rv == N.CKR_OK:
                self.compare(answer, got)


def play(path):
    with tempfile.TemporaryDirectory(prefix='holdfast-oasis-') as home:
        os.environ['HOLDFAST_HOME'] = home
        try:
            case = Case(Token(own_vault.module(BUILD), PIN), path)
            case.play()
        finally:
            own_vault.stop(BUILD)
    for text in case.wrong:
        print(f'{case.name}: {text}')
    print(f'{case.name}: {case.calls} calls, {case.compared} comparisons, {len(case.wrong)} wrong, '
          f'{case.own} values the token\'s own')
    return not case.wrong


def apart(path):
    """apart plays a case in a process of its own: the loopback's vault lives as long as its process."""
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        passed = play(path)
        sys.stdout.flush()
        os._exit(0 if passed else 1)
    return os.waitpid(pid, 0)[1] == 0


def main():
    files = sorted(glob.glob(f'{CASES}/profiles-3.*/*.xml'))
    if not files:
        print(f'no test cases in {CASES}')
        return 77
    passed = [apart(path) for path in files]
    print(f'{len(files)} test cases, {sum(passed)} passed')
    return 0 if all(passed) else 1


sys.exit(main())
