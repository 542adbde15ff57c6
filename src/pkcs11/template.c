#include "module.h"

#include <string.h>

#define DEPTH_MAX 4 /* templates in templates */

enum attr_kind { KIND_BOOL, KIND_ULONG, KIND_BYTES, KIND_DATE, KIND_ATTRS, KIND_MECHS };

/* An attribute that is not in the list travels as bytes; the vault refuses it. */
static enum attr_kind attr_kind(CK_ATTRIBUTE_TYPE type)
{
	switch (type) {
#define ATTR(name, kind)                                                       \
	case CKA_##name:                                                       \
		return KIND_##kind;
#include "attributes.def"
#undef ATTR
	default:
		return KIND_BYTES;
	}
}

/* --- from the application ------------------------------------------------- */

static enum hf_err encode_attrs(const CK_ATTRIBUTE *t, CK_ULONG n, unsigned depth,
	struct arena *a, struct attr_list *ret);

static enum hf_err encode_bool(const CK_ATTRIBUTE *t, struct arena *a, struct slice *ret)
{
	uint8_t one = 0;

	if (t->ulValueLen != sizeof(CK_BBOOL))
		return HF_E_ATTR_VALUE;
	one = *(const CK_BBOOL *)t->pValue != CK_FALSE;
	return arena_dup(a, (struct slice){ &one, 1 }, ret);
}

/* The application's numbers need not be aligned. */
static CK_ULONG ulong_at(const void *p, size_t i)
{
	CK_ULONG v;

	memcpy(&v, (const uint8_t *)p + i * sizeof(v), sizeof(v));
	return v;
}

static enum hf_err encode_ulongs(const CK_ATTRIBUTE *t, struct arena *a, struct slice *ret)
{
	size_t n = t->ulValueLen / sizeof(CK_ULONG);
	uint8_t *p;

	if (t->ulValueLen % sizeof(CK_ULONG) != 0)
		return HF_E_ATTR_VALUE;
	p = arena_alloc(a, n + 1, sizeof(uint64_t));
	if (p == NULL)
		return HF_E_MEMORY;
	for (size_t i = 0; i < n; i++)
		put_u64(p + i * sizeof(uint64_t), ulong_at(t->pValue, i));
	*ret = (struct slice){ p, n * sizeof(uint64_t) };
	return HF_OK;
}

static enum hf_err encode_nested(const CK_ATTRIBUTE *t, unsigned depth, struct arena *a,
	struct slice *ret)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(WIRE_MAX_PARAM);
	struct attr_list l;

	if (t->ulValueLen % sizeof(CK_ATTRIBUTE) != 0 || depth >= DEPTH_MAX)
		return HF_E_ATTR_VALUE;
	TRY(encode_attrs(t->pValue, t->ulValueLen / sizeof(CK_ATTRIBUTE), depth + 1, a, &l));
	buf_u32(&b, (uint32_t)l.n);
	for (size_t i = 0; i < l.n; i++)
		attr_enc(&b, &l.v[i]);
	TRY(buf_err(&b));
	return arena_dup(a, buf_slice(&b), ret);
}

static enum hf_err encode_value(const CK_ATTRIBUTE *t, unsigned depth, struct arena *a,
	struct slice *ret)
{
	switch (attr_kind(t->type)) {
	case KIND_BOOL:
		return encode_bool(t, a, ret);
	case KIND_ULONG:
		if (t->ulValueLen != sizeof(CK_ULONG))
			return HF_E_ATTR_VALUE;
		return encode_ulongs(t, a, ret);
	case KIND_MECHS:
		return encode_ulongs(t, a, ret);
	case KIND_ATTRS:
		return encode_nested(t, depth, a, ret);
	case KIND_DATE:
		if (t->ulValueLen != 0 && t->ulValueLen != sizeof(CK_DATE))
			return HF_E_ATTR_VALUE;
		break;
	case KIND_BYTES:
		break;
	}
	if (t->ulValueLen > WIRE_MAX_BYTES)
		return HF_E_ATTR_VALUE;
	*ret = bytes_of(t->pValue, t->ulValueLen);
	return HF_OK;
}

static enum hf_err encode_attrs(const CK_ATTRIBUTE *t, CK_ULONG n, unsigned depth,
	struct arena *a, struct attr_list *ret)
{
	struct attr *v;

	if (!given(t, n) || n > TEMPLATE_MAX)
		return HF_E_ARGUMENTS;
	v = arena_alloc(a, n + 1, sizeof(*v));
	if (v == NULL)
		return HF_E_MEMORY;
	for (size_t i = 0; i < n; i++) {
		if (t[i].type > UINT32_MAX)
			return HF_E_ATTR_TYPE;
		if (!given(t[i].pValue, t[i].ulValueLen))
			return HF_E_ARGUMENTS;
		v[i].type = (uint32_t)t[i].type;
		TRY(encode_value(&t[i], depth, a, &v[i].value));
	}
	*ret = (struct attr_list){ v, n };
	return HF_OK;
}

enum hf_err template_encode(const CK_ATTRIBUTE *t, CK_ULONG n, struct arena *a,
	struct attr_list *ret)
{
	return encode_attrs(t, n, 0, a, ret);
}

/* --- to the application --------------------------------------------------- */

/* What to tell of several attributes: the earlier in this list wins. */
enum fill { FILL_SENSITIVE, FILL_NO_SUCH, FILL_TOO_SMALL, FILL_OK };

static enum fill worse(enum fill a, enum fill b)
{
	return a < b ? a : b;
}

static enum fill unavailable(CK_ATTRIBUTE *t, enum fill why)
{
	t->ulValueLen = CK_UNAVAILABLE_INFORMATION;
	return why;
}

/* room decides about a value of n bytes; FILL_OK and *ret_write: copy it. */
static enum fill room(CK_ATTRIBUTE *t, size_t n, bool *ret_write)
{
	*ret_write = t->pValue != NULL && t->ulValueLen >= n;
	if (t->pValue != NULL && !*ret_write)
		return unavailable(t, FILL_TOO_SMALL);
	t->ulValueLen = n;
	return FILL_OK;
}

static enum fill fill_bytes(CK_ATTRIBUTE *t, struct slice v)
{
	bool write;
	enum fill f = room(t, v.n, &write);

	if (write && v.n > 0)
		memcpy(t->pValue, v.p, v.n);
	return f;
}

static enum fill fill_ulongs(CK_ATTRIBUTE *t, struct slice v)
{
	size_t n = v.n / sizeof(uint64_t);
	bool write;
	enum fill f = room(t, n * sizeof(CK_ULONG), &write);

	for (size_t i = 0; write && i < n; i++) {
		CK_ULONG one = get_u64(v.p + i * sizeof(uint64_t));

		memcpy((uint8_t *)t->pValue + i * sizeof(one), &one, sizeof(one));
	}
	return f;
}

static enum fill fill_value(CK_ATTRIBUTE *t, CK_ATTRIBUTE_TYPE type, struct slice v, unsigned depth);

/* The elements of a template that is asked for are the application's own
 * CK_ATTRIBUTEs, each filled like one asked for alone. */
static enum fill fill_elements(CK_ATTRIBUTE *t, struct rd r, uint32_t n, unsigned depth)
{
	CK_ATTRIBUTE *elements = t->pValue;
	enum fill f = FILL_OK;

	for (uint32_t i = 0; i < n; i++) {
		uint32_t type;
		struct slice v;

		if (!rd_u32(&r, &type) || !rd_bytes(&r, r.n, &v))
			return unavailable(t, FILL_NO_SUCH);
		elements[i].type = type;
		f = worse(f, fill_value(&elements[i], type, v, depth + 1));
	}
	return f;
}

static enum fill fill_nested(CK_ATTRIBUTE *t, struct slice v, unsigned depth)
{
	struct rd r = rd_of(v);
	uint32_t n = 0;
	bool write;
	enum fill f;

	if (v.n > 0 && (!rd_u32(&r, &n) || n > r.n / 8 || depth >= DEPTH_MAX))
		return unavailable(t, FILL_NO_SUCH);
	f = room(t, n * sizeof(CK_ATTRIBUTE), &write);
	return write ? fill_elements(t, r, n, depth) : f;
}

static enum fill fill_value(CK_ATTRIBUTE *t, CK_ATTRIBUTE_TYPE type, struct slice v, unsigned depth)
{
	switch (attr_kind(type)) {
	case KIND_ULONG:
	case KIND_MECHS:
		return fill_ulongs(t, v);
	case KIND_ATTRS:
		return fill_nested(t, v, depth);
	case KIND_BOOL:
	case KIND_BYTES:
	case KIND_DATE:
		break;
	}
	return fill_bytes(t, v);
}

static enum fill fill_one(CK_ATTRIBUTE *t, const struct got *g)
{
	if (g->found == ATTR_FOUND)
		return fill_value(t, t->type, g->value, 0);
	return unavailable(t, g->found == ATTR_SENSITIVE ? FILL_SENSITIVE : FILL_NO_SUCH);
}

CK_RV template_fill(CK_ATTRIBUTE *t, CK_ULONG n, struct got_list got)
{
	static const CK_RV rvs[] = {
		[FILL_SENSITIVE] = CKR_ATTRIBUTE_SENSITIVE,
		[FILL_NO_SUCH] = CKR_ATTRIBUTE_TYPE_INVALID,
		[FILL_TOO_SMALL] = CKR_BUFFER_TOO_SMALL,
		[FILL_OK] = CKR_OK,
	};
	enum fill f = FILL_OK;

	for (size_t i = 0; i < n && i < got.n; i++)
		f = worse(f, fill_one(&t[i], &got.v[i]));
	return rvs[f];
}
