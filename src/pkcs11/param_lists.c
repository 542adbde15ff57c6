/* param_lists.c: arrays in mechanism parameters, as the vault reads them: one field
 * of bytes with the elements one behind the other. */
#include "module.h"

#include <string.h>

#include "params_pack.h"

#define LIST_MAX 64
#define LIST_BYTES 65536

static void put_format(struct buf *b, CK_BBOOL little, CK_ULONG bits)
{
	buf_bool(b, little != CK_FALSE);
	buf_u64(b, bits);
}

/* The application's structures need not be aligned: copies are. */
static void put_counter(struct buf *b, const void *v)
{
	CK_SP800_108_COUNTER_FORMAT f;

	memcpy(&f, v, sizeof(f));
	put_format(b, f.bLittleEndian, f.ulWidthInBits);
}

static void put_length(struct buf *b, const void *v)
{
	CK_SP800_108_DKM_LENGTH_FORMAT f;

	memcpy(&f, v, sizeof(f));
	buf_u64(b, f.dkmLengthMethod);
	put_format(b, f.bLittleEndian, f.ulWidthInBits);
}

static void put_handle(struct buf *b, const void *v)
{
	CK_OBJECT_HANDLE h;

	memcpy(&h, v, sizeof(h));
	buf_u64(b, h);
}

static const struct {
	CK_PRF_DATA_TYPE type;
	size_t size;
	void (*put)(struct buf *b, const void *v);
} formats[] = {
	{ CK_SP800_108_ITERATION_VARIABLE, sizeof(CK_SP800_108_COUNTER_FORMAT), put_counter },
	{ CK_SP800_108_OPTIONAL_COUNTER, sizeof(CK_SP800_108_COUNTER_FORMAT), put_counter },
	{ CK_SP800_108_DKM_LENGTH, sizeof(CK_SP800_108_DKM_LENGTH_FORMAT), put_length },
	{ CK_SP800_108_KEY_HANDLE, sizeof(CK_OBJECT_HANDLE), put_handle },
};

/*  u64 type | bytes value  where the value is a format, a handle or bytes  */
static enum hf_err put_field(const CK_PRF_DATA_PARAM *p, struct buf *b)
{
	CLEANUP(buf_done) struct buf value = BUF_MAX(64);
	struct slice v = bytes_of(p->pValue, p->ulValueLen);

	if (!given(p->pValue, p->ulValueLen))
		return HF_E_MECHANISM_PARAM;
	for (size_t i = 0; p->ulValueLen > 0 && i < sizeof(formats) / sizeof(formats[0]); i++) {
		if (formats[i].type != p->type)
			continue;
		if (p->ulValueLen != formats[i].size)
			return HF_E_MECHANISM_PARAM;
		formats[i].put(&value, p->pValue);
		v = buf_slice(&value);
	}
	buf_u64(b, p->type);
	buf_bytes(b, v);
	return buf_err(b);
}

enum hf_err pack_prf_data(const void *v, size_t n, struct buf *b)
{
	CLEANUP(buf_done) struct buf list = BUF_MAX(LIST_BYTES);
	const CK_PRF_DATA_PARAM *p = v;

	if (!given(v, n) || n > LIST_MAX)
		return HF_E_MECHANISM_PARAM;
	for (size_t i = 0; i < n; i++)
		TRY(put_field(&p[i], &list));
	buf_bytes(b, buf_slice(&list));
	return buf_err(b);
}

/*  u64 type | bytes value  where numbers are u64  */
static enum hf_err put_otp(const CK_OTP_PARAM *p, struct buf *b)
{
	bool number = p->type == CK_OTP_FLAGS || p->type == CK_OTP_OUTPUT_LENGTH ||
		p->type == CK_OTP_OUTPUT_FORMAT;
	uint8_t text[8];
	CK_ULONG n;

	if (!given(p->pValue, p->ulValueLen) || (number && p->ulValueLen != sizeof(n)))
		return HF_E_MECHANISM_PARAM;
	buf_u64(b, p->type);
	if (number) {
		memcpy(&n, p->pValue, sizeof(n));
		put_u64(text, n);
		buf_bytes(b, SLICE_OF(text));
	} else {
		buf_bytes(b, bytes_of(p->pValue, p->ulValueLen));
	}
	return buf_err(b);
}

enum hf_err pack_otp_params(const void *v, size_t n, struct buf *b)
{
	CLEANUP(buf_done) struct buf list = BUF_MAX(LIST_BYTES);
	const CK_OTP_PARAM *p = v;

	if (!given(v, n) || n > LIST_MAX)
		return HF_E_MECHANISM_PARAM;
	for (size_t i = 0; i < n; i++)
		TRY(put_otp(&p[i], &list));
	buf_bytes(b, buf_slice(&list));
	return buf_err(b);
}

static enum hf_err put_template(const CK_DERIVED_KEY *k, struct buf *b)
{
	CLEANUP(arena_done) struct arena mem = { 0 };
	CLEANUP(buf_done) struct buf one = BUF_MAX(LIST_BYTES);
	struct attr_list t;

	if (k->phKey == NULL)
		return HF_E_MECHANISM_PARAM;
	TRY(template_encode(k->pTemplate, k->ulAttributeCount, &mem, &t));
	buf_u32(&one, (uint32_t)t.n);
	for (size_t i = 0; i < t.n; i++)
		attr_enc(&one, &t.v[i]);
	TRY(buf_err(&one));
	buf_bytes(b, buf_slice(&one));
	return buf_err(b);
}

enum hf_err pack_derived_keys(const void *v, size_t n, struct buf *b)
{
	CLEANUP(buf_done) struct buf list = BUF_MAX(LIST_BYTES);
	const CK_DERIVED_KEY *k = v;

	if (!given(v, n) || n > LIST_MAX)
		return HF_E_MECHANISM_PARAM;
	for (size_t i = 0; i < n; i++)
		TRY(put_template(&k[i], &list));
	buf_bytes(b, buf_slice(&list));
	return buf_err(b);
}
