#include "utf8.h"
#include "wire.h"

bool rd_text(struct rd *r, size_t max, struct slice *ret)
{
	struct rd t = *r;
	struct slice s;

	if (!rd_bytes(&t, max, &s) || !utf8_valid(s))
		return false;
	*r = t;
	*ret = s;
	return true;
}

/* | type u32 | length u32 | parameter | */
void mech_in_enc(struct buf *b, const struct mech_in *m)
{
	buf_u32(b, m->type);
	buf_bytes(b, m->param);
}

bool mech_in_dec(struct rd *r, struct arena *a, struct mech_in *ret)
{
	struct rd t = *r;
	struct mech_in m;

	(void)a; /* every decoder has it */
	if (!rd_u32(&t, &m.type) || !rd_bytes(&t, WIRE_MAX_PARAM, &m.param))
		return false;
	*r = t;
	*ret = m;
	return true;
}
