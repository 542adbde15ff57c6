/* no_module.c: for tests whose connections do not get as far as the module. */
#include "hsm.h"

bool hsm_is_slow(const struct hsm_conn *c, const struct wire_head *head, struct slice fields)
{
	(void)c;
	(void)fields;
	(void)head;
	return false;
}

bool hsm_serve(struct hsm_conn *c, const struct wire_head *head, struct slice fields, struct buf *out)
{
	(void)c;
	(void)head;
	(void)fields;
	(void)out;
	return false;
}

bool hsm_takes_bulk(const struct wire_head *head)
{
	(void)head;
	return false;
}

bool hsm_serve_bulk(struct hsm_conn *c, const struct wire_head *head, struct slice fields,
	const struct hsm_bulk *bulk, struct buf *out)
{
	(void)bulk;
	return hsm_serve(c, head, fields, out);
}

bool hsm_serve_later(struct hsm_conn *c, const struct wire_head *head, struct slice fields,
	struct hsm_later *l, struct buf *out)
{
	(void)l;
	return hsm_serve(c, head, fields, out);
}

bool hsm_go_on(struct hsm_later *l)
{
	(void)l;
	return true;
}

void hsm_conn_close(struct hsm_conn *c)
{
	(void)c;
}
