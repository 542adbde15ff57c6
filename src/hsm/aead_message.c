#include "aead_message.h"

#include "pkcs11_numbers.h"

#define TAG_MAX 16u
#define CHACHA_TAG 16u

static void look_gcm(const struct params *p, struct aead_message *ret)
{
	const struct param_gcm_message *m = &p->u.gcm_message;

	/* A tag is whole bytes: bits that are none have no length that fits. */
	*ret = (struct aead_message){ { m->iv, m->fixed_bits, m->generator },
		m->tag_bits % 8 == 0 && m->tag_bits <= TAG_MAX * 8 ? (size_t)m->tag_bits / 8 : 0 };
}

static void make_gcm(const struct params *p, struct slice iv, struct slice aad, struct params *ret)
{
	ret->u.gcm = (struct param_gcm){ iv, iv.n * 8, aad, p->u.gcm_message.tag_bits };
}

static void look_ccm(const struct params *p, struct aead_message *ret)
{
	const struct param_ccm_message *m = &p->u.ccm_message;

	*ret = (struct aead_message){ { m->nonce, m->fixed_bits, m->generator },
		m->mac_len <= TAG_MAX ? (size_t)m->mac_len : 0 };
}

static void make_ccm(const struct params *p, struct slice iv, struct slice aad, struct params *ret)
{
	const struct param_ccm_message *m = &p->u.ccm_message;

	ret->u.ccm = (struct param_ccm){ m->data_len, iv, aad, m->mac_len };
}

static void look_chacha(const struct params *p, struct aead_message *ret)
{
	*ret = (struct aead_message){
		{ p->u.chacha20_poly1305_message.nonce, 0, CKG_NO_GENERATE }, CHACHA_TAG
	};
}

static void make_chacha(const struct params *p, struct slice iv, struct slice aad,
	struct params *ret)
{
	(void)p;
	ret->u.chacha20_poly1305 = (struct param_chacha20_poly1305){ iv, aad };
}

static const struct shape {
	enum param_id message, plain; /* params_of_message(plain) == message */
	void (*look)(const struct params *p, struct aead_message *ret);
	void (*make)(const struct params *p, struct slice iv, struct slice aad, struct params *ret);
} shapes[] = {
	{ PARAM_GCM_MESSAGE, PARAM_GCM, look_gcm, make_gcm },
	{ PARAM_CCM_MESSAGE, PARAM_CCM, look_ccm, make_ccm },
	{ PARAM_CHACHA20_POLY1305_MESSAGE, PARAM_CHACHA20_POLY1305, look_chacha, make_chacha },
};

static const struct shape *shape_of(enum param_id message)
{
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
		if (shapes[i].message == message)
			return &shapes[i];
	return NULL;
}

enum hf_err aead_message_look(const struct params *message, struct aead_message *ret)
{
	const struct shape *s = shape_of(message->id);
	struct aead_message m;

	if (s == NULL || !message->present)
		return HF_E_MECHANISM_PARAM;
	s->look(message, &m);
	if (m.tag == 0)
		return HF_E_MECHANISM_PARAM;
	*ret = m;
	return HF_OK;
}

void aead_message_params(const struct params *message, struct slice iv, struct slice aad,
	struct params *ret)
{
	const struct shape *s = shape_of(message->id);

	*ret = (struct params){ .id = s->plain, .present = true };
	s->make(message, iv, aad, ret);
}
