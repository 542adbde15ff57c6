"""The part of gen.py for mechanism parameters (spec/params)."""
import sys

HEAD = '/* Made by spec/gen.py from params; do not edit. */\n'
PLAIN = ('none', 'raw', 'ulong')
# ref: a pointer that must be there; later C_FIELDs of the parameter go through it.
C_KIND = {'ref': None, 'ulong': 'uint64_t', 'bool': 'bool', 'bytes': 'struct slice', 'bits': 'struct slice', 'array': 'struct slice', 'at': 'struct slice',
          'list': 'struct slice', 'nonce': 'struct slice'}


def load(path):
    """load returns [(name, c_type, optional, fields)]."""
    out = []
    for number, line in enumerate(open(path, encoding='utf-8'), 1):
        words = line.split('#')[0].split()
        if not words:
            continue
        if words[0] == 'param' and len(words) in (3, 4):
            out.append((words[1], words[2], len(words) == 4, []))
        elif words[0] in C_KIND and out and len(words) >= 3:
            out[-1][3].append(words)
        else:
            sys.exit(f'{path}:{number}: not understood: {line.strip()}')
    return out


def fields_of(p):
    """fields_of gives plain parameters the one field they are."""
    return [f for f in p[3] if f[0] != 'ref'] or {'none': [], 'raw': [['bytes', 'raw', '']], 'ulong': [['ulong', 'value', '']]}[p[1]]


def decode_one(f):
    return {'ulong': f'rd_u64(&r, &p->{f[1]})', 'bool': f'rd_bool(&r, &p->{f[1]})',
            'bytes': f'rd_bytes(&r, r.n, &p->{f[1]})',
            'bits': f'rd_bytes(&r, r.n, &p->{f[1]})',
            'nonce': f'rd_bytes(&r, r.n, &p->{f[1]})',
            'list': f'rd_bytes(&r, r.n, &p->{f[1]})',
            'at': f'rd_bytes(&r, r.n, &p->{f[1]}) && p->{f[1]}.n == {f[-1]}',
            'array': f'rd_bytes(&r, r.n, &p->{f[1]}) && p->{f[1]}.n == {f[-1]}'}[f[0]]


def decoder(p):
    name, _, optional, _ = p
    tests = ' ||\n\t    '.join(f'!({decode_one(f)})' for f in fields_of(p)) or 'false'
    none = '\t(void)p;\n' if not fields_of(p) else ''
    skip = '\tif (in.n == 0)\n\t\treturn HF_OK;\n' if optional else ''
    return (f'static enum hf_err dec_{name}(struct slice in, struct params *ret)\n{{\n'
            f'\tstruct param_{name} *p = &ret->u.{name};\n\tstruct rd r = rd_of(in);\n\n{none}{skip}'
            f'\tif ({tests})\n\t\treturn HF_E_MECHANISM_PARAM;\n'
            f'\tret->present = in.n != 0;\n'
            f'\treturn rd_done(&r) ? HF_OK : HF_E_MECHANISM_PARAM;\n}}\n\n')


def pack_one(f):
    kind, _, c = f[:3]
    if kind == 'ref':
        return f'\tif (p->{c} == NULL)\n\t\treturn HF_E_MECHANISM_PARAM;\n'
    if kind == 'ulong':
        return f'\tbuf_u64(b, (uint64_t)p->{c});\n'
    if kind == 'bool':
        return f'\tbuf_bool(b, p->{c} != 0);\n'
    if kind == 'list':
        return f'\tTRY({f[4]}(p->{c}, p->{f[3]}, b));\n'
    if kind == 'at':
        return (f'\tif (p->{c} == NULL)\n\t\treturn HF_E_MECHANISM_PARAM;\n'
                f'\tbuf_bytes(b, (struct slice){{ (const void *)p->{c}, {f[3]} }});\n')
    if kind == 'array':
        return f'\tbuf_bytes(b, (struct slice){{ p->{c}, {f[3]} }});\n'
    if kind == 'bits':
        return (f'\tif (p->{c} == NULL || p->{f[3]} % 8 != 0)\n\t\treturn HF_E_MECHANISM_PARAM;\n'
                f'\tbuf_bytes(b, (struct slice){{ (const void *)p->{c}, p->{f[3]} / 8 }});\n')
    length = f'p->{f[3]} >= 64 ? p->{f[3]} / 8 : p->{f[3]}' if kind == 'nonce' else f'p->{f[3]}'
    return (f'\tif (p->{c} == NULL && p->{f[3]} != 0)\n\t\treturn HF_E_MECHANISM_PARAM;\n'
            f'\tbuf_bytes(b, (struct slice){{ (const void *)p->{c}, {length} }});\n')


def packer(p):
    name, c, optional, fields = p
    empty = ('\tif (v == NULL && n == 0)\n\t\treturn HF_OK;\n' if optional else '')
    if c == 'none':
        body = '\t(void)b;\n\t(void)v;\n\treturn n == 0 ? HF_OK : HF_E_MECHANISM_PARAM;\n'
    elif c == 'raw':
        body = ('\tif (v == NULL && n != 0)\n\t\treturn HF_E_MECHANISM_PARAM;\n'
                '\tbuf_bytes(b, (struct slice){ v, n });\n\treturn buf_err(b);\n')
    else:
        t = 'unsigned long' if c == 'ulong' else c
        rows = '\tbuf_u64(b, *p);\n' if c == 'ulong' else ''.join(map(pack_one, fields))
        body = (f'\tconst {t} *p = v;\n\n{empty}\tif (p == NULL || n != sizeof(*p))\n'
                f'\t\treturn HF_E_MECHANISM_PARAM;\n{rows}\treturn buf_err(b);\n')
        empty = ''
    return (f'static enum hf_err pack_{name}(const void *v, size_t n, struct buf *b)\n'
            f'{{\n{empty}{body}}}\n\n')


def list_packers(ps):
    names = sorted({f[4] for p in ps for f in p[3] if f[0] == 'list'})
    return ''.join(['\n/* The array at v of n elements, as one field of bytes. */\n',
                    *(f'enum hf_err {n}(const void *v, size_t n, struct buf *b) HF_MUST_CHECK;\n' for n in names)])


def messages(ps):
    """messages: NAME_message is what NAME is with each message."""
    names = {p[0] for p in ps}
    rows = ''.join(f'\tif (id == PARAM_{n.upper()})\n\t\treturn PARAM_{n.upper()}_MESSAGE;\n'
                   for n in sorted(names) if n + '_message' in names)
    return ('/* params_of_message: the parameter of one message under a mechanism that has this one;\n'
            ' * PARAM_COUNT: it takes no messages. */\n'
            f'static inline enum param_id params_of_message(enum param_id id)\n{{\n{rows}\treturn PARAM_COUNT;\n}}\n')


def write(path, *parts):
    with open(path, 'w', encoding='utf-8') as f:
        f.write(''.join(parts))


def params(spec, h_path, c_path, pack_h, pack_c):
    ps = load(spec)
    write(h_path, HEAD, '#ifndef HF_PARAMS_H\n#define HF_PARAMS_H\n\n#include "bytes.h"\n\n'
          'enum param_id {\n', *(f'\tPARAM_{p[0].upper()},\n' for p in ps), '\tPARAM_COUNT\n};\n\n',
          *('struct param_%s {\n%s};\n' % (p[0], ''.join(
              f'\t{C_KIND[f[0]]} {f[1]};\n' for f in fields_of(p)) or '\tuint8_t unused_;\n')
            for p in ps),
          '\n/* struct params: a decoded parameter; views into the encoded bytes. */\n'
          'struct params {\n\tenum param_id id;\n\tbool present; /* false: none was given */\n'
          '\tbool approved; /* set by the engine: in a partition in approved mode */\n\tunion {\n',
          *(f'\t\tstruct param_{p[0]} {p[0]};\n' for p in ps), '\t} u;\n};\n\n'
          '/* params_decode: HF_E_MECHANISM_PARAM if in is not a parameter of that kind. */\n'
          'enum hf_err params_decode(enum param_id id, struct slice in, struct params *ret)'
          ' HF_MUST_CHECK;\n\n', messages(ps), '\n#endif\n')
    write(c_path, HEAD, '#include "params.h"\n\n', *map(decoder, ps),
          'enum hf_err params_decode(enum param_id id, struct slice in, struct params *ret)\n{\n'
          '\tstatic enum hf_err (*const dec[])(struct slice, struct params *) = {\n',
          *(f'\t\tdec_{p[0]},\n' for p in ps), '\t};\n\n\tif (id >= PARAM_COUNT)\n'
          '\t\treturn HF_E_MECHANISM;\n\t*ret = (struct params){ .id = id };\n'
          '\treturn dec[id](in, ret);\n}\n')
    write(pack_h, HEAD, '#ifndef HF_PARAMS_PACK_H\n#define HF_PARAMS_PACK_H\n\n#include "params.h"\n\n'
          '/* params_pack encodes the C structure at v, n bytes, behind what b holds. */\n'
          'enum hf_err params_pack(enum param_id id, const void *v, size_t n, struct buf *b)'
          ' HF_MUST_CHECK;\n', list_packers(ps), '\n#endif\n')
    write(pack_c, HEAD, '#include "params_pack.h"\n#include "pkcs11.h"\n\n', *map(packer, ps),
          'enum hf_err params_pack(enum param_id id, const void *v, size_t n, struct buf *b)\n{\n'
          '\tstatic enum hf_err (*const pack[])(const void *, size_t, struct buf *) = {\n',
          *(f'\t\tpack_{p[0]},\n' for p in ps), '\t};\n\n\tif (id >= PARAM_COUNT)\n'
          '\t\treturn HF_E_MECHANISM;\n\treturn pack[id](v, n, b);\n}\n')
