/* crypt.h: what the tests of src/crypto share: keys from hexadecimal components,
 * operations run as the engine runs them. */
#ifndef HF_TEST_CRYPT_H
#define HF_TEST_CRYPT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "crypto.h"
#include "mech.h"
#include "pkcs11_numbers.h"

#define U64_HEX(n) "000000000000000" #n
#define ITEMS(a) (sizeof(a) / sizeof((a)[0]))

struct component {
	uint32_t cka;
	const char *hex; /* NULL ends a list */
};
#define COMPONENTS(...) ((const struct component[]){ __VA_ARGS__, { 0, NULL } })

/* hex_parts turns components into parts; parts_source reads parts. */
void hex_parts(const struct component *c, struct parts *ret);
struct key_source parts_source(const struct parts *p);

enum hf_err parse_hex(uint32_t cko, uint32_t ckk, const struct component *c, struct key **ret);
enum hf_err import_hex(uint32_t cko, uint32_t ckk, const struct component *c, struct parts *extra);
/* key_hex must succeed; key_parts is for generated ones. */
struct key *key_hex(uint32_t cko, uint32_t ckk, const struct component *c);
struct key *key_parts(uint32_t cko, uint32_t ckk, const struct parts *p);

/* hex is the bytes of up to 8192 digits, until the eighth call after it. */
struct slice hex(const char *digits);
void assert_slice(struct slice v, const char *digits);
void assert_same(struct slice a, struct slice b);

/* use runs one operation, with room for exactly what bound says in each step:
 * chunk bytes a step (0: at once). out may be NULL for VERB_VERIFY. */
struct use {
	uint32_t ckm;
	enum verb verb;
	const struct key *key;
	const struct params *params; /* NULL: none */
	struct slice in, sig;
	size_t chunk;
	uint64_t leaf; /* MECH_ONE_TIME: which one-time key signs */
};
enum hf_err use_run(const struct use *u, struct buf *out);

enum hf_err derive_run(uint32_t ckm, const struct params *p, const struct key *base,
	const struct key *other, size_t want, struct secret *ret);
/* pair_make generates; tmpl is for both halves. */
enum hf_err pair_make(uint32_t ckm, const struct component *tmpl, struct parts *pub,
	struct parts *priv);

int crypt_group_setup(void **state); /* crypto_init */

#endif
