/* aead.c: the structures that come with messages: where the application keeps IV and tag. The
 * mechanism is not named again with a message; the three structures differ in size. */
#include "module.h"

#include <string.h>

#include "params_pack.h"

static void view_gcm(const void *v, struct aead_view *ret)
{
	CK_GCM_MESSAGE_PARAMS p;

	memcpy(&p, v, sizeof(p));
	*ret = (struct aead_view){ PARAM_GCM_MESSAGE, p.pIv, p.ulIvLen, p.pTag, p.ulTagBits / 8 };
}

static void view_ccm(const void *v, struct aead_view *ret)
{
	CK_CCM_MESSAGE_PARAMS p;

	memcpy(&p, v, sizeof(p));
	*ret = (struct aead_view){ PARAM_CCM_MESSAGE, p.pNonce, p.ulNonceLen, p.pMAC, p.ulMACLen };
}

static void view_chacha(const void *v, struct aead_view *ret)
{
	CK_SALSA20_CHACHA20_POLY1305_MSG_PARAMS p;

	memcpy(&p, v, sizeof(p));
	*ret = (struct aead_view){ PARAM_CHACHA20_POLY1305_MESSAGE, p.pNonce, p.ulNonceLen, p.pTag,
		16 };
}

static const struct {
	size_t size;
	void (*view)(const void *v, struct aead_view *ret);
} shapes[] = {
	{ sizeof(CK_GCM_MESSAGE_PARAMS), view_gcm },
	{ sizeof(CK_CCM_MESSAGE_PARAMS), view_ccm },
	{ sizeof(CK_SALSA20_CHACHA20_POLY1305_MSG_PARAMS), view_chacha },
};

enum hf_err aead_view(const void *param, CK_ULONG n, struct aead_view *ret)
{
	for (size_t i = 0; param != NULL && i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		if (shapes[i].size != n)
			continue;
		shapes[i].view(param, ret);
		return ret->iv != NULL && ret->tag != NULL ? HF_OK : HF_E_MECHANISM_PARAM;
	}
	return HF_E_MECHANISM_PARAM;
}

enum hf_err aead_encode(struct entry *e, const struct aead_view *v, const void *param, CK_ULONG n,
	struct slice *ret)
{
	buf_reset(&e->param);
	TRY(params_pack(v->shape, param, n, &e->param));
	*ret = buf_slice(&e->param);
	return HF_OK;
}

struct slice aead_tag(const struct aead_view *v)
{
	return bytes_of(v->tag, v->tag_n);
}

void aead_give(const struct aead_view *v, struct slice iv, struct slice tag)
{
	if (iv.n > 0 && iv.n <= v->iv_n)
		memcpy(v->iv, iv.p, iv.n);
	if (tag.n > 0 && tag.n <= v->tag_n)
		memcpy(v->tag, tag.p, tag.n);
}
