/* poly1305.c: Poly1305 (RFC 8439). */
#include "families.h"
#include "mac.h"

#define TAG 16

/* end keeps no state: OpenSSL does not start twice with a key for one message. */
static void end(struct crypt *c)
{
	struct kept *s = c->state;

	c->state = NULL;
	if (s != NULL)
		s->drop(s);
}

static enum hf_err begin(struct crypt *c)
{
	return mac_begin(c, algs.poly1305, NULL, TAG);
}

const struct family family_poly1305 = {
	.name = "poly1305",
	.begin = begin,
	.update = mac_update,
	.finish = mac_finish,
	.bound = mac_bound,
	.end = end,
	.copy = mac_copy,
};
