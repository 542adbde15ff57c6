/* attrs_rules.h: the rows of spec/attributes.def, for attrs*.c and the snapshot. */
#ifndef HF_ATTRS_RULES_H
#define HF_ATTRS_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "attrs.h"

enum attr_kind { KIND_BOOL, KIND_ULONG, KIND_BYTES, KIND_DATE, KIND_ATTRS, KIND_MECHS };

/* The footnotes of PKCS#11 3.2 §4, table "common footnotes". */
enum rule_flag {
	REQ_CREATE = 1, NO_CREATE = 2, REQ_GENERATE = 4, NO_GENERATE = 8, REQ_UNWRAP = 16,
	NO_UNWRAP = 32, SECRET = 64, MODIFY = 128, SO_TRUE = 256, ONLY_TO_TRUE = 512,
	ONLY_TO_FALSE = 1024, SYSTEM = 2048, COPY = 4096
};

enum rule_default { DEF_NONE, DEF_EMPTY, DEF_TRUE, DEF_FALSE, DEF_ZERO, DEF_CODE };

struct rule {
	uint32_t cko, type; /* CKO_ and CKK_/CKC_/CKH_, or the groups below */
	uint32_t cka;
	uint16_t flags;
	uint16_t dflt; /* enum rule_default */
	const char *text; /* "PUBLIC_KEY RSA MODULUS" */
};

#define RULE_KEY 0xfffffff0u    /* cko: public, private and secret keys */
#define RULE_STORED 0xfffffff1u /* cko: what somebody can make */
#define RULE_ANY 0xfffffff2u    /* type */

const struct rule *rule_at(size_t i); /* NULL: past the end */
bool rule_applies(const struct rule *r, uint32_t cko, uint32_t type);
/* rule_next walks the rules of a kind of object: start with NULL. */
const struct rule *rule_next(const struct rule *after, uint32_t cko, uint32_t type);
const struct rule *rule_find(uint32_t cko, uint32_t type, uint32_t cka); /* NULL: none */
/* rule_of finds the rule of an attribute of this object. */
const struct rule *rule_of(const struct attrs *a, uint32_t cka);

/* rule_type_attr: which attribute names the type of objects of a class; false
 * if the class has no types. */
bool rule_type_attr(uint32_t cko, uint32_t *ret);
/* rule_known: is there such a class, and such a type in it? */
bool rule_known(uint32_t cko, uint32_t type);
/* rule_object_type: the type of an object as rules see it. */
uint32_t rule_object_type(const struct attrs *a);

bool attr_kind(uint32_t cka, enum attr_kind *ret); /* false: no such attribute */
/* attr_value_ok: a possible encoding for the kind? */
bool attr_value_ok(enum attr_kind k, struct slice value);

#endif
