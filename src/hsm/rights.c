#include "rights.h"

#include <string.h>

#include "gate.h"
#include "pkcs11_numbers.h"

static const struct {
	enum calls_op call;
	uint32_t right;
} takes[] = {
	{ CALLS_ENCRYPT_INIT, RIGHT_ENCRYPT },
	{ CALLS_DECRYPT_INIT, RIGHT_DECRYPT },
	{ CALLS_SIGN_INIT, RIGHT_SIGN },
	{ CALLS_SIGN_RECOVER_INIT, RIGHT_SIGN },
	{ CALLS_VERIFY_INIT, RIGHT_VERIFY },
	{ CALLS_VERIFY_RECOVER_INIT, RIGHT_VERIFY },
	{ CALLS_VERIFY_SIGNATURE_INIT, RIGHT_VERIFY },
	{ CALLS_MESSAGE_ENCRYPT_INIT, RIGHT_ENCRYPT },
	{ CALLS_MESSAGE_ENCRYPT, RIGHT_ENCRYPT },
	{ CALLS_MESSAGE_ENCRYPT_BEGIN, RIGHT_ENCRYPT },
	{ CALLS_MESSAGE_DECRYPT_INIT, RIGHT_DECRYPT },
	{ CALLS_MESSAGE_DECRYPT, RIGHT_DECRYPT },
	{ CALLS_MESSAGE_DECRYPT_BEGIN, RIGHT_DECRYPT },
	{ CALLS_MESSAGE_SIGN_INIT, RIGHT_SIGN },
	{ CALLS_MESSAGE_SIGN, RIGHT_SIGN },
	{ CALLS_MESSAGE_SIGN_BEGIN, RIGHT_SIGN },
	{ CALLS_MESSAGE_VERIFY_INIT, RIGHT_VERIFY },
	{ CALLS_MESSAGE_VERIFY, RIGHT_VERIFY },
	{ CALLS_MESSAGE_VERIFY_BEGIN, RIGHT_VERIFY },
	{ CALLS_DIGEST_KEY, RIGHT_DIGEST },
	{ CALLS_KEY_WRAP, RIGHT_WRAP },
	{ CALLS_KEY_WRAP_AUTH, RIGHT_WRAP },
	{ CALLS_KEY_UNWRAP, RIGHT_UNWRAP },
	{ CALLS_KEY_UNWRAP_AUTH, RIGHT_UNWRAP },
	{ CALLS_KEY_DERIVE, RIGHT_DERIVE },
	{ CALLS_ENCAPSULATE, RIGHT_ENCAPSULATE },
	{ CALLS_DECAPSULATE, RIGHT_ENCAPSULATE },
	{ CALLS_KEY_GENERATE, RIGHT_GENERATE },
	{ CALLS_KEY_PAIR_GENERATE, RIGHT_GENERATE },
	{ CALLS_OBJECT_CREATE, RIGHT_CREATE },
	{ CALLS_OBJECT_COPY, RIGHT_CREATE },
	{ CALLS_ATTR_SET, RIGHT_CHANGE },
	{ CALLS_OBJECT_DESTROY, RIGHT_DESTROY },
	{ CALLS_GUARD_REQUEST, RIGHTS_ALL },
	{ CALLS_STATE_SET, RIGHTS_ALL },
};

static const char *const right_names[] = {
#define RIGHT(id, name, help) name,
#include "rights.def"
#undef RIGHT
};

/* right_of: which rights (any of them) the call takes; 0: none will do. */
static uint32_t right_of(const struct calls_ctx *c)
{
	for (size_t i = 0; i < sizeof(takes) / sizeof(takes[0]); i++)
		if ((unsigned)takes[i].call == c->head.opcode)
			return takes[i].right;
	switch (c->row->audit) {
	case CALL_AUDIT_NO:
	case CALL_AUDIT_AUTH:
		return RIGHTS_ALL;
	case CALL_AUDIT_ADMIN:
	case CALL_AUDIT_KEYS:
	case CALL_AUDIT_USE:
		break;
	}
	return 0;
}

enum hf_err rights_call(struct calls_ctx *c)
{
	uint32_t right;

	if (rights_all(&c->rights))
		return HF_OK;
	right = right_of(c);
	if (right == RIGHTS_ALL || (right & c->rights.may) != 0)
		return HF_OK;
	call_detail(c, "this user is restricted ('holdfast user list'), and has no right to this");
	for (unsigned i = 0; i < sizeof(right_names) / sizeof(right_names[0]); i++)
		if ((right >> i & 1) != 0)
			call_detail(c, ": %s", right_names[i]);
	return HF_E_DENIED;
}

/* --- which keys ------------------------------------------------------------------------- */

static bool fits(struct slice pattern, struct slice s)
{
	while (pattern.n > 0 && pattern.p[0] != '*') {
		if (s.n == 0 || (pattern.p[0] != '?' && pattern.p[0] != s.p[0]))
			return false;
		pattern = (struct slice){ pattern.p + 1, pattern.n - 1 };
		s = (struct slice){ s.p + 1, s.n - 1 };
	}
	if (pattern.n == 0)
		return s.n == 0;
	pattern = (struct slice){ pattern.p + 1, pattern.n - 1 };
	for (size_t i = 0; i <= s.n; i++)
		if (fits(pattern, (struct slice){ s.p + i, s.n - i }))
			return true;
	return false;
}

static bool id_fits(struct slice hex, struct slice id)
{
	uint8_t bytes[RIGHTS_KEYS / 2];
	char text[RIGHTS_KEYS + 1] = "";
	size_t n;

	memcpy(text, hex.p, hex.n);
	return hex_decode(text, bytes, sizeof(bytes), &n) && slice_eq((struct slice){ bytes, n }, id);
}

/* next takes the pattern that the list begins with off it. */
static bool next(struct slice *list, struct slice *ret)
{
	size_t n = 0;

	if (list->n == 0)
		return false;
	while (n < list->n && list->p[n] != ',')
		n++;
	*ret = (struct slice){ list->p, n };
	*list = n < list->n ? (struct slice){ list->p + n + 1, list->n - n - 1 } : SLICE_NONE;
	return true;
}

static bool is_id(struct slice pattern)
{
	return pattern.n > 2 && pattern.p[0] == '0' && pattern.p[1] == 'x';
}

bool rights_key(const struct rights *r, const struct attrs *a)
{
	struct slice label = attrs_get(a, CKA_LABEL), id = attrs_get(a, CKA_ID);
	struct slice list = slice_str(r->keys), p;

	if (list.n == 0 || !attrs_bool(a, CKA_TOKEN) || !attrs_bool(a, CKA_PRIVATE))
		return true;
	while (next(&list, &p))
		if (is_id(p) ? id_fits((struct slice){ p.p + 2, p.n - 2 }, id) : fits(p, label))
			return true;
	return false;
}

/* Few stars: each one multiplies what a label may cost. */
bool rights_valid(uint32_t may, struct slice keys)
{
	unsigned stars = 0;
	struct slice p;

	if ((may & ~RIGHTS_ALL) != 0 || keys.n > RIGHTS_KEYS)
		return false;
	while (next(&keys, &p)) {
		if (p.n == 0)
			return false;
		for (size_t i = 0; i < p.n; i++)
			stars += p.p[i] == '*';
	}
	return stars <= 4;
}

bool rights_possible(uint32_t may, struct slice keys)
{
	uint8_t bytes[RIGHTS_KEYS / 2];
	struct slice p;
	size_t n;

	if (!rights_valid(may, keys))
		return false;
	while (next(&keys, &p)) {
		char hex[RIGHTS_KEYS + 1] = "";

		if (p.n < 2 || p.p[0] != '0' || p.p[1] != 'x')
			continue;
		memcpy(hex, p.p + 2, p.n - 2);
		if (!hex_decode(hex, bytes, sizeof(bytes), &n) || n == 0)
			return false;
	}
	return true;
}

void rights_set(struct rights *r, uint32_t may, struct slice keys)
{
	*r = (struct rights){ .may = may };
	if (keys.n > 0)
		memcpy(r->keys, keys.p, keys.n);
}
