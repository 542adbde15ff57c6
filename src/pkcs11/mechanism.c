#include "module.h"

#include "params_pack.h"

enum param_id mechanism_param(CK_MECHANISM_TYPE type)
{
	switch (type) {
#define MECH(name, ops, key, alt_key, min, max, param, arg, flags)             \
	case CKM_##name:                                                       \
		return PARAM_##param;
#include "mechanisms/all.def"
#undef MECH
	default:
		return PARAM_COUNT;
	}
}

/* What the vault has and this library does not yet know it may still do, if it
 * takes no parameter. */
static enum hf_err pack(enum param_id id, const CK_MECHANISM *m, struct buf *b)
{
	if (id != PARAM_COUNT)
		return params_pack(id, m->pParameter, m->ulParameterLen, b);
	return m->ulParameterLen == 0 ? HF_OK : HF_E_MECHANISM;
}

static enum hf_err encode(struct entry *e, enum param_id id, const CK_MECHANISM *m,
	struct mech_in *ret)
{
	if (m->mechanism > UINT32_MAX)
		return HF_E_MECHANISM;
	if (!given(m->pParameter, m->ulParameterLen))
		return HF_E_MECHANISM_PARAM;
	buf_reset(&e->param);
	TRY(pack(id, m, &e->param));
	*ret = (struct mech_in){ (uint32_t)m->mechanism, buf_slice(&e->param) };
	return HF_OK;
}

enum hf_err mechanism_encode(struct entry *e, const CK_MECHANISM *m, struct mech_in *ret)
{
	return m == NULL ? HF_E_ARGUMENTS : encode(e, mechanism_param(m->mechanism), m, ret);
}

enum hf_err mechanism_encode_message(struct entry *e, const CK_MECHANISM *m, struct mech_in *ret)
{
	return encode(e, params_of_message(mechanism_param(m->mechanism)), m, ret);
}

enum hf_err mechanism_encode_param(struct entry *e, const CK_MECHANISM *m, struct slice *ret)
{
	struct mech_in in;

	TRY(mechanism_encode(e, m, &in));
	*ret = in.param;
	return HF_OK;
}
