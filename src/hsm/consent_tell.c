#include "consent_tell.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "policies.h"

/* struct said is a sentence that grows; what does not fit is left out. */
struct said {
	char *p;
	size_t n;
};

static void say(struct said *s, const char *fmt, ...)
{
	size_t room = ASK_WHAT + 1 - s->n;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(s->p + s->n, room, fmt, ap);
	va_end(ap);
	if (n > 0)
		s->n += (size_t)n < room ? (size_t)n : room - 1;
}

#define TEXT(slice) (int)(slice).n, (const char *)(slice).p

static void tell_policies(struct calls_ctx *c, struct said *s)
{
	struct policy_set_req q;
	struct rd r = rd_of(c->fields);

	if (!policy_set_req_dec(&r, c->arena, &q))
		return;
	say(s, " of %.*s:", TEXT(q.serial));
	for (size_t i = 0; i < q.changes.n; i++) {
		enum policy k = policy_numbered(q.changes.v[i].number);

		if (k < POLICIES)
			say(s, " %s=%llu", policy_rows[k].name, (unsigned long long)q.changes.v[i].value);
	}
}

static void tell_create(struct calls_ctx *c, struct said *s)
{
	struct partition_create_req q;
	struct rd r = rd_of(c->fields);

	if (partition_create_req_dec(&r, c->arena, &q))
		say(s, " %.*s", TEXT(q.label));
}

static void tell_delete(struct calls_ctx *c, struct said *s)
{
	struct partition_delete_req q;
	struct rd r = rd_of(c->fields);

	if (partition_delete_req_dec(&r, c->arena, &q))
		say(s, " %.*s", TEXT(q.serial));
}

static void tell_change(struct calls_ctx *c, struct said *s)
{
	struct partition_change_req q;
	struct rd r = rd_of(c->fields);

	if (partition_change_req_dec(&r, c->arena, &q))
		say(s, " %.*s", TEXT(q.serial));
}

static void tell_custodians(struct calls_ctx *c, struct said *s)
{
	struct quorum_create_req q;
	struct rd r = rd_of(c->fields);

	if (quorum_create_req_dec(&r, c->arena, &q))
		say(s, ": %u of %u%s%.*s", q.m, q.n, q.names.n > 0 ? ", " : "", TEXT(q.names));
}

static void tell_consent(struct calls_ctx *c, struct said *s)
{
	struct consent_set_req q;
	struct rd r = rd_of(c->fields);

	if (consent_set_req_dec(&r, c->arena, &q))
		say(s, ": %.*s %s", TEXT(q.name), q.needed ? "yes" : "no");
}

static const struct {
	unsigned opcode;
	void (*tell)(struct calls_ctx *c, struct said *s);
} tellers[] = {
	{ CALLS_POLICY_SET, tell_policies },
	{ CALLS_PARTITION_CREATE, tell_create },
	{ CALLS_PARTITION_DELETE, tell_delete },
	{ CALLS_PARTITION_CHANGE, tell_change },
	{ CALLS_QUORUM_CREATE, tell_custodians },
	{ CALLS_CONSENT_SET, tell_consent },
};

void consent_tell(struct calls_ctx *c, const char *name, char ret[ASK_WHAT + 1])
{
	struct said s = { ret, 0 };

	say(&s, "%s", name);
	if (c->part != NULL)
		say(&s, " in partition %s", c->part->serial);
	for (size_t i = 0; i < sizeof(tellers) / sizeof(tellers[0]); i++)
		if (tellers[i].opcode == c->head.opcode)
			tellers[i].tell(c, &s);
}
