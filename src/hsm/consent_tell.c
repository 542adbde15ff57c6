#include "consent_tell.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "backup_to.h"
#include "clone.h"
#include "domain_join.h"
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

/* By the fingerprint custodians know which HSM it is about. */
static void tell_domain(struct said *s, struct slice domain, struct slice fingerprint)
{
	char hex[2 * DOMAIN_FINGERPRINT + 1];

	if (fingerprint.n != DOMAIN_FINGERPRINT)
		return;
	hex_encode(fingerprint, hex);
	say(s, " %.*s: fingerprint %s", TEXT(domain), hex);
}

static void tell_admit(struct calls_ctx *c, struct said *s)
{
	struct domain_admit_req q;
	struct rd r = rd_of(c->fields);

	if (domain_admit_req_dec(&r, c->arena, &q))
		tell_domain(s, q.domain, q.fingerprint);
}

static void tell_join(struct calls_ctx *c, struct said *s)
{
	struct domain_join_req q;
	struct rd r = rd_of(c->fields);

	if (domain_join_req_dec(&r, c->arena, &q))
		tell_domain(s, SLICE_STR("with the answer"), q.fingerprint);
}

static void tell_new_domain(struct calls_ctx *c, struct said *s)
{
	struct domain_create_req q;
	struct rd r = rd_of(c->fields);

	if (domain_create_req_dec(&r, c->arena, &q))
		say(s, " %.*s", TEXT(q.name));
}

static void tell_leave(struct calls_ctx *c, struct said *s)
{
	struct domain_leave_req q;
	struct rd r = rd_of(c->fields);

	if (domain_leave_req_dec(&r, c->arena, &q))
		say(s, " %.*s", TEXT(q.domain));
}

static void tell_partition_domain(struct calls_ctx *c, struct said *s)
{
	struct partition_domain_req q;
	struct rd r = rd_of(c->fields);

	if (partition_domain_req_dec(&r, c->arena, &q))
		say(s, " of %.*s: %.*s", TEXT(q.serial), TEXT(q.domain));
}

static void tell_clone(struct calls_ctx *c, struct said *s)
{
	struct clone_begin_req q;
	struct rd r = rd_of(c->fields);
	struct slice hsm, partition;

	if (clone_begin_req_dec(&r, c->arena, &q) && clone_asker(q.request, &hsm, &partition))
		say(s, " to HSM %.*s, partition %.*s", TEXT(hsm), TEXT(partition));
}

static void tell_recipients(struct said *s, struct recipient_list to)
{
	static const char *const kinds[] = {
		[BACKUP_TO_PASSPHRASE] = "a passphrase",
		[BACKUP_TO_TOKEN] = "a key in another token",
	};

	for (size_t i = 0; i < to.n; i++) {
		unsigned kind = to.v[i].kind;
		struct backup_card card;

		say(s, i == 0 ? ", sealed to " : " and ");
		if (kind == BACKUP_TO_KEY && backup_card_dec(to.v[i].body, &card) == HF_OK)
			say(s, "%.*s", TEXT(card.name));
		else if (kind < sizeof(kinds) / sizeof(kinds[0]) && kinds[kind] != NULL)
			say(s, "%s", kinds[kind]);
	}
}

static void tell_backup(struct calls_ctx *c, struct said *s)
{
	struct backup_begin_req q;
	struct rd r = rd_of(c->fields);

	if (backup_begin_req_dec(&r, c->arena, &q))
		tell_recipients(s, q.to);
}

static void tell_whole_backup(struct calls_ctx *c, struct said *s)
{
	struct hsm_backup_begin_req q;
	struct rd r = rd_of(c->fields);

	if (!hsm_backup_begin_req_dec(&r, c->arena, &q))
		return;
	say(s, " of %.*s", TEXT(q.serial.n > 0 ? q.serial : SLICE_STR("every partition")));
	tell_recipients(s, q.to);
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
	{ CALLS_CLONE_BEGIN, tell_clone },
	{ CALLS_BACKUP_BEGIN, tell_backup },
	{ CALLS_HSM_BACKUP_BEGIN, tell_whole_backup },
	{ CALLS_DOMAIN_ADMIT, tell_admit },
	{ CALLS_DOMAIN_JOIN, tell_join },
	{ CALLS_DOMAIN_CREATE, tell_new_domain },
	{ CALLS_DOMAIN_LEAVE, tell_leave },
	{ CALLS_PARTITION_DOMAIN, tell_partition_domain },
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
