#!/usr/bin/env python3
"""gen.py makes C (and a table for PROTOCOL.md) from the lists in spec/.

    gen.py codec  PREFIX SPEC OUT.h OUT.c        structs, codecs and call rows
    gen.py stubs  SPEC OUT.h OUT.c               the client's side of spec/calls
    gen.py serve  PREFIX SPEC OUT.h OUT.c        handlers' prototypes, dispatch
    gen.py params SPEC OUT.h OUT.c PACK.h PACK.c mechanism parameters
    gen.py table  SPEC                           Markdown on standard output
    gen.py seeds  SPEC DIR                       one fuzz seed a call

The lists' own heads describe their form.
"""
import os
import struct
import sys

NUMBERS = {'bool': ('bool', 1), 'u8': ('uint8_t', 1), 'u16': ('uint16_t', 2),
           'u32': ('uint32_t', 4), 'u64': ('uint64_t', 8)}
SLICES = ('bytes', 'text', 'secret')
NEEDS = ('none', 'app', 'session')
AUDIT = ('no', 'admin', 'auth', 'keys', 'use')
REPEAT = ('no', 'yes', 'origin', 'op')


class Struct:
    def __init__(self, name, fields=None):
        self.name, self.fields = name, fields or []


class Call:
    def __init__(self, words):
        self.name, self.opcode = words[0], int(words[1], 16)
        if len(words) > 2:
            (self.needs, self.roles, self.states, self.audit, self.speed,
             self.repeat) = words[2:8]
        else:
            self.needs, self.roles, self.states, self.audit = 'none', '-', '*', 'no'
            self.speed, self.repeat = 'fast', 'no'
        assert self.needs in NEEDS and self.audit in AUDIT, self.name
        assert self.speed in ('fast', 'slow') and self.repeat in REPEAT, self.name
        self.req, self.res = Struct(self.name + '_req'), Struct(self.name + '_res')

    def states_mask(self):
        names = 'OLETNZ' if self.states == '*' else self.states
        return ' | '.join('CALL_IN_' + s for s in names)

    def roles_mask(self):
        return by(self.roles.upper())

    def session_only_mask(self):
        return by([r for r in self.roles if r.islower()])


def by(letters):
    return ' | '.join('CALL_BY_' + r.upper() for r in letters if r != '-') or '0'


def load(path):
    """load returns (structs, calls) of a list; a parse error names its line."""
    structs, calls, into = [], [], None
    for number, line in enumerate(open(path, encoding='utf-8'), 1):
        words = line.split('#')[0].split()
        if not words:
            continue
        try:
            if words[0] == 'struct':
                structs.append(Struct(words[1]))
                into = structs[-1]
            elif words[0] == 'call':
                calls.append(Call(words[1:]))
            elif words[0] in '<>':
                into = calls[-1].req if words[0] == '<' else calls[-1].res
                into.fields.append(words[1:])
            else:
                into.fields.append(words)
        except (IndexError, ValueError, AssertionError) as e:
            sys.exit(f'{path}:{number}: {e}: {line.strip()}')
    assert len({c.opcode for c in calls}) == len(calls), 'an opcode stands twice'
    return structs, calls


def split(field):
    kind, name = field[0], field[1]
    limit = field[2] if len(field) > 2 else None
    return kind, name, limit


def c_type(kind):
    if kind in NUMBERS:
        return NUMBERS[kind][0]
    if kind in SLICES:
        return 'struct slice'
    if kind == 'mech':
        return 'struct mech_in'
    return 'struct %s_list' % kind[:-2]


def declare(s):
    rows = [f'\t{c_type(k)} {n};' for k, n, _ in map(split, s.fields)]
    return 'struct %s {\n%s\n};\n' % (s.name, '\n'.join(rows or ['\tuint8_t unused_;']))


def declare_list(name, c):
    return f'struct {name}_list {{\n\tconst {c} *v;\n\tsize_t n;\n}};\n'


def prototypes(s):
    return (f'void {s.name}_enc(struct buf *b, const struct {s.name} *s);\n'
            f'bool {s.name}_dec(struct rd *r, struct arena *a, struct {s.name} *ret)'
            ' HF_MUST_CHECK;\n')


def enc_field(field):
    kind, name, _ = split(field)
    if kind in NUMBERS:
        return f'\tbuf_{kind}(b, s->{name});'
    if kind in SLICES:
        return f'\tbuf_bytes(b, s->{name});'
    if kind == 'mech':
        return f'\tmech_in_enc(b, &s->{name});'
    return f'\t{kind[:-2]}_list_enc(b, s->{name});'


def dec_field(field):
    kind, name, limit = split(field)
    if kind in NUMBERS:
        return f'rd_{kind}(r, &s.{name})'
    if kind in SLICES:
        verb = 'rd_text' if kind == 'text' else 'rd_bytes'
        return f'{verb}(r, {limit or "WIRE_MAX_BYTES"}, &s.{name})'
    if kind == 'mech':
        return f'mech_in_dec(r, a, &s.{name})'
    return f'{kind[:-2]}_list_dec(r, a, {limit or "WIRE_MAX_LIST"}, &s.{name})'


def define(s):
    enc = '\n'.join(map(enc_field, s.fields)) or '\t(void)b;\n\t(void)s;'
    dec = ' &&\n\t    '.join(map(dec_field, s.fields)) or 'true'
    unused = '' if 'a, ' in dec else '\t(void)a;\n'
    unused += '' if s.fields else '\t(void)r;\n'
    return (f'void {s.name}_enc(struct buf *b, const struct {s.name} *s)\n{{\n{enc}\n}}\n\n'
            f'bool {s.name}_dec(struct rd *r, struct arena *a, struct {s.name} *ret)\n{{\n'
            f'\tstruct {s.name} s = {{ 0 }};\n\n{unused}\tif (!({dec}))\n\t\treturn false;\n'
            f'\t*ret = s;\n\treturn true;\n}}\n')


def list_code(kind, c, enc, dec, least):
    """Codec of a list: u32 count, then the elements, each of at least `least` bytes."""
    return (f'static void {kind}_list_enc(struct buf *b, struct {kind}_list l)\n{{\n'
            f'\tbuf_u32(b, (uint32_t)l.n);\n\tfor (size_t i = 0; i < l.n; i++)\n\t\t{enc};\n}}\n\n'
            f'static bool {kind}_list_dec(struct rd *r, struct arena *a, size_t max,\n'
            f'\tstruct {kind}_list *ret)\n{{\n\tstruct rd t = *r;\n\tuint32_t n;\n\t{c} *v;\n\n'
            f'\tif (!rd_u32(&t, &n) || n > max || n > t.n / {least})\n\t\treturn false;\n'
            f'\tv = arena_alloc(a, n ? n : 1, sizeof(*v));\n\tif (v == NULL)\n\t\treturn false;\n'
            f'\tfor (uint32_t i = 0; i < n; i++)\n\t\tif (!{dec})\n\t\t\treturn false;\n'
            f'\t*r = t;\n\t*ret = (struct {kind}_list){{ v, n }};\n\treturn true;\n}}\n')


def least(s):
    return sum(NUMBERS[k][1] if k in NUMBERS else 8 if k == 'mech' else 4
               for k, _, _ in map(split, s.fields)) or 1


HEAD = '/* Made by spec/gen.py from %s; do not edit. */\n'


def write(path, text):
    with open(path, 'w', encoding='utf-8') as f:
        f.write(text)


def all_structs(structs, calls):
    return structs + [s for c in calls for s in (c.req, c.res)]


def codec(prefix, spec, h_path, c_path):
    structs, calls = load(spec)
    used = {k for s in all_structs(structs, calls) for k, _, _ in map(split, s.fields)}
    up, src, guard = prefix.upper(), os.path.basename(spec), f'HF_{prefix.upper()}_CODEC_H'
    h = [HEAD % src, f'#ifndef {guard}\n#define {guard}\n\n#include "wire.h"\n\n']
    if calls:
        h.append(f'enum {prefix}_op {{\n')
        h += [f'\t{up}_{c.name.upper()} = {c.opcode:#04x},\n' for c in calls] + ['};\n\n']
        h.append(f'/* {prefix}_rows: by opcode; a row without a name is no call. */\n'
                 f'#define {up}_ROWS {max(c.opcode for c in calls) + 1}\n'
                 f'extern const struct call_row {prefix}_rows[{up}_ROWS];\n\n')
    h += [declare_list(n, NUMBERS[n][0]) for n in NUMBERS if n + '[]' in used]
    for s in structs:
        h += [declare(s), declare_list(s.name, 'struct ' + s.name)]
    h += [declare(s) + '\n' for c in calls for s in (c.req, c.res)]
    h += [prototypes(s) for s in all_structs(structs, calls)] + ['\n#endif\n']
    c = [HEAD % src, f'#include "{os.path.basename(h_path)}"\n\n']
    for n in NUMBERS:
        if n + '[]' in used:
            c.append(list_code(n, NUMBERS[n][0], f'buf_{n}(b, l.v[i])', f'rd_{n}(&t, &v[i])',
                               NUMBERS[n][1]) + '\n')
    for s in structs:
        c.append(define(s) + '\n')
        if s.name + '[]' in used:
            c.append(list_code(s.name, 'struct ' + s.name, f'{s.name}_enc(b, &l.v[i])',
                               f'{s.name}_dec(&t, a, &v[i])', least(s)) + '\n')
    c += [define(s) + '\n' for call in calls for s in (call.req, call.res)]
    if calls:
        c.append(f'const struct call_row {prefix}_rows[{up}_ROWS] = {{\n')
        c += [f'\t[{x.opcode:#04x}] = {{ "{x.name}", CALL_NEEDS_{x.needs.upper()}, '
              f'{x.roles_mask()},\n\t\t{x.session_only_mask()}, {x.states_mask()}, CALL_AUDIT_{x.audit.upper()}, '
              f'{str(x.speed == "slow").lower()}, CALL_REPEAT_{x.repeat.upper()} }},\n'
              for x in calls] + ['};\n']
    write(h_path, ''.join(h))
    write(c_path, ''.join(c))


def stubs(spec, h_path, c_path):
    _, calls = load(spec)
    sign = ('enum hf_err do_{0}(struct client *c, uint64_t session, const struct {0}_req *q,\n'
            '\tstruct {0}_res *r, struct arena *a)')
    h = [HEAD % 'calls', '#ifndef HF_STUBS_H\n#define HF_STUBS_H\n\n#include "calls_codec.h"\n\n'
         'struct client;\n\n/* do_NAME sends the call and waits for its answer; what *r points\n'
         ' * to lives in a. session: the client\'s own session handle, or 0. */\n']
    h += [sign.format(x.name) + ' HF_MUST_CHECK;\n' for x in calls] + ['\n#endif\n']
    c = [HEAD % 'calls', '#include "client.h"\n#include "stubs.h"\n\n']
    c += [sign.format(x.name) + '\n{\n\tCLEANUP(buf_done) struct buf b = BUF_MAX(WIRE_MAX_BYTES);\n'
          f'\tstruct rd rest;\n\n\t{x.name}_req_enc(&b, q);\n\tTRY(buf_err(&b));\n'
          f'\tTRY(client_call(c, CALLS_{x.name.upper()}, session, buf_slice(&b), a, &rest));\n'
          f'\treturn {x.name}_res_dec(&rest, a, r) && rd_done(&rest) ? HF_OK : HF_E_MALFORMED;\n'
          '}\n\n' for x in calls]
    write(h_path, ''.join(h))
    write(c_path, ''.join(c))


def serve(prefix, spec, h_path, c_path):
    _, calls = load(spec)
    ctx, guard = f'{prefix}_ctx', f'HF_{prefix.upper()}_SERVE_H'
    h = [HEAD % os.path.basename(spec), f'#ifndef {guard}\n#define {guard}\n\n'
         f'#include "{prefix}_codec.h"\n\nstruct {ctx};\n\n'
         '/* The work of each call, written by hand. *r is zeroed; what it is made\n'
         ' * to point to must live in the arena or longer than the call. */\n']
    h += [f'enum hf_err on_{x.name}(struct {ctx} *c, const struct {x.name}_req *q,\n'
          f'\tstruct {x.name}_res *r) HF_MUST_CHECK;\n' for x in calls]
    h.append(f'\n/* {prefix}_run decodes one call, has its handler work and encodes the answer\n'
             ' * behind what out holds. HF_E_MALFORMED: the request does not decode. */\n'
             f'enum hf_err {prefix}_run(unsigned op, struct {ctx} *c, struct rd in, '
             'struct arena *a,\n\tstruct buf *out) HF_MUST_CHECK;\n\n#endif\n')
    c = [HEAD % os.path.basename(spec), f'#include "{prefix}_serve.h"\n\n']
    c += [f'static enum hf_err run_{x.name}(struct {ctx} *c, struct rd in, struct arena *a, '
          f'struct buf *out)\n{{\n\tstruct {x.name}_req q;\n\tstruct {x.name}_res r = {{ 0 }};\n\n'
          f'\tif (!{x.name}_req_dec(&in, a, &q) || !rd_done(&in))\n\t\treturn HF_E_MALFORMED;\n'
          f'\tTRY(on_{x.name}(c, &q, &r));\n\t{x.name}_res_enc(out, &r);\n'
          '\treturn buf_err(out);\n}\n\n' for x in calls]
    c.append(f'enum hf_err {prefix}_run(unsigned op, struct {ctx} *c, struct rd in, '
             'struct arena *a,\n\tstruct buf *out)\n{\n\tstatic enum hf_err (*const run[])('
             f'struct {ctx} *, struct rd, struct arena *,\n\t\tstruct buf *) = {{\n')
    c += [f'\t\t[{x.opcode:#04x}] = run_{x.name},\n' for x in calls]
    c.append('\t};\n\n\tif (op >= sizeof(run) / sizeof(run[0]) || run[op] == NULL)\n'
             '\t\treturn HF_E_UNSUPPORTED;\n\treturn run[op](c, in, a, out);\n}\n')
    write(h_path, ''.join(h))
    write(c_path, ''.join(c))


def table(spec):
    structs, calls = load(spec)

    def show(fields):
        return ', '.join(f'{n} {k}' + (f'≤{m}' if m else '') for k, n, m in map(split, fields)) or '–'
    print('| structure | fields |\n| --- | --- |')
    for s in structs:
        print(f'| {s.name} | {show(s.fields)} |')
    print('\n| opcode | call | needs | roles | states | audit | speed | repeat | request | response |')
    print('| --- ' * 10 + '|')
    for c in calls:
        print(f'| {c.opcode:#04x} | {c.name} | {c.needs} | {c.roles} | {c.states} | {c.audit} '
              f'| {c.speed} | {c.repeat} | {show(c.req.fields)} | {show(c.res.fields)} |')


def seeds(spec, directory):
    """A seed is a u16 opcode and a request of zero numbers, 'a' bytes, empty lists."""
    _, calls = load(spec)
    os.makedirs(directory, exist_ok=True)
    for c in calls:
        out = struct.pack('>H', c.opcode)
        for kind, _, limit in map(split, c.req.fields):
            if kind in NUMBERS:
                out += bytes(NUMBERS[kind][1])
            elif kind in SLICES:
                n = min(int(limit or 16), 32)
                out += struct.pack('>I', n) + b'a' * n
            else:
                out += bytes(8 if kind == 'mech' else 4)
        with open(os.path.join(directory, c.name), 'wb') as f:
            f.write(out)


if __name__ == '__main__':
    from gen_params import params
    verbs = {f.__name__: f for f in (codec, stubs, serve, params, table, seeds)}
    if len(sys.argv) < 3 or sys.argv[1] not in verbs:
        sys.exit(__doc__)
    verbs[sys.argv[1]](*sys.argv[2:])
