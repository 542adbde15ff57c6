/* attrs.h: attribute sets, and the one interpreter of the rules in
 * spec/attributes.def for create, generate, derive, unwrap, copy, get and set. */
#ifndef HF_ATTRS_H
#define HF_ATTRS_H

#include "calls_codec.h"
#include "mech.h"
#include "module.h"

/* struct attrs is a set of attributes, sorted by type, one value each; it owns
 * its bytes in protected memory. The set is its own stored form, in one block:
 * u32 count, then (u32 type, bytes value) each; p NULL is the empty set. */
struct attrs {
	uint8_t *p;
	size_t n, cap; /* bytes used and allocated */
};

/* Of one object's stored form: a value of 1 MiB, and what else there is. */
#define ATTRS_MAX_BYTES ((1u << 20) + (1u << 16))
#define ATTRS_NESTING_MAX 4        /* templates within templates, deep */
#define ATTRS_NESTED_MAX 64        /* attributes of a template within a template */

void attrs_done(struct attrs *a);
struct attrs attrs_take(struct attrs *a); /* hands over, empties *a */
enum hf_err attrs_dup(const struct attrs *a, struct attrs *ret) HF_MUST_CHECK;
void attrs_shrink(struct attrs *a); /* gives spare memory back */
/* attrs_set and friends: a slice of a itself is no value for it. HF_E_LIMIT past
 * ATTRS_MAX_BYTES. */
enum hf_err attrs_set(struct attrs *a, uint32_t type, struct slice value) HF_MUST_CHECK;
enum hf_err attrs_set_bool(struct attrs *a, uint32_t type, bool v) HF_MUST_CHECK;
enum hf_err attrs_set_u64(struct attrs *a, uint32_t type, uint64_t v) HF_MUST_CHECK;
void attrs_del(struct attrs *a, uint32_t type);
/* attrs_get: p NULL if it is absent. */
struct slice attrs_get(const struct attrs *a, uint32_t type);
bool attrs_has(const struct attrs *a, uint32_t type);
bool attrs_bool(const struct attrs *a, uint32_t type); /* absent: false */
uint64_t attrs_u64(const struct attrs *a, uint32_t type, uint64_t absent);
struct key_source attrs_source(const struct attrs *a);
/* attrs_next walks the set, ascending by type: *at starts as 0. */
bool attrs_next(const struct attrs *a, size_t *at, struct attr *ret);
/* attrs_put_parts adds what crypto made, as far as such an object has it; a
 * check value or public key info that stands there already must agree
 * (HF_E_ATTR_VALUE). */
enum hf_err attrs_put_parts(struct attrs *a, const struct parts *p) HF_MUST_CHECK;
/* attrs_nested decodes the value of a template attribute such as
 * CKA_UNWRAP_TEMPLATE; the list lives in mem, its values where value does. An
 * absent one (p NULL) is an empty list. */
enum hf_err attrs_nested(struct slice value, struct arena *mem, struct attr_list *ret)
	HF_MUST_CHECK;

/* The stored form. attrs_dec: HF_E_DAMAGED unless it is one. */
void attrs_enc(const struct attrs *a, struct buf *out);
enum hf_err attrs_dec(struct slice in, struct attrs *ret) HF_MUST_CHECK;

/* How an object comes to be; decides which rules hold. */
enum birth { BIRTH_CREATE, BIRTH_GENERATE, BIRTH_UNWRAP, BIRTH_DERIVE, BIRTH_COPY };

struct birth_info {
	enum birth how;
	uint32_t cko, ckk;        /* what it must be (generate, unwrap, derive), or
	                           * ATTRS_AS_GIVEN: as the template says */
	uint32_t mechanism;       /* for CKA_KEY_GEN_MECHANISM when generated */
	bool one_size;            /* generate: the mechanism knows only one length */
	enum role role;
	const struct attrs *base; /* derive: the base key's, NULL when there is none
	                           * that could vouch for it (encapsulation); copy:
	                           * the original's */
	const struct attrs *other[OTHER_KEYS_MAX]; /* derive: further base keys', or NULL */
	bool inherit;             /* derive: sensitive if a base key is, extractable
	                           * only if all are (PKCS#11 3.2 §6.43.3) */
};
#define ATTRS_AS_GIVEN 0xffffffffu

/* attrs_birth checks a template and makes the whole attribute set of the new
 * object: given values, defaults, what the HSM sets itself (LOCAL,
 * ALWAYS_SENSITIVE, NEVER_EXTRACTABLE, UNIQUE_ID, ...) except the key's own
 * components when it is generated, unwrapped or derived: the caller adds those
 * with attrs_set and then calls attrs_check_complete. */
enum hf_err attrs_birth(const struct birth_info *b, struct attr_list tmpl, struct attrs *ret)
	HF_MUST_CHECK;
enum hf_err attrs_check_complete(const struct attrs *a) HF_MUST_CHECK;
/* attrs_one_time: a private key whose every signature uses up a one-time key: HSS, XMSS,
 * XMSS^MT. */
bool attrs_one_time(const struct attrs *a);

/* attrs_template checks a template by itself: known attributes, each once, with
 * possible values. */
enum hf_err attrs_template(struct attr_list tmpl) HF_MUST_CHECK;

/* attrs_change checks a C_SetAttributeValue and applies it to a copy. */
enum hf_err attrs_change(const struct attrs *now, struct attr_list change, enum role role,
	struct attrs *ret) HF_MUST_CHECK;

/* attrs_read: what C_GetAttributeValue may tell of one attribute. */
enum attr_found attrs_read(const struct attrs *a, uint32_t type, struct slice *ret);

/* attrs_match: every attribute of the template is there with that value; hidden
 * (sensitive) attributes match nothing. */
bool attrs_match(const struct attrs *a, struct attr_list tmpl);

#endif
