/* tmpl.h: templates in one line each. TMPL(U(CLASS, CKO_DATA), S(LABEL, "x")) */
#ifndef HF_TEST_TMPL_H
#define HF_TEST_TMPL_H

#include "calls_codec.h"
#include "pkcs11_numbers.h"

#define T_BE(v, shift) (uint8_t)((uint64_t)(v) >> (shift))
#define T_U64(v)                                                               \
	((struct slice){ (const uint8_t[]){ T_BE(v, 56), T_BE(v, 48), T_BE(v, 40), T_BE(v, 32), \
				 T_BE(v, 24), T_BE(v, 16), T_BE(v, 8), T_BE(v, 0) },  \
		8 })

#define B(name, v) { (uint32_t)CKA_##name, { (const uint8_t[]){ v }, 1 } }
#define U(name, v) { (uint32_t)CKA_##name, T_U64(v) }
#define S(name, text) { (uint32_t)CKA_##name, SLICE_STR(text) }
#define E(name) { (uint32_t)CKA_##name, { (const uint8_t *)"", 0 } }
#define V(name, slice_) { (uint32_t)CKA_##name, slice_ }

#define TMPL(...)                                                              \
	((struct attr_list){ (const struct attr[]){ __VA_ARGS__ },             \
		sizeof((const struct attr[]){ __VA_ARGS__ }) / sizeof(struct attr) })
#define TMPL_NONE ((struct attr_list){ 0 })

#define AES_16 S(VALUE, "0123456789abcdef")

#endif
